"""A kernel of attention for many places: of a head, all at once, or as each sees what is before.

The scores of a few places stay in the cache from the product with the keys to that with the
values. In bfloat16 two numbers at a time are multiplied and added; sums and softmax are in
float32 in both kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from milonga.compute.convolutions.kernels.digits import emit_word
from milonga.compute.convolutions.kernels.elementwise import exponential
from milonga.compute.convolutions.kernels.emit import FLOAT, INT, POINTER, Value
from milonga.compute.tokens.vectors import LANES, Kind, Vectors

ROWS = 6
"""Places at a time."""
KEYS = 32
"""Keys are padded to a multiple of it."""
_UNITS = 8
"""Pairs of numbers of a head, or numbers, between two turns of a loop."""
_PIECES = 4
"""Vectors of values at a time."""
_I32 = ir.IntType(32)

PACK = (
    ("keys", POINTER), ("values", POINTER), ("row", INT), ("places", INT), ("packed_keys", POINTER),
    ("packed_values", POINTER),
)  # fmt: skip
KEEP = (
    ("keys", POINTER), ("values", POINTER), ("row", INT), ("places", INT), ("kept_keys", POINTER),
    ("kept_values", POINTER),
)  # fmt: skip
ATTEND = (
    ("query", POINTER), ("query_row", INT), ("first", INT), ("last", INT), ("before", INT),
    ("places", INT), ("causal", INT), ("packed_keys", POINTER), ("packed_values", POINTER),
    ("queries", POINTER), ("scores", POINTER), ("shares", POINTER), ("out", POINTER),
    ("out_row", INT),
)  # fmt: skip
"""``before``: places before the first query. ``queries``, ``scores`` and ``shares``: room for six
rows of as many floats as a head is wide, and twice of the padded places."""


@dataclass(frozen=True, slots=True)
class ManyHeads:
    """Attention of many places.

    Attributes:
        width: floats of a head, a multiple of 16.
        kind: in which numbers are multiplied: ``float32`` or ``bfloat16``.
    """

    width: int
    kind: Kind

    @property
    def pair(self) -> int:
        """Numbers in 32 bits."""
        return 1 if self.kind == "float32" else 2


def emit_many_attention(module: ir.Module, heads: ManyHeads, kept: ManyHeads) -> None:
    """Functions for a head: ``pack_head`` and ``attend``, keys and values packed, then used, and
    ``keep_head``, which puts them into the memory of the steps, in another kind of number."""
    _emit_pack_head(module, heads)
    _emit_keep_head(module, kept)
    tile, single = _emit_tile(module, heads, ROWS), _emit_tile(module, heads, 1)
    e = Vectors(module, "attend", ATTEND)
    a, b = e.args, e.b

    def rows(function: ir.Function, count: int, row: Value) -> None:
        seen = b.add(b.add(a["before"], row), e.index(1))
        causal = b.icmp_signed("!=", a["causal"], e.index(0))
        b.call(function, [
            e.at(a["query"], b.mul(row, a["query_row"])), a["query_row"],
            b.select(causal, seen, a["places"]), b.select(causal, e.index(1), e.index(0)),
            a["packed_keys"], a["packed_values"], a["queries"], a["scores"], a["shares"],
            e.at(a["out"], b.mul(row, a["out_row"])), a["out_row"],
        ])  # fmt: skip

    span = b.sub(a["last"], a["first"])
    whole = b.add(a["first"], b.mul(b.sdiv(span, e.index(ROWS)), e.index(ROWS)))
    e.loop(a["first"], whole, ROWS, lambda row, _: rows(tile, ROWS, row))
    e.loop(whole, a["last"], 1, lambda row, _: rows(single, 1, row))
    e.finish()


def _emit_pack_head(module: ir.Module, heads: ManyHeads) -> None:
    """Keys in blocks of 16, ``[blocks, width / pair, 16]`` of 32 bits; values ``[places / pair,
    width]`` of 32 bits. What is beyond the last place is 0."""
    e = Vectors(module, "pack_head", PACK)
    a, b = e.args, e.b
    zero, units = e.index(0), heads.width // heads.pair
    places = a["places"]
    padded = b.mul(b.sdiv(b.add(places, e.index(KEYS - 1)), e.index(KEYS)), e.index(KEYS))
    row_bytes = b.mul(a["row"], e.index(4))

    def key(place: Value, _: list[Value]) -> None:
        block = b.mul(b.sdiv(place, e.index(LANES)), e.index(units * 4 * LANES))
        column = b.add(block, b.mul(b.srem(place, e.index(LANES)), e.index(4)))
        target = e.byte(a["packed_keys"], column)
        there = b.icmp_signed("<", place, places)
        source = e.byte(a["keys"], b.mul(b.select(there, place, zero), row_bytes))
        for start in range(0, heads.width, LANES):
            numbers = e.load(e.at(source, e.index(start)))
            numbers = b.select(there, numbers, e.same(0.0))
            joined = _joined(e, numbers, heads)
            for lane in range(LANES // heads.pair):
                unit = start // heads.pair + lane
                one = b.extract_element(joined, e.i32(lane))
                b.store(one, e.byte(target, e.index(unit * 4 * LANES)), align=4)

    e.loop(zero, padded, 1, key)

    def value(place: Value, _: list[Value]) -> None:
        target = e.byte(
            a["packed_values"], b.mul(b.sdiv(place, e.index(heads.pair)), e.index(4 * heads.width))
        )
        for start in range(0, heads.width, LANES):
            found = []
            for part in range(heads.pair):
                at = b.add(place, e.index(part))
                there = b.icmp_signed("<", at, places)
                source = e.byte(a["values"], b.mul(b.select(there, at, zero), row_bytes))
                number = e.load(e.at(source, e.index(start)))
                found.append(b.select(there, number, e.same(0.0)))
            if heads.pair == 2:
                low, high = (_rounded(e, number) for number in found)
                low = b.lshr(low, ir.Constant(low.type, [16] * LANES))
                high = b.and_(high, ir.Constant(high.type, [0xFFFF0000] * LANES))
                joined = b.or_(low, high)
            else:
                joined = b.bitcast(found[0], ir.VectorType(_I32, LANES))
            b.store(joined, e.byte(target, e.index(4 * start)), align=4)

    e.loop(zero, padded, heads.pair, value)
    e.finish()


def _emit_keep_head(module: ir.Module, heads: ManyHeads) -> None:
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
            b.store(_joined(e, value, heads), e.byte(row, e.index(start * size)), align=2)
            key = e.load(e.at(e.byte(a["keys"], offset), e.index(start)))
            bits = _joined(e, key, heads)
            if heads.pair == 2:
                bits = b.bitcast(bits, ir.VectorType(ir.IntType(16), LANES))
            for lane in range(LANES):
                one = b.extract_element(bits, e.i32(lane))
                b.store(one, e.byte(target, e.index((start + lane) * LANES * size)), align=size)

    e.loop(e.index(0), a["places"], 1, place)
    e.finish()


def _rounded(e: Vectors, value: Value) -> Value:
    """Bits of floats whose upper halves are rounded to the nearest, ties to even."""
    kind = ir.VectorType(_I32, LANES)
    bits = e.b.bitcast(value, kind)
    odd = e.b.and_(e.b.lshr(bits, ir.Constant(kind, [16] * LANES)), ir.Constant(kind, [1] * LANES))
    return e.b.add(bits, e.b.add(odd, ir.Constant(kind, [0x7FFF] * LANES)))


def _joined(e: Vectors, value: Value, heads: ManyHeads) -> Value:
    """16 floats as 32-bit units, of a pair of bfloat16 or of one float."""
    if heads.pair == 1:
        return e.b.bitcast(value, ir.VectorType(_I32, LANES))
    kind = ir.VectorType(_I32, LANES)
    upper = e.b.lshr(_rounded(e, value), ir.Constant(kind, [16] * LANES))
    short = e.b.trunc(upper, ir.VectorType(ir.IntType(16), LANES))
    return e.b.bitcast(short, ir.VectorType(_I32, LANES // 2))


_TILE = (
    ("query", POINTER), ("query_row", INT), ("seen", INT), ("more", INT), ("packed_keys", POINTER),
    ("packed_values", POINTER), ("queries", POINTER), ("scores", POINTER), ("shares", POINTER),
    ("out", POINTER), ("out_row", INT),
)  # fmt: skip


def _emit_tile(module: ir.Module, heads: ManyHeads, m: int) -> ir.Function:
    """The attention of ``m`` places; the first sees ``seen`` places, each further ``more``."""
    e = Vectors(module, f"attend_{m}", _TILE)
    a, b = e.args, e.b
    zero, width, pair = e.index(0), heads.width, heads.pair
    units = width // pair
    whole = ir.VectorType(_I32, LANES)
    seen = [b.add(a["seen"], b.mul(a["more"], e.index(j))) for j in range(m)]
    padded = b.mul(b.sdiv(b.add(seen[-1], e.index(KEYS - 1)), e.index(KEYS)), e.index(KEYS))

    def numbers(value: Value) -> Value:
        return value if pair == 2 else b.bitcast(value, e.floats())

    def dot(total: Value, x: Value, y: Value) -> Value:
        if pair == 1:
            return e.fma(x, y, total)
        return e._intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", e.floats(), [total, x, y])

    def spread(pointer: Value) -> Value:
        return numbers(emit_word(e, pointer, LANES))

    def load(pointer: Value) -> Value:
        return numbers(b.load(pointer, typ=whole, align=4))

    queries = [e.byte(a["queries"], e.index(4 * units * j)) for j in range(m)]
    for j in range(m):
        row = e.at(a["query"], b.mul(a["query_row"], e.index(j)))
        for start in range(0, width, LANES):
            value = b.fmul(e.load(e.at(row, e.index(start))), e.same(width**-0.5))
            target = e.byte(queries[j], e.index(4 * start // pair))
            b.store(_joined(e, value, heads), target, align=4)
    scores = [e.at(a["scores"], b.mul(padded, e.index(j))) for j in range(m)]
    shares = [e.at(a["shares"], b.mul(padded, e.index(j))) for j in range(m)]
    steps = ir.Constant(ir.VectorType(INT, LANES), list(range(LANES)))
    blank = ir.Constant(ir.VectorType(INT, LANES), ir.Undefined)
    first = ir.Constant(whole, [0] * LANES)

    def spread_int(value: Value) -> Value:
        return b.shuffle_vector(b.insert_element(blank, value, e.i32(0)), blank, first)

    limits = [spread_int(value) for value in seen]

    def score(place: Value, tops: list[Value]) -> list[Value]:
        block = e.byte(a["packed_keys"], b.mul(place, e.index(4 * units)))

        def multiply(unit: Value, sums: list[Value]) -> list[Value]:
            for part in range(_UNITS):
                at = b.add(unit, e.index(part))
                row = e.byte(block, b.mul(at, e.index(4 * LANES)))
                keys = [load(e.byte(row, e.index(4 * LANES * units * v))) for v in range(2)]
                for j in range(m):
                    query = spread(e.byte(queries[j], b.mul(at, e.index(4))))
                    found = [dot(sums[2 * j + v], keys[v], query) for v in range(2)]
                    sums = [*sums[: 2 * j], *found, *sums[2 * j + 2 :]]
            return sums

        sums = e.loop(zero, e.index(units), _UNITS, multiply, [e.same(0.0)] * (2 * m))
        tops = list(tops)
        for v in range(2):
            at = b.add(place, e.index(v * LANES))
            lanes = b.add(spread_int(at), steps)
            for j in range(m):
                there = b.icmp_signed("<", lanes, limits[j])
                found = b.select(there, sums[2 * j + v], e.same(-1e30))
                e.store(found, e.at(scores[j], at))
                tops[j] = e.vector_max(tops[j], found)
        return tops

    tops = e.loop(zero, padded, KEYS, score, [e.same(-1e30)] * m)
    totals = []
    for j in range(m):
        top = e.spread(e.largest(tops[j]))

        def share(place: Value, carried: list[Value], j: int = j, top: Value = top) -> list[Value]:
            found = []
            for v in range(2):
                at = b.add(place, e.index(v * LANES))
                found.append(exponential(e, b.fsub(e.load(e.at(scores[j], at)), top)))
                target = e.byte(shares[j], b.mul(at, e.index(4 // pair)))
                b.store(_joined(e, found[-1], heads), target, align=4)
            return [b.fadd(carried[0], b.fadd(*found))]

        (total,) = e.loop(zero, padded, KEYS, share, [e.same(0.0)])
        totals.append(e.spread(b.fdiv(ir.Constant(FLOAT, 1.0), e.total(total))))
    for begin in range(0, width // LANES, _PIECES):
        pieces = range(begin, min(begin + _PIECES, width // LANES))

        def add(place: Value, sums: list[Value], pieces: range = pieces) -> list[Value]:
            row = e.byte(a["packed_values"], b.mul(place, e.index(4 * width // pair)))
            values = [load(e.byte(row, e.index(4 * LANES * piece))) for piece in pieces]
            found = []
            for j in range(m):
                one = spread(e.byte(shares[j], b.mul(place, e.index(4 // pair))))
                found += [dot(sums[j * len(pieces) + index], value, one)
                          for index, value in enumerate(values)]  # fmt: skip
            return found

        sums = e.loop(zero, padded, pair, add, [e.same(0.0)] * (m * len(pieces)))
        for j in range(m):
            row = e.at(a["out"], b.mul(a["out_row"], e.index(j)))
            for index, piece in enumerate(pieces):
                value = b.fmul(sums[j * len(pieces) + index], totals[j])
                e.store(value, e.at(row, e.index(piece * LANES)))
    return e.finish()
