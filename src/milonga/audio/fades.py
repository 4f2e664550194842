"""Gains of crossfades."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def quarter_sine(n_samples: int) -> NDArray[np.float32]:
    """Return rising gains, ``[n_samples]``; with their reverse they keep the power of sounds that
    have nothing in common (the squares sum to 1)."""
    return np.sin((np.arange(n_samples) + 0.5) / n_samples * (math.pi / 2)).astype(np.float32)
