"""Downbeats near a place in a recording whose tempo is about known, and how sure they are.

Rises of the spectrum are folded at the period of a beat: where music keeps a beat, they pile up at
one phase (Grosche, Müller, "Extracting predominant local pulse information from music recordings",
IEEE TASLP 19, 2011). Which beat begins a bar shows in the bass and in changes of harmony (Goto, "An
audio-based real-time beat tracking system", JNMR 30, 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import chroma_bank, mel_bank, product
from milonga.analysis.spectra import decibels, magnitudes
from milonga.audio.clip import Clip

_FRAME_S = 0.05
"""Frames are the power of two below; the next one begins after a quarter of it."""
_RANGE_DB = 60.0
"""Levels further under the loudest are noise; their rises don't count."""
_LEAST_RISE_DB = 0.05
"""Mean rise of a frame, from which on anything begins at all; a held tone stays under it."""
_BASS_HZ, _BASS_SHARE = 120.0, 0.5
"""The bass counts half as much as all bands: it tells beats from the hi-hats between them."""
_STRONGEST = 0.97
_STRAY, _STEP = 0.04, 0.002
"""How far the tempo may be off, and the steps in which it is tried: 0.2 % of 8 s are 16 ms."""
_BARS_AROUND = 4
_PHASES = 48
_CLEAR_BEAT, _CLEAR_BAR, _FEWEST_BARS = 0.45, 0.6, 4
_Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NearDownbeat:
    """The downbeat nearest to a place, as far as it can be told.

    Attributes:
        time_s: of the downbeat; of the nearest beat, where no beat of the bars stands out; the
            place itself, where there is no clear beat.
        at: which of the three it is.
        beat: how far what begins keeps to the beat, from 0 to 1: one less the mean rise in terms
            of that on the beats. Noise gives under 0.4, music with a beat 0.6 and more.
        bar: the share of the bars around in which the beat taken for the downbeat is the
            strongest; chance is one in the number of beats. None without a clear beat.
    """

    time_s: float
    at: Literal["downbeat", "beat", "place"]
    beat: float
    bar: float | None = None


