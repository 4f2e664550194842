"""The steps of a compiled network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from milonga.compute.convolutions.kernels.compile import Kernel
from milonga.compute.convolutions.kernels.unit import SPACING, Unit
from milonga.compute.convolutions.packed import Shape
from milonga.compute.convolutions.packing import Floats
from milonga.compute.convolutions.signals import Memory, Signal
from milonga.compute.convolutions.spans import Span
from milonga.compute.convolutions.workers import Workers

CACHE_BYTES = 1_500_000
"""Of a thread's scratch memory for one block of tiles, without the products."""

HEAVY_CACHE_BYTES = 4_000_000
"""The same where weights are heavy: each block reads all of them."""

SLICE_BYTES = 750_000
"""Of the products of one slice of columns."""

FEWEST_TILES = 48
"""Tiles of a block at least."""

_HEAVY_BYTES = 4_000_000
"""Weights beyond this are not read again for every few rows."""


@dataclass(slots=True)
class Machine:
    """What computes: threads and memory, for one call at a time."""

    workers: Workers
    memory: Memory
    check: Callable[[], None] = field(default=lambda: None)


class Step(Protocol):
    """A part of a compiled network.

    Attributes:
        width: floats of a row of its output.
    """

    @property
    def width(self) -> int: ...

    def length(self, rows: int) -> int:
        """Rows of output for rows of input."""

    def needs(self, want: Span, rows: int) -> Span:
        """The rows of input, of ``rows`` in all, behind rows of output."""

    def run(self, machine: Machine, x: Signal, want: Span, add: Signal | None = None) -> Signal:
        """Compute the rows that are wanted, plus those of ``add``."""


