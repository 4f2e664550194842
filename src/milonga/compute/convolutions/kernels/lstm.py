"""Steps of an LSTM whose recurrent weights are read as 16-bit integers or as floats.

A step multiplies all recurrent weights with one vector, so it takes as long as reading them. They
become floats in registers. The four gates of 16 units lie together, and the new output of these
units is computed as soon as their sums are there, so that threads wait for each other once a step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.kernels.compile import Kernel, compile_module, kernel_of
from milonga.compute.convolutions.kernels.elementwise import hyperbolic_tangent, sigmoid
from milonga.compute.convolutions.kernels.emit import INT, POINTER, Emitter, Value
from milonga.compute.convolutions.kernels.gemm import ARGS as GEMM_ARGS
from milonga.compute.convolutions.kernels.gemm import Tiling, emit_gemm, gemm_name
from milonga.compute.convolutions.kernels.waiting import emit_wait, provide_yield

UNITS = 16
"""Units of a block: what a vector holds."""

GATES = 4
"""Input, forget, output, cell."""

GROUP = 64
"""Inputs whose 16-bit weights share a scale; the size of a layer is a multiple of it."""

Kind = Literal["float32", "int16"]
KINDS: tuple[Kind, ...] = ("float32", "int16")
"""A block's kind is the place in this list."""

ARGS = (
    ("gates", POINTER), ("kinds", POINTER), ("places", POINTER), ("scales", POINTER),
    ("before", POINTER), ("cell", POINTER), ("out", POINTER), ("steps", INT), ("batch", INT),
    ("size", INT), ("first", INT), ("last", INT), ("counter", POINTER), ("threads", INT),
)  # fmt: skip
"""Of a run of steps by one of ``threads``, which computes the blocks from ``first`` to ``last``.

``gates``, ``[steps, batch, blocks, 4, 16]``: what the inputs and the biases give. ``kinds`` and
``places``, 64 bits for each block: the kind of its weights and their address, ``[size, 4, 16]``.
``scales``: ``[blocks, size / 64, 4, 16]``, of blocks of 16-bit integers. ``before`` and ``cell``,
``[batch, size]``: output and cell of the step before; the cell is replaced. ``out``:
``[steps, batch, size]``. ``counter``: 64 bits, 0 at first, which all threads count up.
"""

_SUMS = (
    ("weights", POINTER), ("scales", POINTER), ("gates", POINTER), ("h", POINTER), ("size", INT),
    ("cell", POINTER), ("out", POINTER),
)  # fmt: skip


def kernels(tiling: Tiling) -> tuple[Kernel, Kernel]:
    """The machine code, compiled at the first call: of the steps, which takes ``ARGS``, and of the
    product before them, which takes those of ``gemm``."""
    return _compiled(tiling, processor.target())


@lru_cache(maxsize=4)
def _compiled(tiling: Tiling, target: str) -> tuple[Kernel, Kernel]:
    module = ir.Module("milonga")
    emit_lstm(module)
    emit_gemm(module, tiling)
    provide_yield()
    engine = compile_module(str(module))
    return (
        kernel_of(engine, "lstm", ARGS),
        kernel_of(engine, gemm_name(tiling), GEMM_ARGS),
    )