class Onsets:
    """What beats are found by: rises of the spectrum and of the bass, and the pitch classes.

    Set by the guide's songs in ten styles, moved against the bars that were asked for: where it
    says downbeat or beat, that is right within 20 ms.
    """

    def __init__(self, clip: Clip) -> None:
        rate = clip.sample_rate
        # At any rate as fine in time: many frames to a beat, or noise keeps one by chance.
        n_fft = 1 << max(6, int(_FRAME_S * rate).bit_length() - 1)
        hop = n_fft // 4
        self._frame_s, self._seconds = hop / rate, clip.seconds
        mel, chroma = mel_bank(rate, n_fft), chroma_bank(rate, n_fft=n_fft)
        low = slice(1, 2 + round(_BASS_HZ * n_fft / rate))
        levels, bass, classes = [], [], []
        for magnitude in magnitudes(clip.mono, n_fft, hop):
            power = magnitude * magnitude
            levels.append(decibels(mel(power)))
            bass.append(np.sqrt(power[:, low].sum(axis=1)))
            classes.append(product(power, chroma))
        level = np.concatenate(levels)
        level = np.maximum(level, level.max() - np.float32(_RANGE_DB))
        self._rise = _rises(level).mean(axis=1)
        self._bass = _rises(np.concatenate(bass))
        self._chroma = np.concatenate(classes).astype(np.float64)

    def near(self, place_s: float, tempo: float, beats: int) -> NearDownbeat:
        """Find the downbeat nearest to a place, from the four bars before and after it.

        Args:
            place_s: seconds from the start.
            tempo: in beats per minute; the recording's may be up to 4 % off.
            beats: in a bar.
        """
        usual = 60 / tempo
        span = _BARS_AROUND * beats
        first = max(0, int((place_s - span * usual) / self._frame_s))
        window = slice(first, int((place_s + span * usual) / self._frame_s) + 1)
        rise = self._rise[window]
        if not len(rise) or rise.mean() < _LEAST_RISE_DB:
            return NearDownbeat(place_s, "place", 0.0)
        strength = _evened(rise) + _BASS_SHARE * _evened(self._bass[window])
        times = np.arange(first, first + len(rise), dtype=np.float64) * self._frame_s - place_s
        period, phase, clear = _fold(times, strength, usual)
        if clear < _CLEAR_BEAT:
            return NearDownbeat(place_s, "place", clear)
        count = np.arange(-span, span + 1)
        grid: _Curve = place_s + phase + period * count.astype(np.float64)
        inside = (grid > -0.5 * period) & (grid < self._seconds)
        grid, count = grid[inside], count[inside]
        downbeat, share = self._downbeat(grid, count % beats, period, beats)
        clear_bar = share is not None and share >= _CLEAR_BAR
        among = grid[count % beats == downbeat] if clear_bar else grid
        time_s = max(0.0, float(among[np.argmin(np.abs(among - place_s))]))
        return NearDownbeat(time_s, "downbeat" if clear_bar else "beat", clear, share)

    def _downbeat(
        self, grid: _Curve, counted: NDArray[np.int64], period: float, beats: int
    ) -> tuple[int, float | None]:
        """Return which count of a bar is its downbeat, and the share of bars that agree."""
        bars = len(grid) // beats
        if bars < _FEWEST_BARS:
            return 0, None
        strength = _standard(self._bass_at(grid)) + _standard(self._changes(grid, period))
        strength = strength[: bars * beats].reshape(bars, beats)
        best = int(np.argmax(strength.mean(axis=0)))
        share = float(np.mean(np.argmax(strength, axis=1) == best))
        return int(counted[best]), share

    def _bass_at(self, grid: _Curve) -> _Curve:
        near = np.round(grid / self._frame_s).astype(int)[:, None] + np.arange(-3, 4)
        return np.asarray(self._bass[np.clip(near, 0, len(self._bass) - 1)].max(axis=1))

    def _changes(self, grid: _Curve, period: float) -> _Curve:
        """How much the pitch classes of the beat after each place differ from those before."""
        before = [self._harmony(at - period, at) for at in grid]
        after = [self._harmony(at, at + period) for at in grid]
        return np.array([1 - a @ b for a, b in zip(before, after, strict=True)])

    def _harmony(self, start_s: float, end_s: float) -> _Curve:
        first = min(max(0, int(start_s / self._frame_s)), len(self._chroma) - 1)
        last = max(first + 1, int(end_s / self._frame_s))
        classes = np.sqrt(self._chroma[first:last].mean(axis=0))
        return np.asarray(classes / max(float(np.linalg.norm(classes)), 1e-12))


def _rises(levels: NDArray[np.float32]) -> _Curve:
    return np.maximum(np.diff(levels, axis=0, prepend=levels[:1]), 0).astype(np.float64)


def _evened(curve: _Curve) -> _Curve:
    """Scale to a mean of 1, the strongest events no stronger than others: one alone is no beat."""
    curve = np.minimum(curve, np.quantile(curve, _STRONGEST))
    return curve / max(float(curve.mean()), 1e-12)


def _standard(values: _Curve) -> _Curve:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))


def _fold(times: _Curve, strength: _Curve, usual: float) -> tuple[float, float, float]:
    """Find the period near the usual one, and the phase, at which most begins.

    Returns:
        Period and phase (the first at or after time 0, or just before it) in seconds, and how
        clear they are.
    """
    top, period, phase = -np.inf, usual, 0.0
    for tried in usual / np.arange(1 - _STRAY, 1 + _STRAY + _STEP / 2, _STEP):
        bins = (times / tried % 1.0 * _PHASES).astype(int) % _PHASES
        counts = np.bincount(bins, minlength=_PHASES)
        folded = np.bincount(bins, strength, minlength=_PHASES) / np.maximum(counts, 1)
        smooth = (np.roll(folded, 1) + folded + np.roll(folded, -1)) / 3
        best = int(np.argmax(smooth))
        if smooth[best] > top:
            before, here, after = (folded[(best + step) % _PHASES] for step in (-1, 0, 1))
            middle = best + 0.5 + (after - before) / max(before + here + after, 1e-12)
            top, period, phase = float(smooth[best]), float(tried), middle / _PHASES * tried
    clear = 1 - float(strength.mean()) / top if top > 0 else 0.0
    return period, float(phase - period if phase > period / 2 else phase), clear
