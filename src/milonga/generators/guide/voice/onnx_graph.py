"""Just enough of the ONNX file format to make an inner tensor of a model an output.

Messages of protocol buffers are lists of (field, value); two encodings put one after the other
decode as their union, so an output is added by appending a few bytes.

References:
    ``onnx.proto3`` (ModelProto.graph 7; GraphProto.node 1, .output 12; NodeProto.input 1,
    .op_type 4; ValueInfoProto.name 1) and the protocol buffers encoding guide.
"""

from __future__ import annotations

from collections.abc import Iterator

_GRAPH, _NODE, _OUTPUT = 7, 1, 12
_INPUT, _OP_TYPE = 1, 4
_NAME = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def with_output(model: bytes, tensor: str) -> bytes:
    """The model with one more output, of a tensor it computes anyway."""
    value_info = _field(_NAME, tensor.encode())
    return model + _field(_GRAPH, _field(_OUTPUT, value_info))


def inputs_of(model: bytes, op_type: str) -> list[list[str]]:
    """Names of the inputs of every node with an operator, in the order of the file."""
    found = []
    for number, graph in _fields(model):
        if number != _GRAPH:
            continue
        for field, node in _fields(graph):
            if field != _NODE:
                continue
            parts = [(key, value) for key, value in _fields(node) if key in (_INPUT, _OP_TYPE)]
            if (_OP_TYPE, op_type.encode()) in parts:
                found.append([value.decode() for key, value in parts if key == _INPUT])
    return found


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields of a message."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        wire = key & 7
        if wire == _BYTES:
            length, at = _read_varint(data, at)
            yield key >> 3, data[at : at + length]
            at += length
        elif wire == _VARINT:
            _, at = _read_varint(data, at)
        else:
            at += {_FIXED64: 8, _FIXED32: 4}[wire]
