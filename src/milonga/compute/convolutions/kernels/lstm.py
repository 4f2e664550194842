"""Steps of an LSTM whose recurrent weights are read as integers of 12 or 16 bits or as floats.

A step multiplies all recurrent weights with one vector, so it takes as long as reading them. Those
of 16 bits become floats in registers. Those of 12 are two digits, of 8 and 4 bits; outputs of the
step before are two digits of 8, and digits are multiplied as they are. The four gates of 16 units
lie together, and the new output of these units is computed as soon as their sums are there, so that
threads wait for each other once a step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import product
from typing import Literal

from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.kernels.compile import Kernel, compile_module, kernel_of
from milonga.compute.convolutions.kernels.digits import can_dot, emit_dot, emit_word
from milonga.compute.convolutions.kernels.elementwise import hyperbolic_tangent, sigmoid
from milonga.compute.convolutions.kernels.emit import BYTE, INT, POINTER, Emitter, Value
from milonga.compute.convolutions.kernels.gemm import ARGS as GEMM_ARGS
from milonga.compute.convolutions.kernels.gemm import Tiling, emit_gemm, gemm_name
from milonga.compute.convolutions.kernels.waiting import emit_wait, provide_yield

UNITS = 16
"""Units of a block: what a vector holds."""

GATES = 4
"""Input, forget, output, cell."""

GROUP = 64
"""Inputs whose integer weights share a scale; the size of a layer is a multiple of it."""

DIGITS_BYTES = GATES * UNITS * 12
"""Of 8 inputs' weights of 12 bits."""

Kind = Literal["float32", "int16", "int12"]
KINDS: tuple[Kind, ...] = ("float32", "int16", "int12")
"""A block's kind is the place in this list."""

OUTPUT_ONE = 32767
"""The number that stands for an output of 1 where outputs are digits, without ``OUTPUT_ZERO``."""

OUTPUT_ZERO = 32768
"""Added to all of them, so that both digits are positive."""

ARGS = (
    ("gates", POINTER), ("kinds", POINTER), ("places", POINTER), ("scales", POINTER),
    ("before", POINTER), ("cell", POINTER), ("out", POINTER), ("digits", POINTER), ("steps", INT),
    ("batch", INT), ("size", INT), ("first", INT), ("last", INT), ("counter", POINTER),
    ("threads", INT),
)  # fmt: skip
"""Of a run of steps by one of ``threads``, which computes the blocks from ``first`` to ``last``.

``gates``, ``[steps, batch, blocks, 4, 16]``: what the inputs and the biases give. ``kinds`` and
``places``, 64 bits for each block: the kind of its weights and their address, ``[size, 4, 16]``,
or those of ``packed_digits``. ``scales``: ``[blocks, size / 64, 4, 16]``, of blocks of integers.
``before`` and ``cell``, ``[batch, size]``: output and cell of the step before; the cell is
replaced. ``out``: ``[steps, batch, size]``. ``digits``: bytes ``[steps + 1, batch, 2, size]``, the
outputs from ``before`` on as ``output_digits`` writes them. ``counter``: 64 bits, 0 at first, which
all threads count up.
"""

