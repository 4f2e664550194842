"""Linear layers for a processor: the weights packed once, in the precision that is asked for.

| precision | many rows | few rows |
| --- | --- | --- |
| float32 | oneDNN, packed | the same, packed for few |
| bfloat16 | oneDNN, packed, sums in float32 | the same, packed for few |
| int8 | int8 activations, sums in int32 | weights widened in registers, bfloat16 activations |

What a build of torch lacks (oneDNN on a Mac), its plain product computes. Where a processor has no
products of bfloat16, such weights stay as they are, mapped from a file if they were, and are
widened while they are used: exact, in the memory of 16 bits.
docs/decisions/products.md has what each way and its rivals took.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn.functional import linear

from milonga.compute.products.precision import Precision, why_slow
from milonga.compute.products.quantise import ZERO, quantise_rows, quantise_weight

Rows = Literal["few", "many"]
"""Rows of activations that a layer is packed for: up to eight (one token after the other), or
hundreds (all frames of a clip)."""

_FEW, _MANY = 2, 750
_WIDE = 8
"""Rows up to which widening the weights is quicker than int8 activations."""
_AT_ONCE = 1 << 20
"""Numbers of a bfloat16 weight that are widened at a time, which stay in the cache."""


class Product(torch.nn.Module):
    """``x @ weight.T + bias``; a layer in place of ``torch.nn.Linear``.

    Attributes:
        in_features, out_features: as of ``torch.nn.Linear``.
        precision: of the weights.
    """

    def __init__(self, size: tuple[int, int], bias: torch.Tensor | None, precision: Precision):
        super().__init__()
        self.out_features, self.in_features = size
        self.precision = precision
        # No parameters: nothing may convert or move what is packed.
        self._bias = None if bias is None else bias.detach().float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply ``[..., K]`` of any floating type; ``[..., N]`` of the same type."""
        if not x.numel():
            return x.new_zeros((*x.shape[:-1], self.out_features))
        rows = self.rows(x.reshape(-1, self.in_features))
        return rows.reshape(*x.shape[:-1], self.out_features).to(x.dtype)

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply ``[M, K]``; ``[M, N]`` of the type that the product comes in."""
        raise NotImplementedError

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, {self.precision}"


class FloatProduct(Product):
    """Weights in float32 or bfloat16; activations are rounded to the same, where the processor
    multiplies them so."""

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, precision: Precision, rows: Rows
    ) -> None:
        super().__init__((weight.shape[0], weight.shape[1]), bias, precision)
        self._dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        weight = weight.detach().to(self._dtype)
        quick = why_slow(precision) is None
        self._packed = quick and can_pack(self._dtype) and weight.numel() > 0
        if self._packed:
            if self._bias is not None:
                self._bias = self._bias.to(self._dtype)
            hint = _FEW if rows == "few" else _MANY
            weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), hint)
        self._weight = weight

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        if not self._packed:
            return self._widened(x.float())
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self._dtype), self._weight, self._bias, "none", [], ""
        )
        return found

    def _widened(self, x: torch.Tensor) -> torch.Tensor:
        if self._weight.dtype == torch.float32:
            return linear(x, self._weight, self._bias)
        found = torch.empty(len(x), self.out_features)
        step = max(1, _AT_ONCE // max(1, self.in_features))
        parts = torch.split(self._weight, step), torch.split(found, step, dim=1)
        for weight, some in zip(*parts, strict=True):
            torch.mm(x, weight.float().T, out=some)
        return found if self._bias is None else found.add_(self._bias)


class IntegerProduct(Product):
    """Weights and activations in int8, for many rows.

    Args:
        weight: ``[N, K]`` int8.
        scale: ``[N]`` float32.
        bias: ``[N]`` or None.
    """

    def __init__(
        self, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> None:
        super().__init__((weight.shape[0], weight.shape[1]), bias, "int8")
        self._scale = scale
        # Without these instructions the sums of pairs would overflow 16 bits.
        self._packed = can_pack() and why_slow("int8") is None
        if self._packed:
            self._zeros = torch.zeros(len(scale), dtype=torch.int32)
            shape = [_MANY, self.in_features]
            weight = torch.ops.onednn.qlinear_prepack(weight.contiguous(), shape)
        self._weight = weight

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        if not self._packed:
            return linear(x.float(), self._weight.float() * self._scale[:, None], self._bias)
        return self.quantised(*quantise_rows(x))

    def quantised(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Multiply what ``quantise_rows`` returned, for layers that share an input; float32."""
        found: torch.Tensor = torch.ops.onednn.qlinear_pointwise(
            x, 1.0, ZERO, self._weight, self._scale, self._zeros, None, 1.0, 0, torch.float32,
            "none", [], "",
        )  # fmt: skip
        found.mul_(scale)
        return found if self._bias is None else found.add_(self._bias)


class WideningProduct(Product):
    """Weights in int8, activations in bfloat16, for few rows: reading the weights is the work.

    Args:
        weight: ``[N, K]`` int8.
        scale: ``[N]`` float32.
        bias: ``[N]`` or None.
    """

    def __init__(
        self, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> None:
        super().__init__((weight.shape[0], weight.shape[1]), bias, "int8")
        self._weight, self._scale = weight.contiguous(), scale
        self._rounded = scale.to(torch.bfloat16)
        # The quotient makes good what rounding a scale loses.
        self._rest = scale / self._rounded.float()
        # torch's kernel reads past the end of weights whose rows are no multiple of 16.
        self._widens = self.in_features % 16 == 0

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > _WIDE or not self._widens:
            found = self._many(x)
        else:
            found = torch._weight_int8pack_mm(x.to(torch.bfloat16), self._weight, self._rounded)
            found = found.float().mul_(self._rest)
        return found if self._bias is None else found.add_(self._bias)

    def _many(self, x: torch.Tensor) -> torch.Tensor:
        if not can_pack() or why_slow("int8") is not None:
            return linear(x.float(), self._weight.float() * self._scale[:, None])
        whole, scale = quantise_rows(x)
        signed = whole.view(torch.int8).bitwise_xor_(-ZERO)
        return torch._int_mm(signed, self._weight.T).float().mul_(self._scale).mul_(scale)


def can_pack(kind: torch.dtype = torch.float32) -> bool:
    """Tell if this build of torch has oneDNN's products, of this type on this processor."""
    there = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    if kind == torch.bfloat16:
        return there and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return there


def make_linear(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    precision: Precision,
    rows: Rows = "many",
) -> Product:
    """Make a linear layer on the processor.

    It works for any number of rows and on any processor, quickly for what it is made for. The
    weights are copied: those given can go.

    Args:
        weight: ``[N, K]``, of any floating type, on the processor.
        bias: ``[N]`` or None.
        precision: of the weights.
        rows: what it will meet.

    Returns:
        A module that maps ``[..., K]`` to ``[..., N]`` of the same type, for inference.
    """
    with torch.inference_mode():
        if precision == "int8":
            return make_integer(*quantise_weight(weight.detach()), bias, rows)
        return FloatProduct(weight, bias, precision, rows)


def make_integer(
    weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None, rows: Rows = "many"
) -> Product:
    """Make a linear layer of weights that are int8 already, as ``quantise_weight`` gives them."""
    with torch.inference_mode():
        kind = WideningProduct if rows == "few" else IntegerProduct
        return kind(weight, scale, bias)
