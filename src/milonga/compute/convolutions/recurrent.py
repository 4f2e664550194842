"""An LSTM of one direction, for few sequences at a time.

Each step reads all recurrent weights once, and that is what it costs: NumPy's product of a matrix
and a vector reads them two to three times as fast as torch's. The products with the inputs are one
large product beforehand, and the gates stand so that one sigmoid serves three of them.

Reference:
    Hochreiter, Schmidhuber, "Long Short-Term Memory", Neural Computation 9 (1997); gates as in
    ``torch.nn.LSTM``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
State = list[tuple[Floats, Floats]]
"""Output and cell of each layer, ``[B, H]``."""


@dataclass(frozen=True, slots=True)
class _Layer:
    inputs: Floats
    recurrent: Floats
    bias: Floats


class Lstm:
    """The layers of a ``torch.nn.LSTM`` in single precision.

    Args:
        lstm: its weights are copied.

    Raises:
        NotImplementedError: it has two directions, projections or no biases.
    """

    def __init__(self, lstm: Any) -> None:
        if lstm.bidirectional or lstm.proj_size or not lstm.bias:
            raise NotImplementedError("no LSTM of this kind")
        self.size = int(lstm.hidden_size)
        self._layers = [self._of(lstm, index) for index in range(lstm.num_layers)]

    def _of(self, lstm: Any, index: int) -> _Layer:
        def ordered(name: str) -> Floats:
            # Input, forget, cell, output become input, forget, output, cell.
            i, f, g, o = getattr(lstm, f"{name}_l{index}").detach().float().chunk(4)
            return np.concatenate([part.numpy() for part in (i, f, o, g)])

        bias = ordered("bias_ih") + ordered("bias_hh")
        inputs = np.ascontiguousarray(ordered("weight_ih").T)
        return _Layer(inputs, ordered("weight_hh"), bias)

    def start(self, batch: int) -> State:
        """The state before the first step."""
        size = (batch, self.size)
        return [(np.zeros(size, np.float32), np.zeros(size, np.float32)) for _ in self._layers]

    def run(self, x: Floats, state: State) -> Floats:
        """Run over a piece, ``[T, B, I]`` to ``[T, B, H]``; ``state`` goes on to its end."""
        for layer, (h, c) in zip(self._layers, state, strict=True):
            x = self._layer(layer, x, h, c)
        return x

    def _layer(self, layer: _Layer, x: Floats, h: Floats, c: Floats) -> Floats:
        steps, batch, _ = x.shape
        gates = (x.reshape(steps * batch, -1) @ layer.inputs).reshape(steps, batch, -1)
        gates += layer.bias
        found = np.empty((steps, batch, self.size), np.float32)
        read = np.empty(4 * self.size, np.float32)
        three = 3 * self.size
        for now, output in zip(gates, found, strict=True):
            for row, before in zip(now, h, strict=True):
                row += np.dot(layer.recurrent, before, out=read)
            with np.errstate(over="ignore"):
                # Beyond the range of exp the sigmoid is 0, as it should be.
                sigmoids = 1 / (1 + np.exp(-now[:, :three]))
            i, f, o = np.split(sigmoids, 3, axis=1)
            c *= f
            c += i * np.tanh(now[:, three:])
            np.multiply(o, np.tanh(c), out=output)
            h[...] = output
        return found
