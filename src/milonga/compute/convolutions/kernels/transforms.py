"""The two transforms of minimal filtering, and the convolution made of them.

Signals are ``[time, channels]``, so that every step is one of whole vectors of channels, whatever
the tile and the dilation. A convolution with dilation ``d`` is ``d`` undilated ones, each on every
``d``-th sample; tile ``q`` belongs to phase ``q mod d``.
"""

from __future__ import annotations

from llvmlite import ir

from milonga.compute.convolutions.kernels.elementwise import Kind, apply
from milonga.compute.convolutions.kernels.emit import INT, POINTER, Emitter, Value
from milonga.compute.convolutions.kernels.gemm import Tiling
from milonga.compute.convolutions.kernels.minimal import Filtering, Term

CONV_ARGS = (
    ("x", POINTER), ("length", INT), ("channels", INT), ("dilation", INT), ("factors", POINTER),
    ("bias", POINTER), ("add1", POINTER), ("add1_row", INT), ("add2", POINTER),
    ("add2_row", INT), ("y", POINTER), ("work_in", POINTER), ("work_out", POINTER),
    ("zeros", POINTER), ("scratch", POINTER), ("block", INT), ("first", INT), ("last", INT),
)  # fmt: skip


def emit_conv(module: ir.Module, gemm: ir.Function, filtering: Filtering, tiling: Tiling) -> None:
    """``y = conv(x) + bias + add1 + add2`` for tiles ``first`` to ``last``.

    ``add1`` and ``add2`` have rows like ``y``, or are one row of zeros with the stride 0.
    ``work_in`` and ``work_out`` hold ``products * block * channels`` floats, ``block`` is a
    multiple of the tiling's rows; ``zeros`` and ``scratch`` hold a row.
    """
    name = conv_name(filtering)
    into = emit_input(module, filtering, tiling.width)
    out = emit_output(module, filtering, tiling.width, adds=2)
    e = Emitter(module, name, CONV_ARGS, tiling.width)
    a = e.args
    channels, block = a["channels"], a["block"]
    panels = e.b.sdiv(channels, e.index(tiling.columns))
    square = e.b.mul(channels, channels)
    plane = e.b.mul(block, channels)
    lead = e.b.mul(a["dilation"], e.index((filtering.taps - 1) // 2))

    def blocks(first: Value, _: list[Value]) -> None:
        last = e.min(e.b.add(first, block), a["last"])
        count = e.b.sub(last, first)
        rows = e.b.mul(
            e.b.sdiv(e.b.add(count, e.index(tiling.rows - 1)), e.index(tiling.rows)),
            e.index(tiling.rows),
        )
        e.b.call(into, [a["x"], a["length"], lead, channels, a["dilation"], a["work_in"],
                        channels, plane, a["zeros"], first, last])  # fmt: skip
        e.b.call(gemm, [a["work_in"], channels, plane, a["factors"], square, a["work_out"],
                        channels, plane, a["zeros"], rows, channels, panels,
                        e.index(filtering.products)])  # fmt: skip
        e.b.call(out, [a["work_out"], channels, plane, a["length"], e.index(0), channels,
                       a["dilation"], a["bias"], a["y"], channels, a["zeros"], a["scratch"], first,
                       last, a["add1"], a["add1_row"], a["add2"], a["add2_row"]])  # fmt: skip

    e.loop(a["first"], a["last"], block, blocks)
    e.finish()


def conv_name(filtering: Filtering) -> str:
    """Name the function of ``emit_conv``."""
    return f"conv_{filtering.taps}_of_{filtering.inputs}"


def _tile_start(e: Emitter, q: Value, outputs: int) -> Value:
    """The first output of a tile."""
    dilation = e.args["dilation"]
    group, phase = e.b.sdiv(q, dilation), e.b.srem(q, dilation)
    return e.b.add(e.b.mul(e.b.mul(group, e.index(outputs)), dilation), phase)


def _row(e: Emitter, base: Value, index: Value, stride: Value, outside: Value) -> Value:
    """The address of a row, or ``outside`` beyond the ends."""
    inside = e.b.icmp_unsigned("<", index, e.args["length"])
    return e.b.select(inside, e.at(base, e.b.mul(index, stride)), outside)


INPUT_ARGS = (
    ("x", POINTER), ("length", INT), ("lead", INT), ("channels", INT), ("dilation", INT),
    ("v", POINTER), ("v_row", INT), ("plane", INT), ("zeros", POINTER), ("first", INT),
    ("last", INT),
)  # fmt: skip


def emit_input(module: ir.Module, filtering: Filtering, width: int) -> ir.Function:
    """The factors of tiles ``first`` to ``last``: ``v[product, tile - first, channel]``.

    Output row ``n`` sees the rows of ``x`` from ``n - lead`` on; those outside of ``length`` are
    ``zeros``.
    """
    name = f"{conv_name(filtering)}_input"
    if name in module.globals:
        return module.globals[name]
    e = Emitter(module, name, INPUT_ARGS, width)
    e.function.linkage = "internal"
    a = e.args

    def tile(q: Value, _: list[Value]) -> None:
        start = e.b.sub(_tile_start(e, q, filtering.outputs), a["lead"])
        rows = []
        for i in range(filtering.inputs):
            index = e.b.add(start, e.b.mul(a["dilation"], e.index(i)))
            rows.append(_row(e, a["x"], index, a["channels"], a["zeros"]))
        target = e.at(a["v"], e.b.mul(e.b.sub(q, a["first"]), a["v_row"]))

        def vectors(c: Value, _: list[Value]) -> None:
            values = [e.load(e.at(row, c)) for row in rows]
            line = e.at(target, c)
            for term in filtering.terms:
                for number, value in enumerate(_evaluate(e, term, values)):
                    place = e.b.mul(a["plane"], e.index(term.first + number))
                    e.store(value, e.at(line, place))

        e.loop(e.index(0), a["channels"], width, vectors)

    e.loop(a["first"], a["last"], 1, tile)
    return e.finish()


def _evaluate(e: Emitter, term: Term, values: list[Value]) -> list[Value]:
    """The factors at a point (and its negative)."""

    def part(row: int, parity: int) -> Value:
        numbers = term.rows[row]
        pairs = [(numbers[i], values[i]) for i in range(parity, len(values), 2) if numbers[i]]
        return e.weighted(pairs)

    if term.kind in ("zero", "infinity"):
        pairs = [(n, v) for n, v in zip(term.rows[0], values, strict=True) if n]
        return [e.weighted(pairs)]
    if term.kind == "real":
        even, odd = part(0, 0), part(0, 1)
        return [e.b.fadd(even, odd), e.b.fsub(even, odd)]
    if term.kind == "imaginary":
        # Even powers of an imaginary number are real, odd ones imaginary.
        real, imag = part(0, 0), part(1, 1)
        return [e.b.fadd(real, imag), real, imag]
    real_even, real_odd, imag_even, imag_odd = part(0, 0), part(0, 1), part(1, 0), part(1, 1)
    found = []
    for combine in (e.b.fadd, e.b.fsub):
        real, imag = combine(real_even, real_odd), combine(imag_even, imag_odd)
        found += [e.b.fadd(real, imag), real, imag]
    return found


def output_args(adds: int, after: Kind) -> tuple[tuple[str, Value], ...]:
    """Parameters of the function of ``emit_output``."""
    args: list[tuple[str, Value]] = [
        ("m", POINTER), ("m_row", INT), ("plane", INT), ("length", INT), ("base", INT),
        ("channels", INT), ("dilation", INT), ("bias", POINTER), ("y", POINTER),
        ("y_row", INT), ("zeros", POINTER), ("scratch", POINTER), ("first", INT), ("last", INT),
    ]  # fmt: skip
    for n in range(1, adds + 1):
        args += [(f"add{n}", POINTER), (f"add{n}_row", INT)]
    return (*args, ("alpha", POINTER), ("gain", POINTER)) if after == "snake" else tuple(args)


def emit_output(
    module: ir.Module, filtering: Filtering, width: int, *, adds: int, after: Kind = "none"
) -> ir.Function:
    """``y = activation(products read back + bias + rows of the adds)`` for tiles.

    Rows count from ``base``; those outside of ``length`` go to ``scratch``.

    Args:
        module: where it goes; a second one of the same kind is the first.
        filtering: the algorithm.
        width: floats in a vector.
        adds: signals to be added, each a pointer and a stride after the other arguments.
        after: the activation, whose ``alpha`` and ``gain`` come last where it has any.
    """
    name = f"{conv_name(filtering)}_output_{adds}_{after}"
    if name in module.globals:
        return module.globals[name]
    e = Emitter(module, name, output_args(adds, after), width)
    e.function.linkage = "internal"
    a = e.args

    def tile(q: Value, _: list[Value]) -> None:
        start = e.b.sub(_tile_start(e, q, filtering.outputs), a["base"])
        indices = [
            e.b.add(start, e.b.mul(a["dilation"], e.index(j))) for j in range(filtering.outputs)
        ]
        more = [
            [_row(e, a[f"add{n}"], index, a[f"add{n}_row"], a["zeros"]) for index in indices]
            for n in range(1, adds + 1)
        ]
        targets = [_row(e, a["y"], index, a["y_row"], a["scratch"]) for index in indices]
        source = e.at(a["m"], e.b.mul(e.b.sub(q, a["first"]), a["m_row"]))

        def vectors(c: Value, _: list[Value]) -> None:
            line = e.at(source, c)
            bias = e.load(e.at(a["bias"], c))
            sums = [bias] * filtering.outputs
            for rows in more:
                sums = [
                    e.b.fadd(total, e.load(e.at(row, c)))
                    for total, row in zip(sums, rows, strict=True)
                ]
            for term in filtering.terms:
                products = [
                    e.load(e.at(line, e.b.mul(a["plane"], e.index(term.first + number))))
                    for number in range(term.size)
                ]
                sums = _read_back(e, term, products, sums)
            for value, target in zip(sums, targets, strict=True):
                if after != "none":
                    value = apply(e, after, value, a.get("alpha"), a.get("gain"), c)
                e.store(value, e.at(target, c))

        e.loop(e.index(0), a["channels"], width, vectors)

    e.loop(a["first"], a["last"], 1, tile)
    return e.finish()


def _read_back(e: Emitter, term: Term, products: list[Value], sums: list[Value]) -> list[Value]:
    """Adds a point's share to every output."""
    sums = list(sums)
    if term.kind == "zero":
        sums[0] = e.b.fadd(sums[0], products[0])
        return sums
    if term.kind == "infinity":
        sums[-1] = e.b.fadd(sums[-1], products[0])
        return sums
    if term.kind == "real":
        both = (e.b.fadd(*products), e.b.fsub(*products))
        for j, total in enumerate(sums):
            sums[j] = e.weighted([(term.point.real**j, both[j % 2])], total)
        return sums

    def complex_product(k1: Value, k2: Value, k3: Value) -> tuple[Value, Value]:
        return e.b.fsub(k1, k3), e.b.fadd(k1, k2)

    real, imag = complex_product(*products[:3])
    if term.kind == "complex":
        real2, imag2 = complex_product(*products[3:])
        reals = (e.b.fadd(real, real2), e.b.fsub(real, real2))
        imags = (e.b.fadd(imag, imag2), e.b.fsub(imag, imag2))
    else:
        reals, imags = (real, real), (imag, imag)
    for j, total in enumerate(sums):
        # A point and its conjugate give conjugate shares: twice the real part.
        power = 2 * term.point**j
        pairs = [(power.real, reals[j % 2]), (-power.imag, imags[j % 2])]
        sums[j] = e.weighted([(n, v) for n, v in pairs if abs(n) > 1e-12], total)
    return sums
