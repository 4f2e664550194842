"""An LSTM of one direction, for few sequences at a time.

Each step reads all recurrent weights once, and that is what it costs. They are integers of 12 bits
with a scale for 64 of them, or of 16 where 12 would be too coarse or the processor can't multiply
bytes: three eighths or half of the bytes of floats, so that a layer stays in the cache. The
products with the inputs are one large product beforehand, in which each thread computes what its
own units need.

Reference:
    Hochreiter, Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997); gates as in
    ``torch.nn.LSTM``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from milonga.compute.convolutions.kernels import lstm as kernels
from milonga.compute.convolutions.kernels.digits import can_dot
from milonga.compute.convolutions.packed import tiling_for
from milonga.compute.convolutions.packing import panels
from milonga.compute.convolutions.workers import Workers
from milonga.runtime.memory import let_go

Floats = NDArray[np.float32]
State = list[tuple[Floats, Floats]]
"""Output and cell of each layer, ``[B, H]``, H rounded up to a multiple of 64."""

ERRORS: dict[kernels.Kind, float] = {"int12": 1e-3, "int16": 6e-5}
"""Of the integers of a gate of a unit: the norm of their rounding, relative to theirs. Beyond
that they take more bits. In 16 bits evenly distributed weights have 1.5e-5, normally distributed
ones 2.1e-5, those with the tails of Laplace's distribution 3.4e-5; in 12 bits 16 times as much."""

_RELEASED = 1 << 62
"""On the counter of a run: nobody waits any more."""

_LARGEST: dict[kernels.Kind, int] = {"int12": 2047, "int16": 32767}


@dataclass(frozen=True, slots=True)
class _Layer:
    """Weights in the order of the kernel; the arrays that ``places`` points to are ``held``."""

    width: int
    inputs: Floats
    bias: Floats
    kinds: NDArray[np.int64]
    places: NDArray[np.int64]
    scales: Floats
    held: tuple[NDArray[Any], ...]


