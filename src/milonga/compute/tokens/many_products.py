"""Kernels of products of many rows with weights of 8 bits, activations rounded to 8 bits, too.

What is read at once, a prompt or a window, has hundreds of rows, and its time is that of
arithmetic. Instructions for 8 bits do four times as many products as those for floats. Each 64
activations of a row have a scale of their own, so that one that is far larger than the others
makes only its 64 coarser; each output of the weight has one. Sums of 64 products are exact, and
those are added in float32.

Source: VNNI, Intel's instruction ``vpdpbusd``: unsigned times signed numbers.
"""

from __future__ import annotations

from llvmlite import ir

from milonga.compute.convolutions.kernels.digits import emit_dot, emit_word
from milonga.compute.convolutions.kernels.emit import FLOAT, INT, POINTER, Value
from milonga.compute.tokens.vectors import LANES, Vectors

GROUP = 64
"""Activations with one scale."""
STRIP = 32
"""Outputs of a weight that are packed and multiplied at a time."""
ROWS = 7
"""Rows of activations at a time: with two vectors of outputs, sums of both kinds fit registers.
Rounded rows lie in blocks of so many, four bytes of each after the other, so that a product reads
them in order, from one address: with an address for each row it was half as quick on Ice Lake."""
_CHUNK = 768
"""Of the inner index at a time: a strip of that many stays in the first cache."""
_BLOCKS = 146
"""Blocks of rows at a time: their activations stay in the second cache."""
_LEVELS, _ZERO = 127.0, 128
_I8, _I32 = ir.IntType(8), ir.IntType(32)
_VECTORS = STRIP // LANES

ROUND = (
    ("x", POINTER), ("rows", INT), ("inner", INT), ("norm", POINTER), ("norm_bias", POINTER),
    ("activation", INT), ("scratch", POINTER), ("out", POINTER), ("scales", POINTER),
)  # fmt: skip
"""Of rounding: ``scratch`` is room for ``inner`` floats; ``norm`` may be null. ``out`` and
``scales`` are those of whole blocks, of which the first row begins one."""


