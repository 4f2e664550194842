"""Mel scales and triangular filter banks.

References:
    Slaney, "Auditory Toolbox" (1998): linear below 1 kHz, logarithmic above.
    O'Shaughnessy, "Speech Communication" (1987), used by HTK: 2595 log10(1 + f/700).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scale = Literal["slaney", "htk"]

_LINEAR_STEP = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_STEP
_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(hz: ArrayLike, scale: Scale) -> NDArray[np.float64]:
    """Convert frequencies from Hz to mel."""
    f = np.asarray(hz, dtype=np.float64)
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + f / 700.0))
    above = _BREAK_MEL + np.log(np.maximum(f, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(f < _BREAK_HZ, f / _LINEAR_STEP, above)


def mel_to_hz(mel: ArrayLike, scale: Scale) -> NDArray[np.float64]:
    """Convert frequencies from mel to Hz."""
    m = np.asarray(mel, dtype=np.float64)
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (m / 2595.0) - 1.0))
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(m, _BREAK_MEL) - _BREAK_MEL))
    return np.where(m < _BREAK_MEL, m * _LINEAR_STEP, above)


def band_edges(n_mels: int, f_min: float, f_max: float, scale: Scale) -> NDArray[np.float64]:
    """Corners of the triangles in Hz, ``[n_mels + 2]``: band ``b`` rises from corner ``b``,
    peaks at ``b + 1`` and ends at ``b + 2``."""
    low, high = hz_to_mel([f_min, f_max], scale)
    return mel_to_hz(np.linspace(low, high, n_mels + 2), scale)


def filter_bank(
    *,
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    scale: Scale,
    norm: Literal["slaney"] | None,
) -> NDArray[np.float64]:
    """Make triangular filters ``[n_mels, n_fft // 2 + 1]`` over the bins of a real FFT.

    With ``norm="slaney"`` each triangle has the area 1 in Hz, otherwise the height 1.
    """
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    edges = band_edges(n_mels, f_min, f_max, scale)
    widths = np.diff(edges)[:, np.newaxis]
    distance = edges[:, np.newaxis] - bins
    rising = -distance[:-2] / widths[:-1]
    falling = distance[2:] / widths[1:]
    bank = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        bank *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    return bank
