"""An LSTM of one direction, for few sequences at a time.

Each step reads all recurrent weights once, and that is what it costs. They are 16-bit integers
with a scale for 64 of them, where that is as good as floats for what follows: half the bytes, so
that a layer stays in the cache. The products with the inputs are one large product beforehand, in
which each thread computes what its own units need.

Reference:
    Hochreiter, Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997); gates as in
    ``torch.nn.LSTM``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from milonga.compute.convolutions.kernels import lstm as kernels
from milonga.compute.convolutions.packed import tiling_for
from milonga.compute.convolutions.packing import panels
from milonga.compute.convolutions.workers import Workers
from milonga.runtime.memory import let_go

Floats = NDArray[np.float32]
State = list[tuple[Floats, Floats]]
"""Output and cell of each layer, ``[B, H]``, H rounded up to a multiple of 64."""

ERROR = 6e-5
"""Of the 16-bit weights of a gate of a unit: the norm of their rounding, relative to theirs. Beyond
that they stay floats. Evenly distributed weights have 1.5e-5, normally distributed ones 2.1e-5,
those with the tails of Laplace's distribution 3.4e-5."""

_LARGEST = 32767


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
        error: of the 16-bit weights of a gate of a unit; 0 for floats alone.

    Attributes:
        size: units of a layer.

    Raises:
        NotImplementedError: it has two directions, projections or no biases.
    """

    def __init__(self, lstm: Any, threads: int = 1, error: float = ERROR) -> None:
        if lstm.bidirectional or lstm.proj_size or not lstm.bias:
            raise NotImplementedError("no LSTM of this kind")
        self.size = int(lstm.hidden_size)
        self._padded = -(-self.size // kernels.GROUP) * kernels.GROUP
        self._workers = Workers(min(threads, self._padded // kernels.UNITS))
        self._tiling = tiling_for(kernels.GATES * kernels.UNITS)
        self._layers = [self._of(lstm, index, error) for index in range(lstm.num_layers)]
        self._run, self._product = kernels.kernels(self._tiling)
        for given in lstm.parameters():
            let_go(given.data_ptr(), given.nbytes)

    def _of(self, lstm: Any, index: int, error: float) -> _Layer:
        blocks = self._padded // kernels.UNITS

        def ordered(name: str, columns: int) -> Floats:
            """``[blocks, units, gates, columns]``, zeros for units and columns that aren't."""
            given = getattr(lstm, f"{name}_l{index}").detach().float().reshape(4 * self.size, -1)
            # Input, forget, cell, output become input, forget, output, cell.
            i, f, g, o = (part.numpy() for part in given.chunk(4))
            found = np.zeros((self._padded, kernels.GATES, columns), np.float32)
            for gate, part in enumerate((i, f, o, g)):
                found[: self.size, gate, : part.shape[1]] = part
            return found.reshape(blocks, kernels.UNITS, kernels.GATES, columns)

        width = self.size if index else int(lstm.input_size)
        inputs = ordered("weight_ih", width).transpose(0, 2, 1, 3).reshape(-1, width)
        bias = (ordered("bias_ih", 1) + ordered("bias_hh", 1)).transpose(0, 2, 1, 3).ravel()
        factors = panels(torch.from_numpy(inputs).t(), self._tiling)
        held, kinds, scales = [], [], []
        for block in ordered("weight_hh", self._padded):
            numbers, scale = rounded(block, error)
            # The kernel reads [inputs, gates, units].
            own = (block if numbers is None else numbers).transpose(2, 1, 0)
            held.append(np.ascontiguousarray(own))
            kinds.append(kernels.KINDS.index("float32" if numbers is None else "int16"))
            scales.append(scale.transpose(2, 1, 0))
        places = np.array([array.ctypes.data for array in held], np.int64)
        all_scales = np.ascontiguousarray(np.stack(scales))
        return _Layer(
            width, factors, bias, np.array(kinds, np.int64), places, all_scales, tuple(held)
        )

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
                layer.scales.ctypes.data, h.ctypes.data, c.ctypes.data, found.ctypes.data, steps,
                batch, self._padded, first, last, counter.ctypes.data, count,
            )  # fmt: skip

        self._workers.run(count, 1, work)
        if steps:
            h[...] = found[-1]
        return found


def rounded(weights: Floats, error: float = ERROR) -> tuple[NDArray[np.int16] | None, Floats]:
    """Weights as 16-bit integers and scales.

    Args:
        weights: ``[units, gates, inputs]``, inputs a multiple of 64.
        error: norm of the rounding of a row, relative to that of the row.

    Returns:
        The integers, or None where a row would be off by more than ``error``; and the scales,
        ``[units, gates, inputs / 64]``.
    """
    groups = weights.reshape(*weights.shape[:2], -1, kernels.GROUP)
    scales = np.abs(groups).max(axis=3, keepdims=True) / np.float32(_LARGEST)
    numbers = np.rint(groups / np.where(scales > 0, scales, 1))
    off = np.linalg.norm((numbers * scales - groups).reshape(weights.shape), axis=2)
    exact = error and (off <= error * np.linalg.norm(weights, axis=2)).all()
    found = numbers.reshape(weights.shape).astype(np.int16) if exact else None
    return found, scales[..., 0]
