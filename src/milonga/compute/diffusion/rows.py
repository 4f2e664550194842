"""What the transformers have in common: rows of frames in float32, heads in the smaller type."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from milonga.compute.products.precision import Precision, why_slow

CHUNK = 256
"""Rows of the wide middle of a layer at a time: they stay in the cache."""


def small_type(precision: Precision) -> torch.dtype:
    """Choose the type of attention: bfloat16 where the weights are no more and it is quick."""
    narrow = precision != "float32" and why_slow("bfloat16") is None
    return torch.bfloat16 if narrow else torch.float32


def by_head(rows: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Turn ``[M, H, D]`` into ``[H, M, D]`` of a type, contiguous."""
    return rows.transpose(0, 1).to(dtype).contiguous()


def vector(parameter: torch.Tensor) -> torch.Tensor:
    """A norm's or a small layer's numbers, in float32."""
    return parameter.detach().float()


def rms_norm(
    rows: torch.Tensor, weight: torch.Tensor, shift: torch.Tensor | None, eps: float
) -> torch.Tensor:
    """Divide rows by their root mean square; scale, and shift them.

    Args:
        rows: ``[..., width]`` float32.
        weight: ``[width]``, or what is broadcast to the rows.
        shift: the same, or None.
        eps: added to the mean of the squares.

    Source: arXiv:1910.07467.
    """
    norm: torch.Tensor = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    found = rows * norm.square_().div_(rows.shape[-1]).add_(eps).rsqrt_()
    return found.mul_(weight) if shift is None else torch.addcmul(shift, found, weight, out=found)


class WatchedBlock(torch.nn.Module):
    """A block that asks between chunks of its rows whether to go on: of minutes of music one block
    takes seconds.

    Attributes:
        watch: called before each chunk; whoever wants to stop raises in it.
    """

    watch: Callable[[], None] | None = None

    def chunks(self, rows: int) -> Iterator[slice]:
        """Parts of so many rows."""
        for first in range(0, rows, CHUNK):
            if self.watch is not None:
                self.watch()
            yield slice(first, first + CHUNK)
