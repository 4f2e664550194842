"""A convolution with what surrounds it, in blocks that stay in the cache.

Most layers of decoders come as activation, convolution, and then perhaps another activation, a
convolution of one tap and the addition of the input. All of it is one kernel: signals go through
memory once for each of these units.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.kernels.compile import Kernel, compile_module, kernel_of
from milonga.compute.convolutions.kernels.elementwise import (
    Kind,
    elementwise_name,
    emit_elementwise,
)
from milonga.compute.convolutions.kernels.emit import INT, POINTER, Emitter, Value
from milonga.compute.convolutions.kernels.gemm import FEW_ROWS, Tiling, emit_gemm
from milonga.compute.convolutions.kernels.minimal import Filtering
from milonga.compute.convolutions.kernels.sharing import CALL
from milonga.compute.convolutions.kernels.transforms import emit_input, emit_output

SPACING = 16
"""Floats between the rows of scratch memory: rows of a power of two would share cache lines'
places and push one another out."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a kernel is made for.

    Attributes:
        taps: of the convolution.
        filtering: its algorithm; None for one matrix product over consecutive rows.
        before: activation of the input.
        after: activation of the convolution's output, if a convolution of one tap follows.
        adds: a signal is added to the output.
        shortcut: of the products of a convolution of one tap of the signal that is added, if it is
            not added as it is; only together with ``second``.
        lanes: floats in a vector of input channels.
        tiling: of the convolution's products.
        second: of the products of the convolution of one tap.
    """

    taps: int
    filtering: Filtering | None
    before: Kind
    after: Kind
    adds: bool
    lanes: int
    tiling: Tiling
    second: Tiling | None
    shortcut: Tiling | None = None

    @property
    def outputs(self) -> int:
        """Rows of output of a tile."""
        return self.filtering.outputs if self.filtering else 1

    @property
    def products(self) -> int:
        """Matrix products of a tile."""
        return self.filtering.products if self.filtering else 1


VARYING = ("x", "x_rows", "add", "add_row", "y", "y_rows", "tiles", "zeros")
"""The first of ``ARGS``: they differ from call to call."""

_POINTERS = (
    "alpha1", "gain1", "factors", "bias", "alpha2", "gain2", "factors2", "bias2", "factors3",
    "bias3",
)  # fmt: skip
_NUMBERS = (
    "inputs", "dilation", "middle", "outputs", "v_at", "m_at", "second_at", "scratch_at", "block",
    "slice", "across",
)  # fmt: skip
ARGS = (*VARYING, *_POINTERS, *_NUMBERS)
"""The words of a unit's arguments, see ``sharing.CALL``.

