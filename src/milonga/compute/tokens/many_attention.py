"""A kernel of attention for many places: of a head, all at once, or as each sees what is before.

The scores of a few places stay in the cache from the product with the keys to that with the
values. In bfloat16 two numbers at a time are multiplied and added, and in whole numbers of 16 bits,
for processors that multiply these alone in pairs; sums of shares are in float32 in all kinds.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from milonga.compute.convolutions.kernels.digits import emit_word
from milonga.compute.convolutions.kernels.elementwise import exponential
from milonga.compute.convolutions.kernels.emit import FLOAT, INT, POINTER, Value
from milonga.compute.tokens.many_packing import (
    LEVELS,
    TOGETHER,
    ManyHeads,
    as_units,
    emit_keep_head,
    emit_pack_head,
    scaled,
    side_by_side,
)
from milonga.compute.tokens.vectors import LANES, Vectors

ROWS = 6
"""Places at a time."""
_UNITS = 8
"""Pairs of numbers of a head, or numbers, between two turns of a loop."""
_PIECES = 4
"""Vectors of values at a time."""
_I16, _I32 = ir.IntType(16), ir.IntType(32)

ATTEND = (
    ("query", POINTER), ("query_row", INT), ("first", INT), ("last", INT), ("before", INT),
    ("places", INT), ("causal", INT), ("packed_keys", POINTER), ("packed_values", POINTER),
    ("queries", POINTER), ("scores", POINTER), ("shares", POINTER), ("out", POINTER),
    ("out_row", INT),
)  # fmt: skip
"""``before``: places before the first query. ``queries``, ``scores`` and ``shares``: room for six
rows of as many floats as a head is wide, and twice of the padded places."""


def emit_many_attention(module: ir.Module, heads: ManyHeads, kept: ManyHeads) -> None:
    """Functions for a head: ``pack_head`` and ``attend``, keys and values packed, then used, and
    ``keep_head``, which puts them into the memory of the steps, in another kind of number."""
    emit_pack_head(module, heads)
    emit_keep_head(module, kept)
    tile, single = _emit_tile(module, heads, ROWS), _emit_tile(module, heads, 1)
    e = Vectors(module, "attend", ATTEND)
    a, b = e.args, e.b

    def rows(function: ir.Function, count: int, row: Value) -> None:
        seen = b.add(b.add(a["before"], row), e.index(1))
        causal = b.icmp_signed("!=", a["causal"], e.index(0))
        b.call(function, [
            e.at(a["query"], b.mul(row, a["query_row"])), a["query_row"],
            b.select(causal, seen, a["places"]), b.select(causal, e.index(1), e.index(0)),
            a["places"],
            a["packed_keys"], a["packed_values"], a["queries"], a["scores"], a["shares"],
            e.at(a["out"], b.mul(row, a["out_row"])), a["out_row"],
        ])  # fmt: skip

    span = b.sub(a["last"], a["first"])
    whole = b.add(a["first"], b.mul(b.sdiv(span, e.index(ROWS)), e.index(ROWS)))
    e.loop(a["first"], whole, ROWS, lambda row, _: rows(tile, ROWS, row))
    e.loop(whole, a["last"], 1, lambda row, _: rows(single, 1, row))
    e.finish()


_TILE = (
    ("query", POINTER), ("query_row", INT), ("seen", INT), ("more", INT), ("places", INT),
    ("packed_keys", POINTER),
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
    vectors = heads.keys // LANES
    padded = b.mul(e.ceil_div(seen[-1], e.index(heads.keys)), e.index(heads.keys))

    integers = heads.kind == "int16"
    none = ir.Constant(whole, [0] * LANES) if integers else e.same(0.0)

    def numbers(value: Value) -> Value:
        return value if pair == 2 else b.bitcast(value, e.floats())

    def dot(total: Value, x: Value, y: Value) -> Value:
        if pair == 1:
            return e.fma(x, y, total)
        if integers:
            halves = [b.bitcast(one, ir.VectorType(_I16, 2 * LANES)) for one in (x, y)]
            return e._intrinsic("llvm.x86.avx512.vpdpwssd.512", whole, [total, *halves])
        return e._intrinsic("llvm.x86.avx512bf16.dpbf16ps.512", e.floats(), [total, x, y])

    def spread(pointer: Value) -> Value:
        return numbers(emit_word(e, pointer, LANES))

    def load(pointer: Value) -> Value:
        return numbers(b.load(pointer, typ=whole, align=4))

    queries = [e.byte(a["queries"], e.index(4 * units * j)) for j in range(m)]
    sizes = []
    for j in range(m):
        row = e.at(a["query"], b.mul(a["query_row"], e.index(j)))
        values = [e.load(e.at(row, e.index(start))) for start in range(0, width, LANES)]
        if integers:
            values, most = scaled(e, values, LEVELS)
            sizes.append(e.spread(b.fmul(most, ir.Constant(FLOAT, 1 / LEVELS))))
        else:
            values = [b.fmul(value, e.same(width**-0.5)) for value in values]
        for index, value in enumerate(values):
            target = e.byte(queries[j], e.index(4 * LANES * index // pair))
            b.store(as_units(e, value, heads), target, align=4)
    every = b.mul(e.ceil_div(a["places"], e.index(heads.keys)), e.index(heads.keys))
    scales = e.at(a["packed_keys"], b.mul(every, e.index(units)))
    factors = e.at(a["packed_values"], b.mul(every, e.index(units)))
    scores = [e.at(a["scores"], b.mul(padded, e.index(j))) for j in range(m)]
    shares = [e.at(a["shares"], b.mul(padded, e.index(j))) for j in range(m)]
    steps = ir.Constant(whole, list(range(LANES)))
    blank = ir.Constant(whole, ir.Undefined)
    first = ir.Constant(whole, [0] * LANES)

    def spread_int(value: Value) -> Value:
        number = b.trunc(value, _I32)
        return b.shuffle_vector(b.insert_element(blank, number, e.i32(0)), blank, first)

    limits = [spread_int(value) for value in seen]

    def score(place: Value, tops: list[Value]) -> list[Value]:
        block = e.byte(a["packed_keys"], b.mul(place, e.index(4 * units)))

        def multiply(unit: Value, sums: list[Value]) -> list[Value]:
            for part in range(_UNITS):
                at = b.add(unit, e.index(part))
                row = e.byte(block, b.mul(at, e.index(4 * LANES)))
                keys = [load(e.byte(row, e.index(4 * LANES * units * v))) for v in range(vectors)]
                for j in range(m):
                    query = spread(e.byte(queries[j], b.mul(at, e.index(4))))
                    own = slice(vectors * j, vectors * (j + 1))
                    found = [dot(one, key, query) for one, key in zip(sums[own], keys, strict=True)]
                    sums = [*sums[: own.start], *found, *sums[own.stop :]]
            return sums

        sums = e.loop(zero, e.index(units), _UNITS, multiply, [none] * (vectors * m))
        tops = list(tops)
        for v in range(vectors):
            at = b.add(place, e.index(v * LANES))
            found = sums[v::vectors]
            if integers:
                scale = e.load(e.at(scales, at))
                found = [b.fmul(b.sitofp(one, e.floats()), scale) for one in found]
            lanes = b.add(spread_int(at), steps)
            for j in range(m):
                there = b.icmp_signed("<", lanes, limits[j])
                one = b.select(there, found[j], e.same(-1e30))
                e.store(one, e.at(scores[j], at))
                tops[j] = e.vector_max(tops[j], one)
        return tops

    tops = e.loop(zero, padded, heads.keys, score, [e.same(-1e30)] * m)
    totals = []
    for j in range(m):
        top = e.spread(e.largest(tops[j]))

        def share(place: Value, carried: list[Value], j: int = j, top: Value = top) -> list[Value]:
            found = []
            for v in range(2):
                apart = b.fsub(e.load(e.at(scores[j], b.add(place, e.index(v * LANES)))), top)
                apart = b.fmul(apart, sizes[j]) if integers else apart
                found.append(exponential(e, apart))
            target = e.byte(shares[j], b.mul(place, e.index(4 // pair)))
            if integers:
                # The last bits of a number of this size are what was added, rounded.
                large = e.same(1.5 * 2.0**23)
                factor = [e.load(e.at(e.at(factors, place), e.index(v * LANES))) for v in range(2)]
                both = [b.bitcast(e.fma(*pair, large), whole)
                        for pair in zip(found, factor, strict=True)]  # fmt: skip
                b.store(side_by_side(e, *both), target, align=4)
            else:
                for v, one in enumerate(found):
                    part = e.byte(target, e.index(v * LANES * 4 // pair))
                    b.store(as_units(e, one, heads), part, align=4)
            return [b.fadd(carried[0], b.fadd(*found))]

        (total,) = e.loop(zero, padded, 2 * LANES, share, [e.same(0.0)])
        worth = e.number(e.at(factors, every)) if integers else ir.Constant(FLOAT, 1.0)
        totals.append(e.spread(b.fdiv(worth, e.total(total))))
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

        def some(
            place: Value, sums: list[Value], add: Callable[..., list[Value]] = add
        ) -> list[Value]:
            stop = e.min(b.add(place, e.index(TOGETHER)), padded)
            more = e.loop(place, stop, pair, add, [none] * len(sums))
            return [b.fadd(one, b.sitofp(other, e.floats()))
                    for one, other in zip(sums, more, strict=True)]  # fmt: skip

        begun = [e.same(0.0)] * (m * len(pieces))
        if integers:
            sums = e.loop(zero, padded, TOGETHER, some, begun)
        else:
            sums = e.loop(zero, padded, pair, add, begun)
        for j in range(m):
            row = e.at(a["out"], b.mul(a["out_row"], e.index(j)))
            for index, piece in enumerate(pieces):
                value = b.fmul(sums[j * len(pieces) + index], totals[j])
                e.store(value, e.at(row, e.index(piece * LANES)))
    return e.finish()
