"""Kernels of one step of a decoder: products of few rows, norms, attention over what is there.

A step of one token reads every weight once, so its time is that of memory: the products here
take a matrix as it lies there, in 32, 16 or 8 bits, several rows of it at a time, and turn its
numbers into floats in registers. Sums, norms and softmax are in float32 throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from milonga.compute.convolutions.kernels.elementwise import exponential
from milonga.compute.convolutions.kernels.emit import FLOAT, INT, POINTER, Value
from milonga.compute.tokens.vectors import BYTES, LANES, Kind, Vectors

PRODUCT = (
    ("x", POINTER), ("x_row", INT), ("rows", INT), ("inner", INT),
    ("weight", POINTER), ("w_row", INT), ("scale", POINTER),
    ("first", INT), ("last", INT), ("out", POINTER), ("out_row", INT),
)  # fmt: skip
"""Of a product; strides of ``x`` and ``out`` in floats, of the weight in bytes."""

_TILE = (
    ("x", POINTER), ("x_row", INT), ("inner", INT), ("weight", POINTER), ("w_row", INT),
    ("scale", POINTER), ("out", POINTER), ("out_row", INT),
)  # fmt: skip


def emit_product(module: ir.Module, kind: Kind, wide: bool, unroll: int) -> ir.Function:
    """``out[m, n] = scale[n] sum_k x[m, k] weight[n, k]`` for ``n`` from ``first`` to ``last``.

    Args:
        module: where it goes.
        kind: of the weight; those of 8 bits have scales.
        wide: whether there are 32 registers of 16 floats.
        unroll: vectors of the inner index at a time; ``inner`` is a multiple of that.
    """
    sizes = [(8, 1), (8, 2), (4, 4)] if wide else [(4, 1), (2, 2), (1, 4)]
    tall = {m: r for r, m in sizes}
    tiles = {
        (r, m): _emit_tile(module, kind, r, m, unroll)
        for r, m in {*sizes, (tall[4], 1), (tall[4], 2), (1, 1), (1, 2), (1, 4)}
    }
    e = Vectors(module, f"product_{kind}", PRODUCT)
    a, b = e.args, e.b

    def tile(r: int, m: int, n: Value, row: Value) -> None:
        b.call(tiles[r, m], [
            e.at(a["x"], b.mul(row, a["x_row"])), a["x_row"], a["inner"],
            e.byte(a["weight"], b.mul(n, a["w_row"])), a["w_row"],
            e.at(a["scale"], n) if kind == "int8" else a["scale"],
            e.at(e.at(a["out"], b.mul(row, a["out_row"])), n), a["out_row"],
        ])  # fmt: skip

    def strip(r: int, n: Value) -> None:
        """``r`` rows of the weight, which stay in the cache, with all rows of ``x``."""
        fours = b.mul(b.sdiv(a["rows"], e.index(4)), e.index(4))
        e.loop(e.index(0), fours, 4, lambda row, _: tile(r, 4, n, row))
        two = b.and_(a["rows"], e.index(2))
        with b.if_then(b.icmp_signed("!=", two, e.index(0))):
            tile(r, 2, n, fours)
        with b.if_then(b.icmp_signed("!=", b.and_(a["rows"], e.index(1)), e.index(0))):
            tile(r, 1, n, b.add(fours, two))

    def over(r: int, strip_of: Callable[[int, Value], None]) -> None:
        span = b.sub(a["last"], a["first"])
        whole = b.add(a["first"], b.mul(b.sdiv(span, e.index(r)), e.index(r)))
        e.loop(a["first"], whole, r, lambda n, _: strip_of(r, n))
        e.loop(whole, a["last"], 1, lambda n, _: strip(1, n))

    one = b.icmp_signed("==", a["rows"], e.index(1))
    with b.if_else(one) as (then, otherwise):
        with then:
            over(tall[1], lambda r, n: tile(r, 1, n, e.index(0)))
        with otherwise:
            two = b.icmp_signed("==", a["rows"], e.index(2))
            with b.if_else(two) as (then_two, more):
                with then_two:
                    over(tall[2], lambda r, n: tile(r, 2, n, e.index(0)))
                with more:
                    over(tall[4], strip)
    return e.finish()


def _emit_tile(module: ir.Module, kind: Kind, r: int, m: int, unroll: int) -> ir.Function:
    """The products of ``r`` rows of the weight with ``m`` rows of ``x``."""
    e = Vectors(module, f"tile_{kind}_{r}_{m}", _TILE)
    a, b = e.args, e.b
    size = BYTES[kind]
    ahead = b.mul(a["w_row"], e.index(r))
    rows = [e.byte(a["weight"], b.mul(a["w_row"], e.index(i))) for i in range(r)]
    xs = [e.at(a["x"], b.mul(a["x_row"], e.index(j))) for j in range(m)]
    # One sum of each product hides how long an addition takes only if there are enough of them.
    parts = 2 if r * m < 8 and unroll % 2 == 0 else 1
    zeros = [e.same(0.0)] * (r * m * parts)

    def body(k: Value, sums: list[Value]) -> list[Value]:
        sums = list(sums)
        for u in range(unroll):
            index = b.add(k, e.index(u * LANES)) if u else k
            offset = b.mul(index, e.index(size))
            taken = [e.load(e.at(x, index)) for x in xs]
            for i, row in enumerate(rows):
                place = e.byte(row, offset)
                if (u * LANES * size) % 64 == 0:
                    e.prefetch(e.byte(place, ahead))
                weight = e.read(place, kind)
                for j, x in enumerate(taken):
                    at = ((u % parts) * r + i) * m + j
                    sums[at] = e.fma(weight, x, sums[at])
        return sums

    sums = e.loop(e.index(0), a["inner"], LANES * unroll, body, zeros)
    for i in range(r):
        scale = e.number(e.at(a["scale"], e.index(i))) if kind == "int8" else None
        for j in range(m):
            total = sums[i * m + j]
            for part in range(1, parts):
                total = b.fadd(total, sums[(part * r + i) * m + j])
            found = e.total(total)
            if scale is not None:
                found = b.fmul(found, scale)
            target = e.at(e.at(a["out"], b.mul(a["out_row"], e.index(j))), e.index(i))
            b.store(found, target, align=4)
    return e.finish()


NORM = (
    ("x", POINTER), ("out", POINTER), ("rows", INT), ("width", INT), ("weight", POINTER),
    ("bias", POINTER),
)  # fmt: skip


def emit_norm(module: ir.Module, eps: float) -> ir.Function:
    """The norm of a layer, ``[rows, width]``; ``bias`` may be null."""
    e = Vectors(module, "norm", NORM)
    a, b = e.args, e.b
    count = b.sitofp(a["width"], FLOAT)
    biased = b.icmp_unsigned("!=", b.ptrtoint(a["bias"], INT), e.index(0))

    def row(index: Value, _: list[Value]) -> None:
        offset = b.mul(index, a["width"])
        x, out = e.at(a["x"], offset), e.at(a["out"], offset)
        zero, end = e.index(0), a["width"]
        (total,) = e.loop(
            zero, end, LANES, lambda k, s: [b.fadd(s[0], e.load(e.at(x, k)))], [e.same(0.0)]
        )
        mean = e.spread(b.fdiv(e.total(total), count))

        def squared(k: Value, sums: list[Value]) -> list[Value]:
            apart = b.fsub(e.load(e.at(x, k)), mean)
            return [e.fma(apart, apart, sums[0])]

        (squares,) = e.loop(zero, end, LANES, squared, [e.same(0.0)])
        spread = b.fadd(b.fdiv(e.total(squares), count), ir.Constant(FLOAT, eps))
        gain = e.spread(b.fdiv(ir.Constant(FLOAT, 1.0), e.root(spread)))

        def scaled(k: Value, _: list[Value]) -> None:
            value = b.fmul(b.fsub(e.load(e.at(x, k)), mean), gain)
            e.store(b.fmul(value, e.load(e.at(a["weight"], k))), e.at(out, k))

        e.loop(zero, end, LANES, scaled)

        def shifted(k: Value, _: list[Value]) -> None:
            e.store(b.fadd(e.load(e.at(out, k)), e.load(e.at(a["bias"], k))), e.at(out, k))

        with b.if_then(biased):
            e.loop(zero, end, LANES, shifted)

    e.loop(e.index(0), a["rows"], 1, row)
    return e.finish()


AFTER = (
    ("x", POINTER), ("count", INT), ("bias", POINTER), ("activation", INT), ("onto", POINTER),
)  # fmt: skip


def emit_after(module: ir.Module) -> ir.Function:
    """What follows a product, on ``count`` floats in place: bias, GELU, ``onto`` added.

    ``bias`` and ``onto`` may be null; ``onto`` gets the sum then.
    """
    e = Vectors(module, "after", AFTER)
    a, b = e.args, e.b

    def given(name: str) -> Value:
        return b.icmp_unsigned("!=", b.ptrtoint(a[name], INT), e.index(0))

    def over(change: Callable[[Value], Value], target: Value = a["x"]) -> None:
        def change_one(k: Value, _: list[Value]) -> None:
            e.store(change(k), e.at(target, k))

        e.loop(e.index(0), a["count"], LANES, change_one)

    def x(k: Value) -> Value:
        return e.load(e.at(a["x"], k))

    with b.if_then(given("bias")):
        over(lambda k: b.fadd(x(k), e.load(e.at(a["bias"], k))))
    with b.if_then(b.icmp_signed("!=", a["activation"], e.index(0))):
        over(lambda k: e.gelu(x(k)))
    with b.if_then(given("onto")):
        over(lambda k: b.fadd(e.load(e.at(a["onto"], k)), x(k)), a["onto"])
    return e.finish()


@dataclass(frozen=True, slots=True)
class Heads:
    """Attention of one decoder.

    Attributes:
        width: floats of a head, a multiple of 8.
        kind: in which the keys and values lie: ``float32`` or ``bfloat16``.
    """

    width: int
    kind: Kind

    @property
    def lanes(self) -> int:
        """Floats in a vector of values."""
        return LANES if self.width % LANES == 0 else 8


ATTENTION = (
    ("query", POINTER), ("key", POINTER), ("value", POINTER), ("keys", POINTER),
    ("values", POINTER), ("length", INT), ("scores", POINTER), ("out", POINTER),
)  # fmt: skip


def emit_attention(module: ir.Module, heads: Heads) -> ir.Function:
    """The attention of one head of one row, over ``length`` places.

    With ``key`` and ``value``, these are first kept as the last of the places; null keeps nothing.
    Keys lie in blocks of 16 places, ``[places / 16, width, 16]``, so that the scores of a block
    are computed side by side; values as ``[places, width]``. ``scores`` is room for as many.
    Of no places at all, the attention is 0.
    """
    e = Vectors(module, "attention", ATTENTION)
    a, b = e.args, e.b
    size, width, lanes = BYTES[heads.kind], heads.width, heads.lanes
    length, zero = a["length"], e.index(0)
    block_bytes = e.index(width * LANES * size)

    with b.if_then(b.icmp_unsigned("!=", b.ptrtoint(a["key"], INT), zero)):
        place = b.sub(length, e.index(1))
        block = e.byte(a["keys"], b.mul(b.sdiv(place, e.index(LANES)), block_bytes))
        lane = b.srem(place, e.index(LANES))
        column = e.byte(block, b.mul(lane, e.index(size)))
        row = e.byte(a["values"], b.mul(place, e.index(width * size)))
        for start in range(0, width, lanes):
            key = e.b.load(e.at(a["key"], e.index(start)), typ=e.floats(lanes), align=4)
            for index in range(lanes):
                one = b.extract_element(key, e.i32(index))
                single = b.insert_element(ir.Constant(e.floats(1), ir.Undefined), one, e.i32(0))
                offset = e.index((start + index) * LANES * size)
                e.write(single, e.byte(column, offset), heads.kind, 1)
            value = e.b.load(e.at(a["value"], e.index(start)), typ=e.floats(lanes), align=4)
            e.write(value, e.byte(row, e.index(start * size)), heads.kind, lanes)

    gain = e.same(width**-0.5)
    steps = ir.Constant(ir.VectorType(INT, LANES), list(range(LANES)))
    blank = ir.Constant(ir.VectorType(INT, LANES), ir.Undefined)
    first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

    def spread_int(value: Value) -> Value:
        return b.shuffle_vector(b.insert_element(blank, value, e.i32(0)), blank, first)

    many = spread_int(length)

    def score(place: Value, carried: list[Value]) -> list[Value]:
        block = e.byte(a["keys"], b.mul(b.sdiv(place, e.index(LANES)), block_bytes))
        sums = [e.same(0.0)] * 4
        for d in range(width):
            keys = e.read(e.byte(block, e.index(d * LANES * size)), heads.kind)
            query = e.spread(e.number(e.at(a["query"], e.index(d))))
            sums[d % 4] = e.fma(keys, query, sums[d % 4])
        found = b.fadd(b.fadd(sums[0], sums[1]), b.fadd(sums[2], sums[3]))
        found = b.fmul(found, gain)
        there = b.icmp_signed("<", b.add(spread_int(place), steps), many)
        found = b.select(there, found, e.same(-1e30))
        e.store(found, e.at(a["scores"], place))
        return [e.vector_max(carried[0], found)]

    (tops,) = e.loop(zero, length, LANES, score, [e.same(-1e30)])
    top = e.spread(e.largest(tops))

    def odds(place: Value, carried: list[Value]) -> list[Value]:
        found = exponential(e, b.fsub(e.load(e.at(a["scores"], place)), top))
        e.store(found, e.at(a["scores"], place))
        return [b.fadd(carried[0], found)]

    (sums,) = e.loop(zero, length, LANES, odds, [e.same(0.0)])
    pieces = width // lanes

    def add(place: Value, carried: list[Value], parts: int) -> list[Value]:
        carried = list(carried)
        for part in range(parts):
            at = b.add(place, e.index(part)) if part else place
            share = e.spread(e.number(e.at(a["scores"], at)), lanes)
            row = e.byte(a["values"], b.mul(at, e.index(width * size)))
            for piece in range(pieces):
                value = e.read(e.byte(row, e.index(piece * lanes * size)), heads.kind, lanes)
                index = part * pieces + piece
                fma = f"llvm.fma.v{lanes}f32"
                kind = e.floats(lanes)
                carried[index] = e._intrinsic(fma, kind, [value, share, carried[index]])
        return carried

    pairs = b.mul(b.sdiv(length, e.index(2)), e.index(2))
    none = [e.same(0.0, lanes)] * pieces
    both = e.loop(zero, pairs, 2, lambda place, c: add(place, c, 2), none * 2)
    seen = [b.fadd(both[i], both[pieces + i]) for i in range(pieces)]
    seen = e.loop(pairs, length, 1, lambda place, c: add(place, c, 1), seen)
    whole = e.total(sums)
    empty = b.icmp_signed("==", length, zero)
    share = b.fdiv(ir.Constant(FLOAT, 1.0), b.select(empty, ir.Constant(FLOAT, 1.0), whole))
    for piece, value in enumerate(seen):
        target = e.at(a["out"], e.index(piece * lanes))
        b.store(b.fmul(value, e.spread(share, lanes)), target, align=4)
    return e.finish()
