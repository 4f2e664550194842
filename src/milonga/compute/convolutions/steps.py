"""The steps of a compiled network."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from milonga.compute.convolutions.kernels.compile import Kernel
from milonga.compute.convolutions.kernels.unit import ARGS, SPACING, VARYING, Unit
from milonga.compute.convolutions.packed import Shape
from milonga.compute.convolutions.packing import Floats
from milonga.compute.convolutions.signals import Memory, Signal
from milonga.compute.convolutions.spans import Span
from milonga.compute.convolutions.workers import Workers

CACHE_BYTES = 1_000_000
"""Of a thread's scratch memory for one block of tiles, without the products."""

HEAVY_CACHE_BYTES = 4_000_000
"""The same where weights are heavy: each block reads all of them."""

SLICE_BYTES = 750_000
"""Of the products of one slice of columns."""

FEWEST_TILES = 48
"""Tiles of a block at least."""

_HEAVY_BYTES = 4_000_000
"""Weights beyond this are not read again for every few rows."""


_WEIGHTS = ("factors", "bias", "factors2", "bias2", "factors3", "bias3")
_ACTIVATIONS = ("alpha1", "gain1", "alpha2", "gain2")


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


@dataclass(slots=True)
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
    _heavy: bool = field(init=False)
    _across: bool = field(init=False)
    _least: int = field(init=False)
    _size: int = field(init=False)
    _row: int = field(init=False)
    _space: int = field(init=False)
    _words: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        unit = self.unit
        self._heavy = self.weights[0].nbytes > _HEAVY_BYTES
        # Each thread reads its part of heavy weights.
        self._across = self._heavy and not unit.second
        self._least = math.lcm(self.shape.dilation, unit.tiling.rows)
        self._size, slice_ = self._block()
        self._row = max(self.inputs, self.middle, self.outputs) + SPACING
        ends = [int(end) for end in np.cumsum(self._scratch(self._size, slice_))]
        self._space = ends[-1] + self._row
        arrays = dict(zip(_WEIGHTS, self.weights, strict=False))
        arrays |= dict(zip(_ACTIVATIONS, self.activations, strict=True))
        words = dict.fromkeys(ARGS, 0) | {
            "inputs": self.inputs, "dilation": self.shape.dilation, "middle": self.middle,
            "outputs": self.outputs, "v_at": ends[0], "m_at": ends[1], "second_at": ends[2],
            "scratch_at": ends[3], "block": self._size, "slice": slice_, "across": self._across,
        }  # fmt: skip
        words |= {name: array.ctypes.data for name, array in arrays.items()}
        self._words = np.array(list(words.values()), np.int64)

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
        workers, memory = machine.workers, machine.memory
        words = self._words.copy()
        words[: len(VARYING)] = (
            x.address(first), rows + (shape.taps - 1) * shape.dilation,
            add.address(want.start) if add else 0, add.width if add else 0,
            y.address(want.start - skip), rows, tiles, memory.own("zeros", self._row).ctypes.data,
        )  # fmt: skip
        if self._across:
            total = self.middle // unit.tiling.columns
            grain = -(-total // (2 * workers.count))
        else:
            total, grain = tiles, self._grain(tiles, workers.count)
        workers.call(self.kernel, words, memory.spaces(workers.count, self._space), total, grain)
        return y

    def _block(self) -> tuple[int, int]:
        """Tiles of a block, and columns of a slice."""
        unit, columns = self.unit, self.unit.tiling.columns
        cache = HEAVY_CACHE_BYTES if self._heavy else CACHE_BYTES
        fits = cache // (4 * max(1, sum(self._scratch(1, 0))))
        block = max(1, max(fits, FEWEST_TILES) // self._least) * self._least
        across = SLICE_BYTES // (4 * unit.products * block) // columns * columns
        return block, min(self.middle, max(columns, across))

    def _grain(self, tiles: int, threads: int) -> int:
        """Tiles that pieces of work are multiples of."""
        if not self._heavy:
            return self._least
        # As many pieces for each thread, however they are cut.
        share = -(-tiles // threads)
        share = -(-share // max(1, round(share / (2 * self._size))))
        return -(-share // self._least) * self._least

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
