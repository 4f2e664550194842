"""Numbers as 8-bit integers with a scale.

A weight matrix gets a scale for each output (each row of it), activations one for each row
(each token): the largest magnitude becomes 127. A number is then off by at most half a scale.

Source: LLM.int8() (arXiv:2208.07339), section 2, without its separation of outliers.
"""

from __future__ import annotations

import torch

_LEVELS = 127
_SMALLEST = 1e-30
"""Stands in for the largest magnitude of zeros."""
ZERO = 128
"""The activation 0 as an unsigned number: the instructions multiply unsigned by signed ones."""


def quantise_weight(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Round a weight matrix.

    Args:
        weight: ``[N, K]``, of any floating type, finite.

    Returns:
        ``[N, K]`` int8 from -127 to 127, and ``[N]`` float32: their product is the weight within
        half a scale.
    """
    # No second copy of a large matrix: this one is written over.
    values = weight.to(torch.float32, copy=True)
    scale = values.abs().amax(dim=1).clamp_min_(_SMALLEST).div_(_LEVELS)
    return values.div_(scale[:, None]).round_().to(torch.int8), scale


def quantise_rows(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Round activations.

    Args:
        rows: ``[M, K]``, of any floating type, finite.

    Returns:
        ``[M, K]`` uint8 around ``ZERO``, and ``[M, 1]`` float32, the scale of each row.
    """
    # torch.aminmax would need no copy, but runs on one core.
    scale = rows.abs().amax(dim=1, keepdim=True).float().clamp_min_(_SMALLEST).div_(_LEVELS)
    # What is added rounds to the nearest: the conversion cuts off.
    return (rows * scale.reciprocal()).add_(ZERO + 0.5).to(torch.uint8), scale