Output row ``n`` sees the rows of ``x`` from ``n`` on, ``taps`` of them, ``dilation`` apart.
``middle`` are the channels between the two convolutions, those of the output if there is but one.
A range is one of ``tiles``, or, if ``across`` is 1, one of the tiling's panels of columns for all
tiles; that needs a single convolution. Tiles are computed ``block`` at a time, each block from a
multiple of ``dilation`` on, and their columns ``slice`` at a time, a multiple of the panels'. In a
thread's space lie what is activated, the factors, the products, what is between the convolutions,
and a row of scratch: the last four so many floats from its start. ``zeros`` are a row.
"""


def kernel(unit: Unit) -> Kernel:
    """The machine code, compiled at the first call; it takes ``sharing.CALL``."""
    return _compiled(unit, processor.target())


@lru_cache(maxsize=128)
def _compiled(unit: Unit, target: str) -> Kernel:
    module = ir.Module("milonga")
    emit_unit(module, unit)
    return kernel_of(compile_module(str(module)), "unit", CALL)


def emit_unit(module: ir.Module, unit: Unit) -> None:
    """Emit the function ``unit``."""
    if unit.before != "none":
        emit_elementwise(module, unit.before, unit.lanes)
    if unit.filtering:
        _emit_filtered(module, unit, unit.filtering)
    else:
        _emit_direct(module, unit)


def _emit_filtered(module: ir.Module, unit: Unit, filtering: Filtering) -> None:
    into = emit_input(module, filtering, unit.lanes)
    gemm = emit_gemm(module, unit.tiling)
    single = unit.second is None
    out = emit_output(
        module, filtering, unit.tiling.width, adds=int(single and unit.adds), after=unit.after
    )
    more_gemms = _emit_more(module, unit)
    e = _entered(module, unit)
    a = e.args
    dilation, block = a["dilation"], a["block"]
    v_row, m_row, second_row = (_spaced(e, a[n]) for n in ("inputs", "slice", "middle"))
    v_plane, m_plane = e.b.mul(block, v_row), e.b.mul(block, m_row)
    of_group = e.b.mul(dilation, e.index(filtering.outputs))
    matrix = e.b.mul(a["inputs"], a["middle"])

    def blocks(first: Value, _: list[Value]) -> None:
        last = e.min(e.b.add(first, block), a["last"])
        count = e.b.sub(last, first)
        base = e.b.mul(e.b.sdiv(first, dilation), of_group)
        covered = e.b.mul(e.ceil_div(count, dilation), of_group)
        source, length, lead = a["x"], a["x_rows"], e.index(0)
        if unit.before != "none":
            reach = e.b.mul(dilation, e.index(unit.taps - 1))
            length = e.min(e.b.sub(a["x_rows"], base), e.b.add(covered, reach))
            _activate(e, module, unit, base, length)
            source, lead = a["active"], base
        e.b.call(into, [source, length, lead, a["inputs"], dilation, a["v"], v_row, v_plane,
                        a["zeros"], first, last])  # fmt: skip
        rows = e.min(_rounded_up(e, count, FEW_ROWS), _rounded_up(e, count, unit.tiling.rows))

        def columns(start: Value, _: list[Value]) -> None:
            width = e.b.sub(e.min(e.b.add(start, a["slice"]), a["to"]), start)
            panels = e.b.sdiv(width, e.index(unit.tiling.columns))
            factors = e.at(a["factors"], e.b.mul(start, a["inputs"]))
            e.b.call(gemm, [a["v"], v_row, v_plane, factors, matrix, a["m"], m_row, m_plane,
                            a["zeros"], rows, a["inputs"], panels,
                            e.index(filtering.products)])  # fmt: skip
            if single:
                to = [a["y_rows"], e.index(0), width, dilation, e.at(a["bias"], start),
                      e.at(a["y"], start), a["middle"]]  # fmt: skip
            else:
                to = [covered, base, width, dilation, e.at(a["bias"], start),
                      e.at(a["second"], start), second_row]  # fmt: skip
            more = [e.at(a["add"], start), a["add_row"]] if single and unit.adds else []
            if unit.after == "snake":
                more += [e.at(a["alpha2"], start), e.at(a["gain2"], start)]
            e.b.call(
                out, [a["m"], m_row, m_plane, *to, a["zeros"], a["scratch"], first, last, *more]
            )

        e.loop(a["from"], a["to"], a["slice"], columns)
        if not single:
            count = e.min(e.b.sub(a["y_rows"], base), covered)
            _second(e, unit, more_gemms, second_row, base, count)

    e.loop(a["first"], a["last"], block, blocks)
    e.finish()


def _emit_direct(module: ir.Module, unit: Unit) -> None:
    single = unit.second is None
    gemm = emit_gemm(module, unit.tiling, adds=single and unit.adds)
    more_gemms = _emit_more(module, unit)
    inner_activation = None
    if unit.after != "none":
        inner_activation = emit_elementwise(module, unit.after, unit.tiling.width)
    e = _entered(module, unit)
    a = e.args
    taps = e.index(unit.taps)
    inner = e.b.mul(a["inputs"], taps)
    panels = e.b.sdiv(e.b.sub(a["to"], a["from"]), e.index(unit.tiling.columns))
    factors = e.at(a["factors"], e.b.mul(a["from"], inner))

    def blocks(first: Value, _: list[Value]) -> None:
        last = e.min(e.b.add(first, a["block"]), a["last"])
        count = e.b.sub(last, first)
        source = e.at(a["x"], e.b.mul(first, a["inputs"]))
        if unit.before != "none":
            _activate(e, module, unit, first, e.b.add(count, e.index(unit.taps - 1)))
            source = a["active"]
        target = e.at(a["y"], e.b.mul(first, a["middle"])) if single else a["second"]
        target, bias = e.at(target, a["from"]), e.at(a["bias"], a["from"])
        more = []
        if single and unit.adds:
            place = e.b.add(e.b.mul(first, a["add_row"]), a["from"])
            more = [e.at(a["add"], place), a["add_row"]]
        e.b.call(gemm, [source, a["inputs"], e.index(0), factors, e.index(0), target,
                        a["middle"], e.index(0), bias, count, inner, panels, e.index(1),
                        *more])  # fmt: skip
        if inner_activation is not None:
            e.b.call(inner_activation, [a["second"], a["second"], a["middle"], a["alpha2"],
                                        a["gain2"], count])  # fmt: skip
        if not single:
            _second(e, unit, more_gemms, a["middle"], first, count)

    e.loop(a["first"], a["last"], a["block"], blocks)
    e.finish()


def _entered(module: ir.Module, unit: Unit) -> Emitter:
    """The function, with all that it needs by its names."""
    e = Emitter(module, "unit", CALL, unit.tiling.width)
    b, words, space, first, last = e.b, *e.args.values()

    def word(index: int) -> Value:
        return b.load(b.gep(words, [e.index(index)], source_etype=INT), typ=INT, align=8)

    a = {name: word(index) for index, name in enumerate(ARGS)}
    pointers = (*_POINTERS, "x", "add", "y", "zeros")
    a |= {name: b.inttoptr(a[name], POINTER) for name in pointers}
    a |= {name: e.at(space, a[f"{name}_at"]) for name in ("v", "m", "second", "scratch")}
    across = b.icmp_signed("!=", a["across"], e.index(0))
    columns = e.index(unit.tiling.columns)
    a["active"], a["first"] = space, b.select(across, e.index(0), first)
    a["last"] = b.select(across, a["tiles"], last)
    a["from"] = b.select(across, b.mul(first, columns), e.index(0))
    a["to"] = b.select(across, b.mul(last, columns), a["middle"])
    e.args = a
    return e


def _activate(e: Emitter, module: ir.Module, unit: Unit, first: Value, rows: Value) -> None:
    a = e.args
    source = e.at(a["x"], e.b.mul(first, a["inputs"]))
    e.b.call(
        module.globals[elementwise_name(unit.before, unit.lanes)],
        [source, a["active"], a["inputs"], a["alpha1"], a["gain1"], rows],
    )


def _emit_more(module: ir.Module, unit: Unit) -> list[ir.Function]:
    """The products of the convolution of one tap, and of the shortcut."""
    found = [emit_gemm(module, unit.second, adds=unit.adds)] if unit.second else []
    return found + ([emit_gemm(module, unit.shortcut)] if unit.shortcut else [])


def _second(
    e: Emitter, unit: Unit, gemms: list[ir.Function], row: Value, first: Value, count: Value
) -> None:
    a = e.args
    assert unit.second is not None
    zero, one = e.index(0), e.index(1)
    y, y_row = e.at(a["y"], e.b.mul(first, a["outputs"])), a["outputs"]
    added, added_row = e.at(a["add"], e.b.mul(first, a["add_row"])), a["add_row"]
    if unit.shortcut is not None:
        # Its rows are still in the cache when they are added.
        panels = e.b.sdiv(y_row, e.index(unit.shortcut.columns))
        e.b.call(gemms[1], [added, added_row, zero, a["factors3"], zero, y, y_row, zero,
                            a["bias3"], count, added_row, panels, one])  # fmt: skip
        added, added_row = y, y_row
    panels = e.b.sdiv(y_row, e.index(unit.second.columns))
    e.b.call(gemms[0], [a["second"], row, zero, a["factors2"], zero, y, y_row, zero, a["bias2"],
                        count, a["middle"], panels, one,
                        *([added, added_row] if unit.adds else [])])  # fmt: skip


def _spaced(e: Emitter, channels: Value) -> Value:
    return e.b.add(channels, e.index(SPACING))


def _rounded_up(e: Emitter, a: Value, step: int) -> Value:
    return e.b.mul(e.ceil_div(a, e.index(step)), e.index(step))
