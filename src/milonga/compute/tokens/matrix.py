"""A weight in 32, 16 or 8 bits, and its product with many rows, in plain torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from milonga.compute.products.precision import why_slow

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16", "float16", "int8"]
_FEW = 16
"""Rows that aren't worth rounding the activations for."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A weight ``[out, in]``, and how it is stored.

    Attributes:
        weight: the numbers, as they are read for every token.
        scale: of each output, of int8 alone; ``[out]`` in float32.
        bias: ``[out]`` in float32, or None.
    """

    weight: torch.Tensor
    scale: torch.Tensor | None = None
    bias: torch.Tensor | None = None

    @property
    def inner(self) -> int:
        return int(self.weight.shape[1])

    @property
    def outer(self) -> int:
        return int(self.weight.shape[0])

    @property
    def bytes(self) -> int:
        return self.weight.numel() * self.weight.element_size()

    def times(self, x: torch.Tensor, first: int = 0, last: int | None = None) -> torch.Tensor:
        """The product with rows ``[..., in]`` of float32, and the bias: ``[..., last - first]``."""
        import torch

        weight = self.weight[first:last]
        bias = None if self.bias is None else self.bias[first:last]
        if self.scale is not None:
            return _eight_bits(x, weight, self.scale[first:last], bias)
        if weight.dtype == torch.float32:
            return torch.nn.functional.linear(x, weight, bias)
        found = torch.nn.functional.linear(x.to(weight.dtype), weight).float()
        return found if bias is None else found.add_(bias)


def stored(
    weight: torch.Tensor, bias: torch.Tensor | None = None, precision: Precision = "float32"
) -> Matrix:
    """Store a weight ``[out, in]`` of floats in a precision."""
    import torch

    from milonga.compute.products.quantise import quantise_weight

    bias = None if bias is None else bias.float()
    if precision != "int8":
        return Matrix(weight.to(getattr(torch, precision)).contiguous(), None, bias)
    numbers, scale = quantise_weight(weight)
    return Matrix(numbers.contiguous(), scale, bias)


def _eight_bits(
    x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    import torch

    from milonga.compute.products.quantise import ZERO, quantise_rows

    rows = x.reshape(-1, x.shape[-1])
    if len(rows) <= _FEW or why_slow("int8") is not None:
        # Exactly: weights as they are, activations in float32.
        found = torch.nn.functional.linear(rows, weight.float()).mul_(scale)
    else:
        whole, each = quantise_rows(rows)
        signed = whole.view(torch.int8).bitwise_xor_(-ZERO)
        found = torch._int_mm(signed, weight.T).float().mul_(each).mul_(scale)
    if bias is not None:
        found += bias
    return found.reshape(*x.shape[:-1], -1)
