"""The matrix product that all convolutions end in.

A tile of ``rows x columns`` sums stays in registers while the inner index runs. ``b`` is packed
in panels of that many columns, so that it is read in one stream.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir

from milonga.compute.convolutions.kernels.emit import INT, POINTER, Emitter, Value


@dataclass(frozen=True, slots=True)
class Tiling:
    """Size of the block of sums that is kept in registers.

    Attributes:
        width: floats in a vector.
        vectors: vectors of columns.
        rows: rows of ``a``.
    """

    width: int
    vectors: int
    rows: int

    @property
    def columns(self) -> int:
        return self.width * self.vectors


ARGS = (
    ("a", POINTER), ("a_row", INT), ("a_batch", INT), ("b", POINTER), ("b_batch", INT),
    ("c", POINTER), ("c_row", INT), ("c_batch", INT), ("bias", POINTER),
    ("rows", INT), ("inner", INT), ("panels", INT), ("batches", INT),
)  # fmt: skip


FEW_ROWS = 4
"""Rows at a time of what is left: the sums of a single one wait for each other."""

ADD_ARGS = (*ARGS, ("add", POINTER), ("add_row", INT))


def emit_gemm(module: ir.Module, tiling: Tiling, *, adds: bool = False) -> ir.Function:
    """``c[n, i, j] = bias[j] + sum_k a[n, i, k] b[n, k, j]``; strides are counted in floats.

    Args:
        module: where it goes; a second one of the same kind is the first.
        tiling: block of sums.
        adds: ``add[i, j]`` is added, too; its rows may be those of ``c``.
    """
    name = gemm_name(tiling, adds=adds)
    if name in module.globals:
        return module.globals[name]
    e = Emitter(module, name, ADD_ARGS if adds else ARGS, tiling.width)
    args = e.args
    panel_size = e.b.mul(args["inner"], e.index(tiling.columns))
    whole = e.b.mul(e.b.sdiv(args["rows"], e.index(tiling.rows)), e.index(tiling.rows))
    left = e.b.sub(args["rows"], whole)
    few = e.b.sub(args["rows"], e.b.srem(left, e.index(FEW_ROWS)))

    def batch(n: Value, _: list[Value]) -> None:
        a = e.at(args["a"], e.b.mul(n, args["a_batch"]))
        b = e.at(args["b"], e.b.mul(n, args["b_batch"]))
        c = e.at(args["c"], e.b.mul(n, args["c_batch"]))

        def panel(p: Value, _: list[Value]) -> None:
            columns = e.at(b, e.b.mul(p, panel_size))
            offset = e.b.mul(p, e.index(tiling.columns))
            bias = e.at(args["bias"], offset)
            target = e.at(c, offset)
            more = e.at(args["add"], offset) if adds else None

            def strip(count: int, row: Value) -> None:
                _micro_kernel(e, tiling, count, a, columns, target, bias, row, more)

            e.loop(e.index(0), whole, tiling.rows, lambda row, _: strip(tiling.rows, row))
            e.loop(whole, few, FEW_ROWS, lambda row, _: strip(FEW_ROWS, row))
            e.loop(few, args["rows"], 1, lambda row, _: strip(1, row))

        e.loop(e.index(0), args["panels"], 1, panel)

    e.loop(e.index(0), args["batches"], 1, batch)
    return e.finish()


def gemm_name(tiling: Tiling, *, adds: bool = False) -> str:
    """Name the function of ``emit_gemm``."""
    size = f"{tiling.width}x{tiling.vectors}x{tiling.rows}"
    return f"gemm_{size}{'_add' if adds else ''}"


def _micro_kernel(
    e: Emitter, tiling: Tiling, count: int, a: Value, b: Value, c: Value, bias: Value, row: Value,
    add: Value | None,
) -> None:  # fmt: skip
    stride, out = e.args["a_row"], e.args["c_row"]
    starts = [e.at(a, e.b.mul(e.b.add(row, e.index(i)), stride)) for i in range(count)]
    first = [e.load(e.at(bias, e.index(v * tiling.width))) for v in range(tiling.vectors)]

    def step(k: Value, sums: list[Value]) -> list[Value]:
        line = e.at(b, e.b.mul(k, e.index(tiling.columns)))
        columns = [e.load(e.at(line, e.index(v * tiling.width))) for v in range(tiling.vectors)]
        following = []
        for i, start in enumerate(starts):
            factor = e.splat(e.at(start, k))
            for v, column in enumerate(columns):
                following.append(e.fma(factor, column, sums[i * tiling.vectors + v]))
        return following

    sums = e.loop(e.index(0), e.args["inner"], 1, step, first * count)
    for i in range(count):
        line = e.at(c, e.b.mul(e.b.add(row, e.index(i)), out))
        for v in range(tiling.vectors):
            value, place = sums[i * tiling.vectors + v], e.index(v * tiling.width)
            if add is not None:
                more = e.at(add, e.b.mul(e.b.add(row, e.index(i)), e.args["add_row"]))
                value = e.b.fadd(value, e.load(e.at(more, place)))
            e.store(value, e.at(line, place))
