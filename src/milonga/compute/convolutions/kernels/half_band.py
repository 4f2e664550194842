"""The half-band filter of the anti-aliased activation.

Reference:
    Kaiser, "Nonrecursive digital filter design using the I0-sinh window function", 1974.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TAPS = 12
_CUTOFF = 0.25
_HALF_WIDTH = 0.3


def _kaiser_sinc() -> NDArray[np.float32]:
    half = _TAPS // 2
    attenuation = 2.285 * (half - 1) * np.pi * 4 * _HALF_WIDTH + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    time = np.arange(-half, half) + 0.5
    taps = np.kaiser(_TAPS, beta) * np.sinc(2 * _CUTOFF * time)
    # Without this a constant would not pass at its level.
    return np.asarray(taps / taps.sum(), dtype=np.float32)


HALF_BAND = _kaiser_sinc()
"""Twelve taps, symmetric, sum 1: a quarter of the doubled rate passes."""