@dataclass(frozen=True, slots=True)
class UnitStep:
    """A convolution with what surrounds it.

    Attributes:
        shape: how it reads and writes rows.
        unit: what its kernel is made for.
        kernel: the machine code.
        width: floats of a row of output.
        inputs: floats of a row of the product's input.
        middle: floats of a row of the product's output.
        weights: factors, bias, those of the convolution of one tap if there is one, and those of
            the shortcut.
        activations: alpha and gain before, alpha and gain after.
    """

    shape: Shape
    unit: Unit
    kernel: Kernel
    width: int
    inputs: int
    middle: int
    outputs: int
    weights: tuple[Floats, ...]
    activations: tuple[Floats, Floats, Floats, Floats]

    def length(self, rows: int) -> int:
        return self.shape.length(rows)

    def needs(self, want: Span, rows: int) -> Span:
        return self.shape.needs(want, rows)

    def run(self, machine: Machine, x: Signal, want: Span, add: Signal | None = None) -> Signal:
        shape, unit = self.shape, self.unit
        first, rows, skip = shape.place(want)
        start, stop = shape.reads(want)
        x.pad(start, stop, shape.padding, shape.most)
        y = machine.memory.take(want, self.width, rows * shape.written, skip)
        of_phase = -(-rows // shape.dilation)
        tiles = -(-of_phase // unit.outputs) * shape.dilation
        block, slice_ = self._block()
        sizes = self._scratch(block, slice_)
        row = max(self.inputs, self.middle, self.outputs) + SPACING
        zeros = machine.memory.own("zeros", row).ctypes.data
        places = [w.ctypes.data for w in self.weights]
        factors, bias, factors2, bias2, *shortcut = places + [0] * (6 - len(places))
        alpha1, gain1, alpha2, gain2 = (a.ctypes.data for a in self.activations)
        before = (
            x.address(first), rows + (shape.taps - 1) * shape.dilation, self.inputs,
            shape.dilation, alpha1, gain1, factors, bias, self.middle, alpha2, gain2, factors2,
            bias2, self.outputs, add.address(want.start) if add else 0,
            add.width if add else 0, y.address(want.start - skip), rows,
        )  # fmt: skip

        def work(begin: int, end: int, start: int, stop: int, worker: int) -> None:
            space = machine.memory.own(f"scratch {worker}", sum(sizes) + row).ctypes.data
            own = [space + 4 * sum(sizes[:index]) for index in range(len(sizes) + 1)]
            self.kernel(
                *before, *own[:4], zeros, own[4], block, slice_, begin, end, start, stop, *shortcut
            )

        if self._heavy and not unit.second:
            # Each thread reads its part of the weights.
            columns = unit.tiling.columns
            panels = self.middle // columns
            machine.workers.run(
                panels, -(-panels // (2 * machine.workers.count)),
                lambda p, q, worker: work(0, tiles, p * columns, q * columns, worker),
            )  # fmt: skip
        else:
            machine.workers.run(
                tiles, self._grain(tiles, block, machine.workers.count),
                lambda p, q, worker: work(p, q, 0, self.middle, worker),
            )  # fmt: skip
        return y

    @property
    def _heavy(self) -> bool:
        return self.weights[0].nbytes > _HEAVY_BYTES

    def _block(self) -> tuple[int, int]:
        """Tiles of a block, and columns of a slice."""
        unit, columns = self.unit, self.unit.tiling.columns
        least = math.lcm(self.shape.dilation, unit.tiling.rows)
        cache = HEAVY_CACHE_BYTES if self._heavy else CACHE_BYTES
        fits = cache // (4 * max(1, sum(self._scratch(1, 0))))
        block = max(1, max(fits, FEWEST_TILES) // least) * least
        across = SLICE_BYTES // (4 * unit.products * block) // columns * columns
        return block, min(self.middle, max(columns, across))

    def _grain(self, tiles: int, block: int, threads: int) -> int:
        """Tiles that pieces of work are multiples of."""
        least = math.lcm(self.shape.dilation, self.unit.tiling.rows)
        if not self._heavy:
            return least
        # As many pieces for each thread, however they are cut.
        share = -(-tiles // threads)
        share = -(-share // max(1, round(share / (2 * block))))
        return -(-share // least) * least

    def _scratch(self, block: int, slice_: int) -> tuple[int, int, int, int]:
        """Floats of scratch memory for a block: input, factors, products, middle."""
        shape, unit = self.shape, self.unit
        rows = -(-block // shape.dilation) * shape.dilation * unit.outputs
        active = second = factors = products = 0
        if unit.before != "none":
            active = (rows + (shape.taps - 1) * shape.dilation) * self.inputs
        if unit.second:
            second = rows * (self.middle + SPACING)
        if unit.filtering:
            factors = unit.products * block * (self.inputs + SPACING)
            products = unit.products * block * (slice_ + SPACING)
        return active, factors, products, second


@dataclass(frozen=True, slots=True)
class ResidualStep:
    """The sum of a body and a shortcut."""

    body: tuple[Step, ...]
    shortcut: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not self.body or not isinstance(self.body[-1], UnitStep):
            raise NotImplementedError("no kernels for a residual layer without a convolution")

    @property
    def width(self) -> int:
        return self.body[-1].width

    def length(self, rows: int) -> int:
        return lengths(self.body, rows)[-1]

    def needs(self, want: Span, rows: int) -> Span:
        of_body = spans(self.body, want, rows)[0]
        return of_body.with_(spans(self.shortcut, want, rows)[0])

    def run(self, machine: Machine, x: Signal, want: Span, add: Signal | None = None) -> Signal:
        more = run_steps(self.shortcut, machine, x, want, keep=x) if self.shortcut else x
        found = run_steps(self.body, machine, x, want, keep=x, add=more)
        if more is not x:
            machine.memory.give(more)
        return found


def lengths(steps: Sequence[Step], rows: int) -> list[int]:
    """Rows of the input, and after each step."""
    found = [rows]
    for step in steps:
        found.append(step.length(found[-1]))
    return found


def spans(steps: Sequence[Step], want: Span, rows: int) -> list[Span]:
    """The spans of the input and after each step; the last is what is wanted."""
    found = [want]
    for step, length in zip(reversed(steps), reversed(lengths(steps, rows)[:-1]), strict=True):
        found.insert(0, step.needs(found[0], length))
    return found


def run_steps(
    steps: Sequence[Step],
    machine: Machine,
    x: Signal,
    want: Span,
    *,
    keep: Signal | None = None,
    add: Signal | None = None,
) -> Signal:
    """Run steps one after another.

    Args:
        steps: at least one.
        machine: what computes.
        x: the input; its memory is given back unless it is ``keep``.
        want: rows of the last step's output.
        keep: a signal that is needed later.
        add: to be added to the output.
    """
    wanted = spans(steps, want, x.span.length)[1:]
    for index, (step, span) in enumerate(zip(steps, wanted, strict=True)):
        machine.check()
        y = step.run(machine, x, span, add if index == len(steps) - 1 else None)
        if x is not keep:
            machine.memory.give(x)
        x = y
    return x


def margin_of(step: Step) -> int:
    """Floats around its input that a step may read or overwrite."""
    if isinstance(step, ResidualStep):
        return max(map(margin_of, (*step.body, *step.shortcut)))
    if not isinstance(step, UnitStep):
        return 0
    shape = step.shape
    rows = shape.left + shape.right + (shape.taps - 1) * shape.dilation + 2 * shape.read
    return rows * step.inputs


def nothing() -> Floats:
    """In the place of coefficients that an activation hasn't."""
    return np.zeros(1, np.float32)
