"""From noise to latents: the levels of noise, and the steps between them.

Imports torch; only the engine imports it, when it is needed. Sources: Stable Audio 3
(arXiv:2605.17991); ping-pong sampling: arXiv:2505.08175; projected guidance: arXiv:2410.02416.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch

_NOISY, _CLEAN = -6.2, 2.0
"""Logarithm of the ratio of signal to noise where the levels begin and end."""


def levels(steps: int, top: float = 1.0) -> list[float]:
    """Levels of noise: ``steps + 1`` of them, falling from ``top`` to 0.

    They are evenly spaced in the logarithm of signal to noise. From less than pure noise the whole
    ladder is scaled, as the authors do now; diffusers' ladder rises there at first.

    >>> [round(level, 2) for level in levels(8)]
    [1.0, 0.99, 0.98, 0.96, 0.89, 0.75, 0.51, 0.27, 0.0]
    """
    ladder = torch.sigmoid(torch.linspace(1.0, 0.0, steps + 1) * (_CLEAN - _NOISY) - _CLEAN)
    ladder[0], ladder[-1] = 1.0, 0.0
    return [float(level) for level in ladder * top]


def sample(
    velocity: Callable[[torch.Tensor, float], torch.Tensor],
    latents: torch.Tensor,
    ladder: Sequence[float],
    noise: torch.Generator | None,
) -> torch.Tensor:
    """Take latents down a ladder of levels.

    Args:
        velocity: the model's, of latents at a level.
        latents: at the first level.
        ladder: as ``levels`` gives it.
        noise: the source of fresh noise after each step (ping-pong, of distilled models), drawn on
            the processor so that all devices agree; None for plain steps.
    """
    for level, after in pairwise(ladder):
        speed = velocity(latents, level)
        if noise is None:
            latents = latents + (after - level) * speed
        else:
            fresh = torch.randn(latents.shape, generator=noise).to(latents.device)
            latents = (1 - after) * (latents - level * speed) + after * fresh
    return latents


def guided(
    plain: torch.Tensor,
    told: torch.Tensor,
    latents: torch.Tensor,
    level: float,
    scale: float,
    projected: bool = True,
) -> torch.Tensor:
    """The velocity towards the words and away from what isn't said.

    Args:
        plain, told: velocities without the words (or with those to avoid) and with them.
        latents: at ``level``.
        level: of noise.
        scale: 1 for ``told`` itself.
        projected: leave out what of the difference only makes the result louder, as the authors
            do.
    """
    difference = told - plain
    if projected:
        # In terms of clean latents; the velocity goes from them to the noise.
        clean = (latents - level * told).double()
        clean = clean / clean.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
        along = (difference.double() * clean).sum(dim=(-2, -1), keepdim=True) * clean
        difference = difference - along.to(difference.dtype)
    return told + (scale - 1) * difference
