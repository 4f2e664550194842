"""Products of bytes, four at a time, for numbers that are multiplied digit by digit."""

from __future__ import annotations

from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.kernels.emit import BYTE, Emitter, Value

_INSTRUCTIONS = (
    ("avx512vnni", 16, "llvm.x86.avx512.vpdpbusd.512"),
    ("avxvnni", 8, "llvm.x86.avx512.vpdpbusd.256"),
    ("i8mm", 4, "llvm.aarch64.neon.usdot.v4i32.v16i8"),
)
"""A feature of the processor, words in a vector, and LLVM's name."""


def can_dot() -> bool:
    """Check if the processor has an instruction for it."""
    return any(processor.has(feature) for feature, _, _ in _INSTRUCTIONS)


def emit_word(e: Emitter, place: Value, lanes: int) -> Value:
    """The four bytes at a place, in each of so many words."""
    words = ir.VectorType(ir.IntType(32), lanes)
    blank, number = ir.Constant(words, ir.Undefined), e.b.load(place, typ=ir.IntType(32), align=1)
    first = e.b.insert_element(blank, number, e.i32(0))
    return e.b.shuffle_vector(first, blank, ir.Constant(words, [0] * lanes))


def emit_dot(e: Emitter, total: Value, unsigned: Value, signed: Value) -> Value:
    """``total`` plus the products of the four bytes of each word, summed.

    Args:
        e: where it goes.
        total: a vector of 32-bit words.
        unsigned: as many words of bytes from 0 to 255.
        signed: as many words of bytes from -128 to 127.

    Raises:
        NotImplementedError: the processor has no instruction for it.
    """
    lanes, name = next(
        ((lanes, name) for feature, lanes, name in _INSTRUCTIONS if processor.has(feature)), (0, "")
    )
    if not lanes:
        raise NotImplementedError("no instruction for products of bytes")
    b, count = e.b, total.type.count
    words, octets = ir.VectorType(ir.IntType(32), lanes), ir.VectorType(BYTE, 4 * lanes)
    kind = ir.FunctionType(words, [words, octets, octets])
    function = e.function.module.globals.get(name) or ir.Function(e.function.module, kind, name)

    def cut(value: Value, first: int, size: int) -> Value:
        which = [e.i32(first + index) for index in range(size)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), size), which)
        return b.shuffle_vector(value, value, mask)

    parts = []
    for first in range(0, count, lanes):
        given = [cut(value, first, lanes) for value in (total, unsigned, signed)]
        parts.append(b.call(function, [given[0], *(b.bitcast(v, octets) for v in given[1:])]))
    while len(parts) > 1:
        parts = [
            b.shuffle_vector(left, right, ir.Constant(
                ir.VectorType(ir.IntType(32), 2 * left.type.count), list(range(2 * left.type.count))
            ))
            for left, right in zip(parts[::2], parts[1::2], strict=True)
        ]  # fmt: skip
    return parts[0]