class Lstm:
    """The layers of a ``torch.nn.LSTM``.

    Args:
        lstm: its weights are copied.
        threads: the caller's included.
        kinds: that recurrent weights may have, the first that is exact enough; the best for the
            processor by default. Floats are always among them.

    Attributes:
        size: units of a layer.

    Raises:
        NotImplementedError: it has two directions, projections or no biases.
    """

    def __init__(
        self, lstm: Any, threads: int = 1, kinds: Sequence[kernels.Kind] | None = None
    ) -> None:
        if lstm.bidirectional or lstm.proj_size or not lstm.bias:
            raise NotImplementedError("no LSTM of this kind")
        self.size = int(lstm.hidden_size)
        self._padded = -(-self.size // kernels.GROUP) * kernels.GROUP
        self._workers = Workers(min(threads, self._padded // kernels.UNITS))
        self._lock = threading.Lock()
        self._tiling = tiling_for(kernels.GATES * kernels.UNITS)
        kinds = kinds_here() if kinds is None else kinds
        self._layers = [self._of(lstm, index, kinds) for index in range(lstm.num_layers)]
        self._run, self._product = kernels.kernels(self._tiling)

    def _of(self, lstm: Any, index: int, kinds: Sequence[kernels.Kind]) -> _Layer:
        blocks = self._padded // kernels.UNITS

        def ordered(name: str, columns: int) -> Floats:
            """``[blocks, units, gates, columns]``, zeros for units and columns that aren't."""
            weight = getattr(lstm, f"{name}_l{index}").detach()
            given = weight.float().reshape(4 * self.size, -1)
            # Input, forget, cell, output become input, forget, output, cell.
            i, f, g, o = (part.numpy() for part in given.chunk(4))
            found = np.zeros((self._padded, kernels.GATES, columns), np.float32)
            for gate, part in enumerate((i, f, o, g)):
                found[: self.size, gate, : part.shape[1]] = part
            let_go(weight.data_ptr(), weight.nbytes)
            return found.reshape(blocks, kernels.UNITS, kernels.GATES, columns)

        width = self.size if index else int(lstm.input_size)
        inputs = ordered("weight_ih", width).transpose(0, 2, 1, 3).reshape(-1, width)
        both = ordered("bias_ih", 1) + ordered("bias_hh", 1)
        bias = np.ascontiguousarray(both.transpose(0, 2, 1, 3)[..., 0])
        factors = panels(torch.from_numpy(inputs).t(), self._tiling)
        held, chosen, scales = [], [], []
        for index, block in enumerate(ordered("weight_hh", self._padded)):
            kind, numbers, scale = rounded(block, kinds)
            # The kernel reads [inputs, gates, units].
            scale = scale.transpose(2, 1, 0)
            own = np.ascontiguousarray(numbers.transpose(2, 1, 0))
            if kind == "int12":
                scale = scale / np.float32(kernels.OUTPUT_ONE)
                # What is added to the outputs, so that their digits are positive, goes here.
                sums = own.reshape(-1, kernels.GROUP, *own.shape[1:]).sum(axis=1)
                bias[index] -= kernels.OUTPUT_ZERO * (scale.astype(float) * sums).sum(axis=0)
                own = packed_digits(own)
            held.append(own)
            chosen.append(kernels.KINDS.index(kind))
            scales.append(scale)
        places = np.array([array.ctypes.data for array in held], np.int64)
        all_scales = np.ascontiguousarray(np.stack(scales))
        return _Layer(
            width, factors, bias, np.array(chosen, np.int64), places, all_scales,
            tuple(held),
        )  # fmt: skip

    def start(self, batch: int) -> State:
        """The state before the first step."""
        size = (batch, self._padded)
        return [(np.zeros(size, np.float32), np.zeros(size, np.float32)) for _ in self._layers]

    def run(self, x: Floats, state: State) -> Floats:
        """Run over a piece, ``[T, B, I]`` to ``[T, B, H]``; ``state`` goes on to its end."""
        for layer, (h, c) in zip(self._layers, state, strict=True):
            x = self._layer(layer, x, h, c)[..., : self.size]
        return x

    def _layer(self, layer: _Layer, x: Floats, h: Floats, c: Floats) -> Floats:
        steps, batch, _ = x.shape
        rows, width, of_block = steps * batch, layer.width, kernels.GATES * kernels.UNITS
        x = np.ascontiguousarray(x[..., :width])
        gates = np.empty((rows, kernels.GATES * self._padded), np.float32)
        found = np.empty((steps, batch, self._padded), np.float32)
        digits = np.empty((steps + 1, batch, 2, self._padded), np.uint8)
        digits[0] = output_digits(h)
        counter = np.zeros(1, np.int64)
        blocks, count = len(layer.kinds), self._workers.count

        def work(part: int, _last: int, _worker: int) -> None:
            first, last = blocks * part // count, blocks * (part + 1) // count
            column = 4 * first * of_block
            self._product(
                x.ctypes.data, width, 0, layer.inputs.ctypes.data + column * width, 0,
                gates.ctypes.data + column, gates.shape[1], 0, layer.bias.ctypes.data + column,
                rows, width, (last - first) * of_block // self._tiling.columns, 1,
            )  # fmt: skip
            self._run(
                gates.ctypes.data, layer.kinds.ctypes.data, layer.places.ctypes.data,
                layer.scales.ctypes.data, h.ctypes.data, c.ctypes.data, found.ctypes.data,
                digits.ctypes.data, steps, batch, self._padded, first, last, counter.ctypes.data,
                count,
            )  # fmt: skip

        def release() -> None:
            counter[0] = _RELEASED

        # Parts of two calls, mixed, would wait for each other's threads for ever.
        with self._lock:
            self._workers.run(count, 1, work, release)
        if steps:
            h[...] = found[-1]
        return found


def kinds_here() -> tuple[kernels.Kind, ...]:
    """The kinds of integers that this processor is quick with, the fewest bits first."""
    return ("int12", "int16") if can_dot() else ("int16",)


def rounded(
    weights: Floats, kinds: Sequence[kernels.Kind]
) -> tuple[kernels.Kind, NDArray[Any], Floats]:
    """Weights as integers with scales, or as they are.

    Args:
        weights: ``[units, gates, inputs]``, inputs a multiple of 64.
        kinds: to be tried one after another: the first by which no row is off by more than
            ``ERRORS`` of its norm; otherwise they stay floats.

    Returns:
        The kind, the numbers, and the scales ``[units, gates, inputs / 64]``.
    """
    groups = weights.reshape(*weights.shape[:2], -1, kernels.GROUP)
    peaks, norms = np.abs(groups).max(axis=3, keepdims=True), np.linalg.norm(weights, axis=2)
    for kind in kinds:
        scales = peaks / np.float32(_LARGEST[kind])
        numbers = np.rint(groups / np.where(scales > 0, scales, 1))
        off = np.linalg.norm((numbers * scales - groups).reshape(weights.shape), axis=2)
        if (off <= ERRORS[kind] * norms).all():
            return kind, numbers.reshape(weights.shape).astype(np.int16), scales[..., 0]
    return "float32", weights, np.ones_like(peaks[..., 0])


def packed_digits(numbers: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Numbers of 12 bits, ``[inputs, gates, units]``, as the kernel reads them.

    Each 8 inputs of a gate: the upper 8 bits of the first four, with sign, unit by unit; those of
    the other four; the lower 4 bits of the first four, and in the same bytes of the other four.
    """
    inputs, gates, units = numbers.shape
    split = numbers.reshape(inputs // 8, 2, 4, gates, units).transpose(0, 3, 1, 4, 2)
    high, low = (split >> 4).astype(np.uint8), (split & 15).astype(np.uint8)
    found = np.empty((inputs // 8, gates, 3, units, 4), np.uint8)
    found[:, :, :2] = high
    found[:, :, 2] = low[:, :, 0] | low[:, :, 1] << 4
    return found


def output_digits(h: Floats) -> NDArray[np.uint8]:
    """Outputs, ``[batch, size]`` from -1 to 1, as 16 bits each: the upper 8 of all, then the lower
    8, ``[batch, 2, size]``."""
    whole = np.rint(h * np.float32(kernels.OUTPUT_ONE)).astype(np.int32) + kernels.OUTPUT_ZERO
    return np.stack([whole >> 8, whole & 255], axis=1).astype(np.uint8)
