"""Keys and values of a head as attention of many places reads them, and as the steps do.

Whole numbers are more exact than bfloat16: a query, a key and a value have a scale of their own,
with 12 bits and, a value, 10 beside the sign. The scales of values go into the shares that they are
multiplied with, which have 14 bits. So no sum over a head or over 64 places leaves 32 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llvmlite import ir

from milonga.compute.convolutions.kernels.emit import FLOAT, INT, POINTER, Value
from milonga.compute.tokens.vectors import LANES, Vectors

_I32 = ir.IntType(32)
LEVELS, SHARE_LEVELS = 4095.0, 16383.0
"""Of whole numbers in queries and keys, and in shares."""
TOGETHER = 64
"""Places whose values are summed in 32 bits."""
WIDEST = 128
"""Of a head in whole numbers."""
_VALUE_LEVELS = 1023.0

PACK = (
    ("keys", POINTER), ("values", POINTER), ("row", INT), ("places", INT), ("packed_keys", POINTER),
    ("packed_values", POINTER),
)  # fmt: skip
"""Packed keys and values have the room that ``packed_room`` says."""
KEEP = (
    ("keys", POINTER), ("values", POINTER), ("row", INT), ("places", INT), ("kept_keys", POINTER),
    ("kept_values", POINTER),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ManyHeads:
    """Attention of many places.

    Attributes:
        width: floats of a head, a multiple of 16.
        kind: in which numbers are multiplied.
    """

    width: int
    kind: Literal["float32", "bfloat16", "int16"]

    @property
    def pair(self) -> int:
        """Numbers in 32 bits."""
        return 1 if self.kind == "float32" else 2

    @property
    def keys(self) -> int:
        """Keys at a time; they are padded to a multiple of it.

        More of them need fewer loads, more registers, and more padding.
        """
        return 64 if self.kind == "int16" else 32


def packed_room(heads: ManyHeads, padded: int) -> int:
    """Floats that the packed keys of a head need, or its values, for so many places."""
    scales = padded + LANES if heads.kind == "int16" else 0
    return padded * heads.width // heads.pair + scales


def emit_pack_head(module: ir.Module, heads: ManyHeads) -> None:
    """Keys in blocks of 16, ``[blocks, width / pair, 16]`` of 32 bits; values ``[places / pair,
    width]`` of 32 bits. What is beyond the last place is 0. Of whole numbers, the keys' scales or
    the values' factors follow."""
    e = Vectors(module, "pack_head", PACK)
    a, b = e.args, e.b
    zero, units = e.index(0), heads.width // heads.pair
    places = a["places"]
    padded = b.mul(e.ceil_div(places, e.index(heads.keys)), e.index(heads.keys))
    row_bytes = b.mul(a["row"], e.index(4))
    whole = heads.kind == "int16"
    scales = e.at(a["packed_keys"], b.mul(padded, e.index(units)))
    factors = e.at(a["packed_values"], b.mul(padded, e.index(units)))

    def taken(name: str, place: Value) -> list[Value]:
        there = b.icmp_signed("<", place, places)
        source = e.byte(a[name], b.mul(b.select(there, place, zero), row_bytes))
        return [b.select(there, e.load(e.at(source, e.index(start))), e.same(0.0))
                for start in range(0, heads.width, LANES)]  # fmt: skip

    def key(place: Value, _: list[Value]) -> None:
        block = b.mul(b.sdiv(place, e.index(LANES)), e.index(units * 4 * LANES))
        column = b.add(block, b.mul(b.srem(place, e.index(LANES)), e.index(4)))
        target = e.byte(a["packed_keys"], column)
        numbers = taken("keys", place)
        if whole:
            numbers, most = scaled(e, numbers, LEVELS)
            gain = ir.Constant(FLOAT, heads.width**-0.5 / LEVELS)
            b.store(b.fmul(most, gain), e.at(scales, place), align=4)
        for index, vector in enumerate(numbers):
            joined = as_units(e, vector, heads)
            for lane in range(LANES // heads.pair):
                unit = index * LANES // heads.pair + lane
                one = b.extract_element(joined, e.i32(lane))
                b.store(one, e.byte(target, e.index(unit * 4 * LANES)), align=4)

    e.loop(zero, padded, 1, key)

    def value(place: Value, _: list[Value]) -> None:
        target = e.byte(
            a["packed_values"], b.mul(b.sdiv(place, e.index(heads.pair)), e.index(4 * heads.width))
        )
        if whole:
            # Shares of 16 places and of the 16 after them are paired without moving their lanes.
            within = b.sdiv(b.srem(place, e.index(2 * LANES)), e.index(2))
            low = b.add(b.sub(place, b.srem(place, e.index(2 * LANES))), within)
            at = [low, b.add(low, e.index(LANES))]
        else:
            at = [b.add(place, e.index(part)) for part in range(heads.pair)]
        found = [taken("values", one) for one in at]
        if whole:
            for index, one in enumerate(at):
                found[index], most = scaled(e, found[index], _VALUE_LEVELS)
                b.store(most, e.at(factors, one), align=4)
        for index in range(heads.width // LANES):
            parts = [one[index] for one in found]
            if heads.pair == 2:
                joined = side_by_side(e, *(_halves(e, part, heads) for part in parts))
            else:
                joined = b.bitcast(parts[0], ir.VectorType(_I32, LANES))
            b.store(joined, e.byte(target, e.index(4 * LANES * index)), align=4)

    e.loop(zero, padded, heads.pair, value)
    if whole:
        _emit_factors(e, factors, padded)
    e.finish()


def _emit_factors(e: Vectors, factors: Value, padded: Value) -> None:
    """Turn the largest numbers of values into factors of their shares, and put what a product of
    both is worth behind them."""
    b = e.b

    def larger(place: Value, most: list[Value]) -> list[Value]:
        return [e.vector_max(most[0], e.load(e.at(factors, place)))]

    (tops,) = e.loop(e.index(0), padded, LANES, larger, [e.same(0.0)])
    top = e.largest(tops)
    gain = e.spread(b.fdiv(ir.Constant(FLOAT, SHARE_LEVELS), top))

    def scale(place: Value, _: list[Value]) -> None:
        at = e.at(factors, place)
        e.store(b.fmul(e.load(at), gain), at)

    e.loop(e.index(0), padded, LANES, scale)
    worth = b.fmul(top, ir.Constant(FLOAT, 1 / (SHARE_LEVELS * _VALUE_LEVELS)))
    b.store(worth, e.at(factors, padded), align=4)


def scaled(e: Vectors, numbers: list[Value], levels: float) -> tuple[list[Value], Value]:
    """Vectors times what makes the largest number ``levels``, and the largest."""
    tops = e.same(1e-20)
    for one in numbers:
        tops = e.vector_max(tops, e._intrinsic("llvm.fabs.v16f32", e.floats(), [one]))
    most = e.largest(tops)
    gain = e.spread(e.b.fdiv(ir.Constant(FLOAT, levels), most))
    return [e.b.fmul(one, gain) for one in numbers], most


def _whole(e: Vectors, value: Value) -> Value:
    """Whole numbers in 32 bits."""
    return e.b.fptosi(e.round(value), ir.VectorType(_I32, LANES))


def side_by_side(e: Vectors, low: Value, high: Value) -> Value:
    """The last 16 bits of two words in one."""
    b, kind = e.b, low.type
    upper = b.shl(high, ir.Constant(kind, [16] * LANES))
    return b.or_(b.and_(low, ir.Constant(kind, [0xFFFF] * LANES)), upper)


def emit_keep_head(module: ir.Module, heads: ManyHeads) -> None:
    """Keys in blocks of 16 places, ``[blocks, width, 16]``; values ``[places, width]``."""
    e = Vectors(module, "keep_head", KEEP)
    a, b = e.args, e.b
    size = 4 // heads.pair

    def place(index: Value, _: list[Value]) -> None:
        offset = b.mul(index, b.mul(a["row"], e.index(4)))
        block = b.mul(b.sdiv(index, e.index(LANES)), e.index(heads.width * LANES * size))
        column = b.add(block, b.mul(b.srem(index, e.index(LANES)), e.index(size)))
        target = e.byte(a["kept_keys"], column)
        row = e.byte(a["kept_values"], b.mul(index, e.index(heads.width * size)))
        for start in range(0, heads.width, LANES):
            value = e.load(e.at(e.byte(a["values"], offset), e.index(start)))
            b.store(as_units(e, value, heads), e.byte(row, e.index(start * size)), align=2)
            key = e.load(e.at(e.byte(a["keys"], offset), e.index(start)))
            bits = as_units(e, key, heads)
            if heads.pair == 2:
                bits = b.bitcast(bits, ir.VectorType(ir.IntType(16), LANES))
            for lane in range(LANES):
                one = b.extract_element(bits, e.i32(lane))
                b.store(one, e.byte(target, e.index((start + lane) * LANES * size)), align=size)

    e.loop(e.index(0), a["places"], 1, place)
    e.finish()


def as_units(e: Vectors, value: Value, heads: ManyHeads) -> Value:
    """16 floats as 32-bit units: one float, a pair of bfloat16 or one of whole numbers."""
    if heads.pair == 1:
        return e.b.bitcast(value, ir.VectorType(_I32, LANES))
    short = e.b.trunc(_halves(e, value, heads), ir.VectorType(ir.IntType(16), LANES))
    return e.b.bitcast(short, ir.VectorType(_I32, LANES // 2))


def _halves(e: Vectors, value: Value, heads: ManyHeads) -> Value:
    """Numbers of 16 bits, in the last ones of words."""
    return _whole(e, value) if heads.kind == "int16" else e.bfloat16(value)
