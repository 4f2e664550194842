"""A weight in 32, 16 or 8 bits, and its product with many rows, in plain torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from milonga.compute.products.precision import why_slow
from milonga.runtime.memory import let_go, return_freed

if TYPE_CHECKING:
    import torch

    from milonga.compute.products.stored import StoredLayerMaker
    from milonga.runtime.progress import Progress

Precision = Literal["float32", "bfloat16", "float16", "int8"]


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
        weight = self.weight[first:last]
        scale = None if self.scale is None else self.scale[first:last]
        bias = None if self.bias is None else self.bias[first:last]
        return _product(x, weight, scale, bias)


def stored(
    weights: Sequence[torch.Tensor],
    bias: torch.Tensor | None = None,
    precision: Precision = "float32",
    *,
    name: str = "",
    copy: StoredLayerMaker | None = None,
) -> Matrix:
    """Store weights ``[out, in]`` of floats side by side in a precision.

    Args:
        weights: with one input.
        bias: of all of them, or None.
        precision: of the result.
        name: of the matrix in ``copy``.
        copy: where those in int8 come from, or go to.
    """
    import torch

    from milonga.compute.products.quantise import quantise_weight

    bias = None if bias is None else bias.float()
    if precision == "int8" and copy is not None:
        return Matrix(*copy.numbers(name, weights), bias)
    weight = weights[0] if len(weights) == 1 else torch.cat(list(weights))
    if precision != "int8":
        return Matrix(weight.to(getattr(torch, precision)).contiguous(), None, bias)
    numbers, scale = quantise_weight(weight)
    return Matrix(numbers.contiguous(), scale, bias)


@contextlib.contextmanager
def copy_of(
    precision: Precision, name: str, source: str, device: torch.device, progress: Progress | None
) -> Iterator[StoredLayerMaker | None]:
    """Give the stored int8 copy of a model, to be read or made; None where there is to be none.

    Args:
        precision: of the weights.
        name: of the model.
        source: hash of its files; empty for no copy.
        device: of the weights.
        progress: shows the check of a copy, and stops it.

    Raises:
        Cancelled: the user stopped it.
    """
    if precision != "int8" or not source or device.type != "cpu":
        yield None
        return
    from milonga.compute.products.stored import copy_file, open_copy

    with open_copy(copy_file(name, source), source, progress) as maker:
        yield maker


def let_go_of(weights: Iterable[torch.Tensor]) -> None:
    """Give back the memory of weights that aren't needed for now, as far as it is a file's, and
    what copying them left with the C library."""
    for weight in weights:
        if weight.device.type == "cpu":
            let_go(weight.data_ptr(), weight.nbytes)
    return_freed()


def _product(
    x: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor | None, bias: torch.Tensor | None
) -> torch.Tensor:
    import torch

    if weight.dtype == torch.float32:
        if x.device.type == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            # On processors that MKL isn't made for, oneDNN is twice as quick.
            found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
                x, weight, bias, "none", [], ""
            )
            return found
        return torch.nn.functional.linear(x, weight, bias)
    if scale is None:
        found = torch.nn.functional.linear(x.to(weight.dtype), weight).float()
    else:
        # Whole numbers up to 127 are exact in 16 bits; rounding activations to 8 would be quicker
        # by little, since it takes time itself, and less exact.
        kind = torch.bfloat16 if why_slow("bfloat16") is None else torch.float32
        found = _product(x.to(kind), weight.to(kind), None, None).float().mul_(scale)
    return found if bias is None else found.add_(bias)