_SUMS = (
    ("weights", POINTER), ("scales", POINTER), ("gates", POINTER), ("h", POINTER), ("size", INT),
    ("cell", POINTER), ("out", POINTER), ("digits", POINTER), ("new_digits", POINTER),
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
    """Emit the function ``lstm``; blocks of 12 bits need an instruction of the processor."""
    kinds = [_emit_block(module, kind) for kind in KINDS if kind != "int12" or can_dot()]
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
        digits = b.gep(a["digits"], [b.mul(t, b.add(state, state))], source_etype=BYTE)
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
                unit, high = b.add(start, first), b.add(start, start)
                following = b.add(b.add(high, first), b.add(state, state))
                for number, function in enumerate(kinds):
                    with b.if_then(b.icmp_signed("==", word("kinds", index), e.index(number))):
                        b.call(function, [
                            weights, scales, own, e.at(h, start), a["size"],
                            e.at(a["cell"], unit), e.at(out, unit),
                            b.gep(digits, [high], source_etype=BYTE),
                            b.gep(digits, [following], source_etype=BYTE),
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
    given = [e.load(e.at(a["gates"], e.index(gate * UNITS))) for gate in range(GATES)]
    group = _digit_group(e) if kind == "int12" else _float_group(e, kind)
    i, f, o, g = e.loop(e.index(0), a["size"], GROUP, group, given)
    kept = b.fmul(sigmoid(e, f), e.load(a["cell"]))
    cell = e.fma(sigmoid(e, i), hyperbolic_tangent(e, g), kept)
    e.store(cell, a["cell"])
    out = b.fmul(sigmoid(e, o), hyperbolic_tangent(e, cell))
    e.store(out, a["out"])
    words = ir.VectorType(ir.IntType(32), UNITS)
    digits = b.fptosi(e.round(b.fmul(out, e.constant(OUTPUT_ONE))), words)
    digits = b.add(digits, ir.Constant(words, [OUTPUT_ZERO] * UNITS))
    for place, value in ((e.index(0), b.lshr(digits, ir.Constant(words, [8] * UNITS))),
                         (a["size"], digits)):  # fmt: skip
        target = b.gep(a["new_digits"], [place], source_etype=BYTE)
        b.store(b.trunc(value, ir.VectorType(BYTE, UNITS)), target, align=1)
    return e.finish()


Group = Callable[[Value, list[Value]], list[Value]]
"""From the first of 64 inputs and the sums of the gates to the sums with these inputs."""


def _float_group(e: Emitter, kind: Kind) -> Group:
    a, b = e.args, e.b
    size = 4 if kind == "float32" else 2
    zero = e.constant(0.0)

    def weight(inner: Value, gate: int) -> Value:
        first = b.add(b.mul(inner, e.index(GATES * UNITS)), e.index(gate * UNITS))
        place = b.gep(a["weights"], [b.mul(first, e.index(size))], source_etype=BYTE)
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
        both = [b.fadd(sums[gate], sums[GATES + gate]) for gate in range(GATES)]
        if kind == "float32":
            return [b.fadd(total, more) for total, more in zip(totals, both, strict=True)]
        return _scaled(e, start, both, totals)

    return group


def _digit_group(e: Emitter) -> Group:
    a, b = e.args, e.b
    words = ir.VectorType(ir.IntType(32), UNITS)
    zero = ir.Constant(words, [0] * UNITS)

    def every(number: int) -> Value:
        return ir.Constant(words, [number] * UNITS)

    def group(start: Value, totals: list[Value]) -> list[Value]:
        def eight(k: Value, sums: list[Value]) -> list[Value]:
            sums = list(sums)
            line = b.gep(a["weights"], [b.mul(k, e.index(DIGITS_BYTES // 8))], source_etype=BYTE)
            # Four outputs in a word, their high and their low digits.
            outputs = [
                [emit_word(e, b.gep(a["digits"], [b.add(k, place)], source_etype=BYTE), UNITS)
                 for place in (e.index(4 * half), b.add(a["size"], e.index(4 * half)))]
                for half in range(2)
            ]  # fmt: skip
            for gate in range(GATES):
                high0, high1, low = (
                    b.load(
                        b.gep(line, [e.index(64 * (3 * gate + part))], source_etype=BYTE),
                        typ=words, align=4,
                    )
                    for part in range(3)
                )  # fmt: skip
                low0 = b.and_(low, every(0x0F0F0F0F))
                low1 = b.and_(b.lshr(low, every(4)), every(0x0F0F0F0F))
                for half, weights in enumerate(((high0, low0), (high1, low1))):
                    for number, (digit, output) in enumerate(product(weights, outputs[half])):
                        at = 4 * gate + number
                        sums[at] = emit_dot(e, sums[at], output, digit)
            return sums

        stop = b.add(start, e.index(GROUP))
        sums = e.loop(start, stop, 8, eight, [zero] * (4 * GATES))
        both = []
        for gate in range(GATES):
            high, low = (
                b.sitofp(b.add(b.shl(more, every(8)), less), e.vector)
                for more, less in (sums[4 * gate : 4 * gate + 2], sums[4 * gate + 2 : 4 * gate + 4])
            )
            both.append(e.fma(high, e.constant(16.0), low))
        return _scaled(e, start, both, totals)

    return group


def _scaled(e: Emitter, start: Value, sums: list[Value], totals: list[Value]) -> list[Value]:
    """A group of 64 inputs has a scale for each gate of each unit."""
    found = []
    for gate, (total, more) in enumerate(zip(totals, sums, strict=True)):
        offset = e.b.add(start, e.index(gate * UNITS))
        found.append(e.fma(more, e.load(e.at(e.args["scales"], offset)), total))
    return found
