"""Noise and steady tones that go through a whole recording.

Noise is told from tones and drums by two things: in each band its level hardly changes over time,
and no partial stands out among the bins of the band. Its power is read from the quietest moments
of each band (Martin, "Noise power spectral density estimation based on optimal smoothing and
minimum statistics", IEEE TSAP 9, 2001, with a percentile in place of the minimum).
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga.analysis.filters import fast_length, hann
from milonga.analysis.spectra import quantile

Floats = NDArray[np.float32]

_FRAME_S, _BAND = 0.09, 32
_LOW_HZ = 60.0
_LEAST_FRAMES = 12
_QUIET, _QUIET_NATS = 0.1, 0.29
"""The tenth percentile of noise, and how far under its mean that lies in a band of 32 bins."""
_EULER = 0.5772
_RAGGED = 1.6
"""Bins of noise differ by chance; this many times as much is a tone."""
_LINE_S, _LINE_FRAMES = 0.35, 8
_NARROW, _STEADY = 20.0, 1.6
_OUTER, _DEEPEST = 30, 6
"""Bins around a line, and the first that is a tone (17 Hz)."""


def noise_share(mono: Floats, sample_rate: int) -> float:
    """Estimate the share of the energy that is steady noise, from 0 to 1.

    Args:
        mono: ``[time]``.
        sample_rate: samples per second.

    Returns:
        0 where it is too short to tell (12 frames of 0.09 s).
    """
    power = _power(mono, sample_rate, _FRAME_S)[:, round(_LOW_HZ * _FRAME_S) :]
    bands = power.shape[1] // _BAND
    if len(power) < _LEAST_FRAMES or bands < 1:
        return 0.0
    total = float(power.sum())
    if total <= 0:
        return 0.0
    logs = np.log(np.maximum(power[:, : bands * _BAND], 1e-9 * total / power.size))
    logs = logs.reshape(len(power), bands, _BAND)
    level = logs.mean(axis=2)
    floor = quantile(level, _QUIET, axis=0)
    # Frames that are as loud as noise is by chance.
    quiet = level < floor + 2 * _QUIET_NATS
    count = quiet.sum(axis=0)
    mean = np.einsum("tbk,tb->bk", logs, quiet) / count[:, np.newaxis]
    mean -= _trend(mean, round(_LOW_HZ * _FRAME_S))
    ragged = mean.std(axis=1) * np.sqrt(count) / (np.pi / np.sqrt(6))
    noisy = ragged < _RAGGED
    found = np.exp(floor + _QUIET_NATS + _EULER) * _BAND * len(power)
    return float(np.minimum(found[noisy].sum() / total, 1.0))


def _trend(curves: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """Fit each band by a constant, a slope over frequency and one over its logarithm.

    Args:
        curves: ``[bands, 32]``, the bins of all bands in a row.
        first: number of the first bin.
    """
    hertz = first + np.arange(curves.size, dtype=np.float64).reshape(curves.shape)
    shapes = np.stack([np.ones_like(hertz), hertz, np.log(hertz)], axis=2)
    basis, _ = np.linalg.qr(shapes)
    return np.asarray(np.einsum("bkn,bn->bk", basis, np.einsum("bkn,bk->bn", basis, curves)))


def steady_tones(mono: Floats, sample_rate: int) -> tuple[float, NDArray[np.float64]]:
    """Find tones that sound at one level from the beginning to the end.

    Returns:
        Their share of the energy, and their frequencies in Hz, the strongest first.
    """
    power = _power(mono, sample_rate, _LINE_S)
    if len(power) < _LINE_FRAMES:
        return 0.0, np.zeros(0)
    total = float(power.sum())
    floor, middle = (quantile(power, share, axis=0) for share in (0.1, 0.5))
    around = _medians(floor)
    inner = np.pad(floor, 1, mode="edge")
    top = (floor >= inner[:-2]) & (floor >= inner[2:]) & (floor > 0)
    steady = middle < _STEADY * floor
    found = np.flatnonzero(top & steady & (floor > _NARROW * around))
    found = found[found >= _DEEPEST]
    if not len(found) or total <= 0:
        return 0.0, np.zeros(0)
    found = found[np.argsort(-floor[found])]
    share = 1.5 * floor[found] * len(power) / total
    size = 2 * (power.shape[1] - 1)
    hertz = found * sample_rate / size
    return float(share.sum()), hertz.astype(np.float64)


def _medians(floor: Floats) -> Floats:
    """Take the median of the 60 bins around each bin, of those that there are at the ends."""
    if len(floor) < 2 * _OUTER:
        return np.full_like(floor, quantile(floor, 0.5))
    within = quantile(sliding_window_view(floor, 2 * _OUTER), 0.5)
    low = [quantile(floor[: at + _OUTER], 0.5) for at in range(_OUTER)]
    high = [
        quantile(floor[at - _OUTER :], 0.5) for at in range(len(floor) - _OUTER + 1, len(floor))
    ]
    return np.concatenate((low, within, high))


def _power(mono: Floats, sample_rate: int, frame_s: float) -> NDArray[np.float32]:
    """Compute the power spectra of frames side by side, ``[frames, bins]``."""
    size = fast_length(2 * round(frame_s * sample_rate / 2))
    frames = mono[: len(mono) // size * size].reshape(-1, size)
    spectra = np.fft.rfft(frames * hann(size).astype(np.float32))
    return np.asarray(spectra.real**2 + spectra.imag**2, dtype=np.float32)
