"""Levels of stretches of a recording."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def framed(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Cut into ``[channels, frames, size]``, without the rest."""
    channels, length = samples.shape
    return samples[:, : length // size * size].reshape(channels, -1, size)


def mean_square(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the mean of the squares along the last axis."""
    energy = np.einsum("...i,...i->...", samples, samples, dtype=np.float64)
    return np.asarray(energy / samples.shape[-1])


def level_db(value: float) -> float:
    """Return an amplitude in dB, -200 for none at all."""
    return 20 * math.log10(max(value, 1e-10))


def dbfs(level: float) -> str:
    """Return a level in words."""
    return "digital silence" if level <= -200 else f"{level:.0f} dBFS"
