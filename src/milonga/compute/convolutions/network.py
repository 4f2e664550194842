"""A network of convolutions as data: its layers.

Signals are ``[time, channels]``. Padding with ``reflect`` repeats the samples beside the end, the
end itself left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from milonga.runtime.memory import let_go

Padding = Literal["zeros", "reflect"]


@dataclass(frozen=True, slots=True, eq=False)
class Snake:
    """``x + gain sin(alpha x)^2``, ``[channels]`` each."""

    alpha: Tensor
    gain: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Elu:
    """``x`` above 0, ``exp(x) - 1`` below."""


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """A convolution.

    Attributes:
        weight: ``[outputs, inputs, taps]``.
        bias: ``[outputs]`` or None.
        stride: rows of input between rows of output.
        dilation: rows between taps.
        left: rows of padding before the start.
        right: rows after the end.
        padding: what they hold.
    """

    weight: Tensor
    bias: Tensor | None = None
    stride: int = 1
    dilation: int = 1
    left: int = 0
    right: int = 0
    padding: Padding = "zeros"

    @property
    def taps(self) -> int:
        return self.weight.shape[2]

    @property
    def extent(self) -> int:
        """Rows from the first tap to the last."""
        return (self.taps - 1) * self.dilation + 1

    def length(self, rows: int) -> int:
        """Rows of output."""
        return (rows + self.left + self.right - self.extent) // self.stride + 1


@dataclass(frozen=True, slots=True, eq=False)
class Upsample:
    """A transposed convolution.

    Attributes:
        weight: ``[inputs, outputs, taps]``.
        bias: ``[outputs]`` or None.
        rate: rows of output for a row of input.
        left: rows of output that are cut at the start.
        right: those at the end.
    """

    weight: Tensor
    bias: Tensor | None
    rate: int
    left: int = 0
    right: int = 0

    @property
    def reach(self) -> int:
        """Rows of input behind a row of output."""
        return math.ceil(self.weight.shape[2] / self.rate)

    def length(self, rows: int) -> int:
        """Rows of output."""
        return (rows - 1) * self.rate + self.weight.shape[2] - self.left - self.right


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """The sum of a body and a shortcut, which is the input itself if it has no layers."""

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()


Activation = Snake | Elu
Layer = Activation | Conv | Upsample | Residual
Network = Sequence[Layer]


def same(weight: Tensor, bias: Tensor | None, *, dilation: int = 1) -> Conv:
    """A convolution of an odd number of taps that keeps the length, with zeros around."""
    reach = (weight.shape[2] - 1) // 2 * dilation
    return Conv(weight, bias, dilation=dilation, left=reach, right=reach)


def plain_weight(conv: Any) -> Tensor:
    """The weight of a module of torch.

    With weight normalisation it is made of two, which the older form of it does only before a
    forward pass. What is mapped from a file is in memory no longer than that takes.
    """
    if hasattr(conv, "weight_v"):
        direction, size = conv.weight_v.detach().float(), conv.weight_g.detach().float()
        axes = tuple(range(1, direction.ndim))
        found: Tensor = direction * (size / direction.norm(dim=axes, keepdim=True))
        let_go(direction.data_ptr(), direction.nbytes)
        return found
    plain: Tensor = conv.weight.detach().float()
    if hasattr(conv, "parametrizations"):
        for given in conv.parametrizations.weight.parameters():
            let_go(given.data_ptr(), given.nbytes)
    return plain
