"""The tuning of a recording against A440 (Ellis's estimate from interpolated spectral peaks)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import N_CHROMA, N_FFT, bin_frequencies

_LOW_HZ, _HIGH_HZ = 150.0, 4000.0
_RELATIVE_THRESHOLD = 0.1
_EDGES = np.linspace(-0.5, 0.5, 101)


class TuningEstimate:
    """An estimate from spectral peaks block by block.

    As librosa's ``estimate_tuning`` on a power spectrogram: peaks between 150 Hz and 4 kHz
    above a tenth of their frame's maximum, refined by a parabola (Smith, Spectral Audio Signal
    Processing: "Quadratic interpolation of spectral peaks"); those at least as strong as the
    median vote for their distance from the nearest semitone, in hundredths.
    Keeps five bytes a peak.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        hertz = bin_frequencies(sample_rate)
        within = np.flatnonzero((hertz >= _LOW_HZ) & (hertz < min(_HIGH_HZ, sample_rate / 2)))
        self._first, self._last = int(within[0]), int(within[-1])
        self._strengths: list[NDArray[np.float32]] = []
        self._votes: list[NDArray[np.uint8]] = []

    def add(self, power: NDArray[np.float32]) -> None:
        """Add the power spectra ``[frames, bins]`` of a block."""
        threshold = np.float32(_RELATIVE_THRESHOLD) * power.max(axis=1, keepdims=True)
        region = power[:, self._first - 1 : self._last + 2]
        loud = np.where(region > threshold, region, np.float32(0))
        middle = loud[:, 1:-1]
        frames, bins = np.nonzero((middle > loud[:, :-2]) & (middle >= loud[:, 2:]))
        if not len(frames):
            return
        peak = region[frames, bins + 1]
        below, above = region[frames, bins], region[frames, bins + 2]
        curvature = (above + below).astype(np.float64) - 2.0 * peak
        slope = (above - below).astype(np.float64) / 2
        fits = np.abs(slope) < np.abs(curvature)
        shift = np.zeros_like(slope)
        np.divide(-slope, curvature, out=shift, where=fits)
        offset = shift.astype(np.float32)
        hertz = ((bins + self._first + offset) * (self._sample_rate / N_FFT)).astype(np.float32)
        gradient = (above - below) / np.float32(2)
        self._strengths.append(peak + np.float32(0.5) * gradient * offset)
        semitones = np.mod(N_CHROMA * np.log2(hertz / np.float32(27.5)), np.float32(1))
        semitones[semitones >= 0.5] -= 1
        self._votes.append((np.searchsorted(_EDGES, semitones, "right") - 1).astype(np.uint8))

    def semitones(self) -> float:
        """Return the deviation from A440 in semitones, from -0.5 up to 0.5; 0 without any peak."""
        if not self._strengths:
            return 0.0
        strengths = np.concatenate(self._strengths)
        votes = np.concatenate(self._votes)[strengths >= _median(strengths)]
        return float(_EDGES[np.argmax(np.bincount(votes, minlength=len(_EDGES) - 1))])


def _median(values: NDArray[np.float32]) -> np.float32:
    # np.median would import numpy.ma, a tenth of the time of a short comparison.
    half = len(values) // 2
    if len(values) % 2:
        return np.float32(np.partition(values, half)[half])
    middle = np.partition(values, (half - 1, half))[half - 1 : half + 1]
    return np.float32(middle.mean())