def emit_lstm(module: ir.Module) -> None:
    """Emit the function ``lstm``."""
    kinds = [_emit_block(module, kind) for kind in KINDS]
    e = Emitter(module, "lstm", ARGS, UNITS)
    a, b = e.args, e.b
    blocks = b.sdiv(a["size"], e.index(UNITS))
    groups = b.sdiv(a["size"], e.index(GROUP))
    state = b.mul(a["batch"], a["size"])

    def word(name: str, block: Value) -> Value:
        place = b.gep(a[name], [block], source_etype=INT)
        return b.load(place, typ=INT, align=8)

    def step(t: Value, _: list[Value]) -> None:
        gates = e.at(a["gates"], b.mul(t, b.mul(state, e.index(GATES))))
        out = e.at(a["out"], b.mul(t, state))
        # The output of the step before is where that step wrote it.
        h = b.select(b.icmp_signed("==", t, e.index(0)), a["before"], e.at(out, b.neg(state)))

        # Every other step goes the other way: what it read last is still in the cache.
        backwards = b.icmp_signed("!=", b.and_(t, e.index(1)), e.index(0))
        ends = b.add(a["first"], b.sub(a["last"], e.index(1)))

        def block(index: Value, _: list[Value]) -> None:
            index = b.select(backwards, b.sub(ends, index), index)
            weights = b.inttoptr(word("places", index), POINTER)
            scales = e.at(a["scales"], b.mul(b.mul(index, groups), e.index(GATES * UNITS)))
            first = b.mul(index, e.index(UNITS))

            def row(which: Value, _: list[Value]) -> None:
                start = b.mul(which, a["size"])
                own = e.at(gates, b.mul(b.add(b.mul(which, blocks), index), e.index(GATES * UNITS)))
                unit = b.add(start, first)
                for number, function in enumerate(kinds):
                    with b.if_then(b.icmp_signed("==", word("kinds", index), e.index(number))):
                        b.call(function, [
                            weights, scales, own, e.at(h, start), a["size"],
                            e.at(a["cell"], unit), e.at(out, unit),
                        ])  # fmt: skip

            e.loop(e.index(0), a["batch"], 1, row)

        e.loop(a["first"], a["last"], 1, block)
        with b.if_then(b.icmp_signed(">", a["threads"], e.index(1))):
            b.atomic_rmw("add", a["counter"], e.index(1), "acq_rel")
            emit_wait(e, a["counter"], b.mul(b.add(t, e.index(1)), a["threads"]))

    e.loop(e.index(0), a["steps"], 1, step)
    e.finish()


def _emit_block(module: ir.Module, kind: Kind) -> ir.Function:
    """The new output and cell of the 16 units of a block, of one row."""
    e = Emitter(module, f"block_{kind}", _SUMS, UNITS)
    a, b = e.args, e.b
    size = 4 if kind == "float32" else 2
    zero = e.constant(0.0)

    def weight(inner: Value, gate: int) -> Value:
        first = b.add(b.mul(inner, e.index(GATES * UNITS)), e.index(gate * UNITS))
        place = b.gep(a["weights"], [b.mul(first, e.index(size))], source_etype=ir.IntType(8))
        if kind == "float32":
            return e.load(place)
        short = b.load(place, typ=ir.VectorType(ir.IntType(16), UNITS), align=2)
        return b.sitofp(b.sext(short, ir.VectorType(ir.IntType(32), UNITS)), e.vector)

    def group(start: Value, totals: list[Value]) -> list[Value]:
        def pair(k: Value, sums: list[Value]) -> list[Value]:
            sums = list(sums)
            for part in range(2):
                inner = b.add(k, e.index(part)) if part else k
                h = e.splat(e.at(a["h"], inner))
                for gate in range(GATES):
                    at = part * GATES + gate
                    sums[at] = e.fma(weight(inner, gate), h, sums[at])
            return sums

        stop = b.add(start, e.index(GROUP))
        sums = e.loop(start, stop, 2, pair, [zero] * (2 * GATES))
        found = []
        for gate, total in enumerate(totals):
            both = b.fadd(sums[gate], sums[GATES + gate])
            if kind == "float32":
                found.append(b.fadd(total, both))
            else:
                # A group of 64 inputs has a scale for each gate of each unit.
                offset = b.add(start, e.index(gate * UNITS))
                found.append(e.fma(both, e.load(e.at(a["scales"], offset)), total))
        return found

    given = [e.load(e.at(a["gates"], e.index(gate * UNITS))) for gate in range(GATES)]
    i, f, o, g = e.loop(e.index(0), a["size"], GROUP, group, given)
    kept = b.fmul(sigmoid(e, f), e.load(a["cell"]))
    cell = e.fma(sigmoid(e, i), hyperbolic_tangent(e, g), kept)
    e.store(cell, a["cell"])
    e.store(b.fmul(sigmoid(e, o), hyperbolic_tangent(e, cell)), a["out"])
    return e.finish()
