"""The tempo of a recording, finer than the grid it is measured on, and with its doubts.

The onset strength is compared with itself moved by one, two, three ... beats. The beat is where
all of these agree; the longest one that still does sets the resolution: a hundredth of a second
over sixteen beats is a fraction of a percent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import fast_length
from milonga.analysis.pairs.sketch import ONSET_S

_SLOWEST, _FASTEST = 40.0, 240.0
_USUAL = 120.0
_MULTIPLES = 4
_LEAST_BEATS = 6
_LEAST_S = 3.0
_CLEAR, _DOUBT = 0.08, 3.3
_ALTERNATIVE = 0.7
_RELATED = (0.5, 2.0, 2 / 3, 1.5, 1 / 3, 3.0)
_SHARP = 0.6
"""An agreement this much of the first one's is still the same beat."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """A tempo.

    Attributes:
        bpm: beats per minute; None where no beat stands out, as in noise.
        resolution_bpm: half a step of the finest grid that it could be read from.
        alternatives_bpm: related tempi (half, double, two thirds ...) that fit nearly as well.
        clarity: how much of the onset strength comes again each beat, from 0 to 1.
        reason: why there is none.
    """

    bpm: float | None
    resolution_bpm: float | None = None
    alternatives_bpm: tuple[float, ...] = ()
    clarity: float = 0.0
    reason: str = ""


def tempo(onsets: NDArray[np.float32]) -> Tempo:
    """Estimate the tempo from onset strength, ``[steps]``, a step each 0.01 s."""
    seconds = len(onsets) * ONSET_S
    if seconds < _LEAST_S:
        return Tempo(None, reason=f"A tempo needs {_LEAST_S:g} s; there are {seconds:.1f} s.")
    likeness = _likeness(onsets)
    if likeness is None:
        return Tempo(None, reason="There are no onsets.")
    longest = min((len(likeness) - 1) * ONSET_S, seconds / 2)
    periods = 60 / np.geomspace(_SLOWEST, _FASTEST, 1200)
    periods = periods[periods * 2 <= longest]
    if not len(periods):
        return Tempo(None, reason="It is too short for a beat.")
    strength = _agreement(likeness, periods, longest)
    weight = np.exp(-0.5 * (np.log2(60 / periods / _USUAL) / 1.0) ** 2)
    best = int(np.argmax(np.maximum(strength, 0) * weight))
    # Of chance, the likeness at a lag has about the deviation 1 / sqrt(independent steps).
    doubt = _CLEAR + _DOUBT / math.sqrt(len(onsets) / 4)
    clarity = float(strength[best])
    if clarity < doubt:
        return Tempo(None, clarity=clarity, reason="No beat stands out.")
    period, multiple = _refined(likeness, float(periods[best]), longest)
    bpm = 60 / period
    related = []
    for factor in _RELATED:
        other = 60 / (bpm * factor)
        if not 60 / _FASTEST <= other <= 60 / _SLOWEST or 2 * other > longest:
            continue
        # The period is exact, the grid of lags isn't.
        nearby = other * np.linspace(0.99, 1.01, 9)
        found = float(_agreement(likeness, nearby, longest).max())
        if found >= max(_ALTERNATIVE * clarity, doubt):
            related.append((found, bpm * factor))
    return Tempo(
        bpm=bpm,
        resolution_bpm=bpm * 0.5 * ONSET_S / (multiple * period),
        alternatives_bpm=tuple(tempo for _, tempo in sorted(related, reverse=True)),
        clarity=min(1.0, clarity),
    )


def _likeness(onsets: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """Correlate onset strength with itself at each lag; slow changes of its mean don't count."""
    wave = np.sqrt(np.maximum(onsets.astype(np.float64), 0))
    width = round(1.0 / ONSET_S)
    padded = np.pad(wave, (width // 2, width - width // 2), mode="reflect")
    total = np.concatenate(([0.0], np.cumsum(padded)))
    wave = wave - (total[width:] - total[:-width])[: len(wave)] / width
    energy = float(wave @ wave)
    if energy <= 1e-9 * len(wave):
        return None
    size = fast_length(2 * len(wave))
    spectrum = np.fft.rfft(wave, size)
    raw = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[: len(wave)]
    overlap = np.arange(len(wave), 0, -1) / len(wave)
    return np.asarray(raw / energy / np.maximum(overlap, 0.1))


def _at(likeness: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.interp(seconds / ONSET_S, np.arange(len(likeness)), likeness)


def _agreement(
    likeness: NDArray[np.float64], periods: NDArray[np.float64], longest: float
) -> NDArray[np.float64]:
    """Average the likeness at one to four periods, as far as the recording goes."""
    total, count = np.zeros(len(periods)), np.zeros(len(periods))
    for multiple in range(1, _MULTIPLES + 1):
        lags = periods * multiple
        within = lags <= longest
        total += np.where(within, _at(likeness, lags), 0.0)
        count += within
    return total / np.maximum(count, 1)


def _refined(likeness: NDArray[np.float64], period: float, longest: float) -> tuple[float, int]:
    """Follow the beat through more and more of its multiples."""
    first = float(_at(likeness, np.array([period]))[0])
    used = 1
    multiple = 1
    while multiple * period <= longest and multiple <= 64:
        reach = 0.5 * max(ONSET_S, 0.015 * period) if multiple == 1 else 1.5 * ONSET_S
        lags = multiple * period + np.linspace(-reach * 2, reach * 2, 41)
        values = _at(likeness, lags)
        peak = int(np.argmax(values))
        if 0 < peak < len(values) - 1 and values[peak] >= _SHARP * max(first, 1e-3):
            period, used = _peak(likeness, lags[peak]) / multiple, multiple
        multiple *= 2
    return period, used


def _peak(likeness: NDArray[np.float64], lag_s: float) -> float:
    """Find the top of the parabola through the three values around a lag, in seconds."""
    at = int(np.clip(round(lag_s / ONSET_S), 1, len(likeness) - 2))
    below, top, above = likeness[at - 1 : at + 2]
    curvature = below - 2 * top + above
    offset = 0.5 * (below - above) / curvature if curvature < 0 else 0.0
    return float((at + np.clip(offset, -1, 1)) * ONSET_S)
