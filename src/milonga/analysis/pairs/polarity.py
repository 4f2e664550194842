"""Whether a recording is another one upside down: no spectrum shows it, only the wave."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import fast_length
from milonga.analysis.pairs.alignment import Alignment

Floats = NDArray[np.float32]

WAVE_RATE = 2000
"""Rate of the wave that is kept for it: formats and codecs leave its phase alone."""

_LONGEST_S, _AROUND_S = 20.0, 0.1
_INVERTED, _CLEAR = 0.8, 0.05


def upside_down(before: Floats, after: Floats, path: Alignment, hop_s: float) -> bool:
    """Tell whether the wave of ``after`` is that of ``before`` with its sign changed.

    The two are correlated at each lag around the one of the alignment. A tone has two
    extremes of opposite sign half a period apart; the deeper one must be clear of the other.

    Args:
        before: ``[time]`` at ``WAVE_RATE``.
        after: ``[time]`` at ``WAVE_RATE``.
        path: matching frames of the two.
        hop_s: seconds between frames.
    """
    samples = hop_s * WAVE_RATE
    middle = len(path.first) // 2
    count = round(min(len(path.first) * samples, _LONGEST_S * WAVE_RATE))
    around = round(_AROUND_S * WAVE_RATE)
    starts = [
        round(float(frames[middle]) * samples) - count // 2 for frames in (path.first, path.second)
    ]
    first = _cut(before, starts[0], count)
    second = _cut(after, starts[1] - around, count + 2 * around)
    size = fast_length(len(second))
    spectrum = np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size))
    products = np.fft.irfft(spectrum, size)[: 2 * around + 1]
    total = np.concatenate(([0.0], np.cumsum(second.astype(np.float64) ** 2)))
    energy = total[count:] - total[:-count]
    level = np.sqrt(float(np.sum(first.astype(np.float64) ** 2)) * energy)
    alike = products / np.maximum(level, 1e-9)
    return bool(alike.min() < -_INVERTED and alike.max() < -alike.min() - _CLEAR)


def _cut(wave: Floats, start: int, count: int) -> Floats:
    part = wave[max(start, 0) : max(start + count, 0)]
    before = max(-start, 0)
    return np.pad(part, (before, max(0, count - before - len(part))))[:count]