def emit_round(module: ir.Module, norm: ir.Function) -> ir.Function:
    """Round rows ``[rows, inner]``, after a norm or GELU or as they are.

    ``out`` gets unsigned bytes around 128, ``[blocks, inner / 4, 7, 4]``, ``scales`` floats,
    ``[blocks, inner / 64, 7]``.
    """
    e = Vectors(module, "round", ROUND)
    a, b = e.args, e.b
    zero, inner = e.index(0), a["inner"]
    normed = b.icmp_unsigned("!=", b.ptrtoint(a["norm"], INT), zero)
    active = b.icmp_signed("!=", a["activation"], zero)
    absolute = "llvm.fabs.v16f32"
    bytes_ = ir.VectorType(_I8, LANES)

    def row(index: Value, _: list[Value]) -> None:
        x = e.at(a["x"], b.mul(index, inner))
        block, lane = b.sdiv(index, e.index(ROWS)), b.srem(index, e.index(ROWS))
        rows = b.mul(block, e.index(ROWS))
        out = e.byte(a["out"], b.add(b.mul(rows, inner), b.mul(lane, e.index(4))))
        scales = e.at(a["scales"], b.add(b.mul(rows, b.sdiv(inner, e.index(GROUP))), lane))
        with b.if_then(normed):
            b.call(norm, [x, a["scratch"], e.index(1), inner, a["norm"], a["norm_bias"]])
        with b.if_then(active):

            def activate(k: Value, _: list[Value]) -> None:
                e.store(e.gelu(e.load(e.at(x, k))), e.at(a["scratch"], k))

            e.loop(zero, inner, LANES, activate)
        source = b.select(b.or_(normed, active), a["scratch"], x)

        def group(k: Value, _: list[Value]) -> None:
            places = [b.add(k, e.index(part * LANES)) for part in range(GROUP // LANES)]
            values = [e.load(e.at(source, place)) for place in places]
            sizes = [e._intrinsic(absolute, e.floats(), [value]) for value in values]
            while len(sizes) > 1:
                sizes = [e.vector_max(p, q) for p, q in zip(sizes[::2], sizes[1::2], strict=True)]
            most = e.largest(e.vector_max(sizes[0], e.same(1e-30)))
            scale = b.fmul(most, ir.Constant(FLOAT, 1 / _LEVELS))
            b.store(scale, e.at(scales, b.mul(b.sdiv(k, e.index(GROUP)), e.index(ROWS))), align=4)
            gain = e.spread(b.fdiv(ir.Constant(FLOAT, _LEVELS), most))
            for place, value in zip(places, values, strict=True):
                whole = b.fptosi(e.round(b.fmul(value, gain)), ir.VectorType(_I32, LANES))
                raised = b.add(whole, ir.Constant(whole.type, [_ZERO] * LANES))
                words = b.bitcast(b.trunc(raised, bytes_), ir.VectorType(_I32, LANES // 4))
                column = e.byte(out, b.mul(place, e.index(ROWS)))
                for four in range(LANES // 4):
                    word = b.extract_element(words, e.i32(four))
                    b.store(word, e.byte(column, e.index(4 * ROWS * four)), align=4)

        e.loop(zero, inner, GROUP, group)

    e.loop(zero, a["rows"], 1, row)
    return e.finish()


MANY = (
    ("x", POINTER), ("scales", POINTER), ("rows", INT), ("inner", INT), ("weight", POINTER),
    ("gain", POINTER), ("bias", POINTER), ("first", INT), ("last", INT), ("out", POINTER),
    ("out_row", INT), ("plus", POINTER), ("packed", POINTER),
)  # fmt: skip
"""Of a product. ``weight``: ``[outputs, inner]`` bytes; ``gain``: its scales; ``bias`` and
``plus`` may be null; ``plus`` lies as ``out`` does, and may be it. ``packed`` is room for
``ROOM`` bytes."""
ROOM = STRIP * _CHUNK + 4 * STRIP * _CHUNK // GROUP

_TILE = (
    ("x", POINTER), ("scales", POINTER), ("rows", INT), ("count", INT), ("packed", POINTER),
    ("sums", POINTER), ("gain", POINTER), ("bias", POINTER), ("out", POINTER),
    ("out_row", INT), ("plus", POINTER),
)  # fmt: skip


def emit_many_product(module: ir.Module) -> ir.Function:
    """``out[m, n] = plus[m, n] + bias[n] + gain[n] sum_k x[m, k] weight[n, k]`` of rounded rows,
    for ``n`` from ``first`` to ``last``, both multiples of 32.

    A strip of the weight is packed where it stays in the cache, and meets a thousand rows.
    """
    tile, pack = _emit_tile(module), _emit_pack(module)
    e = Vectors(module, "many_product", MANY)
    a, b = e.args, e.b
    zero, inner = e.index(0), a["inner"]
    groups = b.sdiv(inner, e.index(GROUP))

    sums = e.byte(a["packed"], e.index(STRIP * _CHUNK))
    null = ir.Constant(POINTER, None)

    def given(name: str, offset: Value, wanted: Value) -> Value:
        there = b.icmp_unsigned("!=", b.ptrtoint(a[name], INT), zero)
        return b.select(b.and_(there, wanted), e.at(a[name], offset), null)

    def some(first: Value, last: Value, n: Value) -> None:
        """Rows from ``first`` to ``last`` with a strip."""
        weight, gain = e.byte(a["weight"], b.mul(n, inner)), e.at(a["gain"], n)

        def chunk(k: Value, _: list[Value]) -> None:
            count = e.min(b.sub(inner, k), e.index(_CHUNK))
            b.call(pack, [e.byte(weight, k), inner, count, a["packed"], sums])
            begun = b.icmp_signed("==", k, zero)
            bias = given("bias", n, begun)

            def block(row: Value, _: list[Value]) -> None:
                offset = b.add(b.mul(row, a["out_row"]), n)
                out, column = e.at(a["out"], offset), b.mul(k, e.index(ROWS))
                group = b.add(b.mul(row, groups), b.sdiv(column, e.index(GROUP)))
                b.call(tile, [
                    e.byte(a["x"], b.add(b.mul(row, inner), column)), e.at(a["scales"], group),
                    b.sub(last, row), count, a["packed"], sums, gain, bias, out, a["out_row"],
                    b.select(begun, given("plus", offset, begun), out),
                ])  # fmt: skip

            e.loop(first, last, ROWS, block)

        e.loop(zero, inner, _CHUNK, chunk)

    def rows(first: Value, _: list[Value]) -> None:
        last = e.min(b.add(first, e.index(_BLOCKS * ROWS)), a["rows"])
        e.loop(a["first"], a["last"], STRIP, lambda n, _: some(first, last, n))

    e.loop(zero, a["rows"], _BLOCKS * ROWS, rows)
    return e.finish()


def _emit_pack(module: ir.Module) -> ir.Function:
    """Pack 32 rows of a weight: for each four of the inner index, those of all rows together.

    ``sums`` gets -128 times the sums of each 64, which takes back that activations lie around 128.
    """
    e = Vectors(module, "pack_strip", (
        ("weight", POINTER), ("inner", INT), ("count", INT), ("packed", POINTER),
        ("sums", POINTER),
    ))  # fmt: skip
    a, b = e.args, e.b
    zero = e.index(0)
    whole = ir.VectorType(_I32, LANES)
    ones = ir.Constant(whole, [0x01010101] * LANES)

    def lane(n: Value, _: list[Value]) -> None:
        row = e.byte(a["weight"], b.mul(n, a["inner"]))
        column = e.byte(a["packed"], b.mul(n, e.index(4)))

        def four(k: Value, _: list[Value]) -> None:
            for part in range(0, 16, 4):
                place = b.add(k, e.index(part))
                number = b.load(e.byte(row, place), typ=_I32, align=1)
                b.store(number, e.byte(column, b.mul(place, e.index(STRIP))), align=4)

        e.loop(zero, a["count"], 16, four)

    e.loop(zero, e.index(STRIP), 1, lane)

    def group(k: Value, _: list[Value]) -> None:
        base = e.byte(a["packed"], b.mul(k, e.index(STRIP)))
        sums = e.byte(a["sums"], b.mul(b.sdiv(k, e.index(GROUP)), e.index(4 * STRIP)))
        for v in range(_VECTORS):
            found = ir.Constant(whole, [0] * LANES)
            for four in range(GROUP // 4):
                found = emit_dot(e, found, ones, _whole(e, base, (four * _VECTORS + v) * 64))
            found = b.mul(found, ir.Constant(whole, [-_ZERO] * LANES))
            b.store(found, e.byte(sums, e.index(64 * v)), align=4)

    e.loop(zero, a["count"], GROUP, group)
    return e.finish()


def _emit_tile(module: ir.Module) -> ir.Function:
    """The products of a block of rows with a packed strip; ``rows`` of them are written."""
    e = Vectors(module, "rounded_tile", _TILE)
    a, b = e.args, e.b
    zero = e.index(0)
    both = [(j, v) for j in range(ROWS) for v in range(_VECTORS)]

    def group(k: Value, totals: list[Value]) -> list[Value]:
        base = e.byte(a["packed"], b.mul(k, e.index(STRIP)))
        x = e.byte(a["x"], b.mul(k, e.index(ROWS)))
        index = b.sdiv(k, e.index(GROUP))
        first = e.byte(a["sums"], b.mul(index, e.index(4 * STRIP)))
        start = [_whole(e, first, 64 * v) for v in range(_VECTORS)]
        sums = [start[v] for _, v in both]
        for four in range(GROUP // 4):
            weights = [_whole(e, base, (four * _VECTORS + v) * 64) for v in range(_VECTORS)]
            taken = [emit_word(e, e.byte(x, e.index(4 * (four * ROWS + j))), LANES)
                     for j in range(ROWS)]  # fmt: skip
            sums = [
                emit_dot(e, s, taken[j], weights[v]) for s, (j, v) in zip(sums, both, strict=True)
            ]
        scales = e.at(a["scales"], b.mul(index, e.index(ROWS)))
        gains = [e.spread(e.number(e.at(scales, e.index(j)))) for j in range(ROWS)]
        return [e.fma(b.sitofp(s, e.floats()), gains[j], total)
                for s, total, (j, _) in zip(sums, totals, both, strict=True)]  # fmt: skip

    totals = e.loop(zero, a["count"], GROUP, group, [e.same(0.0)] * len(both))
    gain = [e.load(e.at(a["gain"], e.index(v * LANES))) for v in range(_VECTORS)]

    def there(name: str) -> Value:
        return b.icmp_unsigned("!=", b.ptrtoint(a[name], INT), zero)

    biased, added = there("bias"), there("plus")
    for j in range(ROWS):
        with b.if_then(b.icmp_signed(">", a["rows"], e.index(j))):
            row = b.mul(a["out_row"], e.index(j))
            places = [b.add(row, e.index(v * LANES)) for v in range(_VECTORS)]
            found = [b.fmul(totals[j * _VECTORS + v], gain[v]) for v in range(_VECTORS)]
            found = _more(e, biased, found, [e.at(a["bias"], e.index(v * LANES))
                                             for v in range(_VECTORS)])  # fmt: skip
            found = _more(e, added, found, [e.at(a["plus"], place) for place in places])
            for one, place in zip(found, places, strict=True):
                e.store(one, e.at(a["out"], place))
    return e.finish()


def _more(e: Vectors, there: Value, found: list[Value], places: list[Value]) -> list[Value]:
    """Vectors, with those at ``places`` added if they are there."""
    b = e.b
    before = b.block
    with b.if_then(there):
        more = [b.fadd(one, e.load(place)) for one, place in zip(found, places, strict=True)]
        inside = b.block
    joined = []
    for one, other in zip(found, more, strict=True):
        phi = b.phi(e.floats())
        phi.add_incoming(one, before)
        phi.add_incoming(other, inside)
        joined.append(phi)
    return joined


def _whole(e: Vectors, base: Value, offset: int) -> Value:
    return e.b.load(e.byte(base, e.index(offset)), typ=ir.VectorType(_I32, LANES), align=4)
