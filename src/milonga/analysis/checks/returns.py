"""Sound that comes again, each time a little early or late, or in grains too short for a passage.

A template is taken every tenth of a second and looked for in what follows: in music hardly any
comes again as it was, in a stuck rendering nearly all do. This is done on a coarse signal; what is
suspicious there is held against itself sample by sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga.analysis.checks.glitches import gap_lengths
from milonga.analysis.checks.loops import Loop
from milonga.analysis.checks.runs import runs
from milonga.analysis.filters import fast_length
from milonga.analysis.spectra import quantile
from milonga.audio.clip import Clip

Floats = NDArray[np.float32]

_RATE = 4_000
_TEMPLATE_S, _EVERY_S = 0.06, 0.1
_SHORTEST_S, _LONGEST_S = 0.02, 1.5
_COARSELY, _EQUALLY = 0.98, 0.002
_BLOCK_S, _STRAY_S, _SAME_DB, _UNHEARD_DB = 0.025, 0.0025, -30.0, -45.0
_FAINT_DB = -30.0
_LOOP_S, _LOOP_SHARE, _LOOP_COPIES = 6.0, 0.6, 4
_PASSAGE_S = 0.1
_TOGETHER = 32
"""Windows worked on at a time: they stay in the processor's cache."""
_PROBED = 10
"""Every such block is looked at first: a quarter of a second apart, and stretches of a second
count."""
_BRIDGED = 3
"""Blocks that a seam may spoil."""


@dataclass(frozen=True, slots=True)
class Return(Loop):
    """A stretch that is made of one piece of sound, over and over; its copies may lie a little
    early or late, so the period is the usual time from one to the next."""

    def fills(self, seconds: float) -> bool:
        """Tell whether it is heard four times, for 6 s or three fifths of the recording."""
        least = min(_LOOP_S, _LOOP_SHARE * seconds)
        return self.copies >= _LOOP_COPIES and self.length_s >= least

    def two_periods(self, mono: Floats, sample_rate: int) -> Floats:
        """Return the first two copies."""
        start = round(self.start_s * sample_rate)
        return mono[start : start + round(2 * self.period_s * sample_rate)]


class Heard:
    """A clip with what several checks look at, each computed once."""

    def __init__(self, clip: Clip) -> None:
        self.clip = clip

    @cached_property
    def mono(self) -> Floats:
        """The mono mix."""
        return self.clip.mono

    @cached_property
    def again(self) -> Return | None:
        """What ``longest_return`` finds."""
        return longest_return(self.mono, self.clip.sample_rate)

    @cached_property
    def gaps(self) -> NDArray[np.int64]:
        """What ``gap_lengths`` finds."""
        return gap_lengths(self.clip.samples, self.clip.sample_rate)


def longest_return(mono: Floats, sample_rate: int) -> Return | None:
    """Find the longest stretch that repeats what came 0.02 to 1.5 s before it.

    Copies may come up to 2.5 ms early or late, and differ by -30 dB.
    """
    found = []
    for lag_s in _usual_lags(mono, sample_rate):
        one = _stretch(mono, sample_rate, lag_s)
        if one is not None:
            found.append(one)
    # A decaying note comes again with its own period, too; the passage is the longer one.
    return max(
        found,
        key=lambda one: (round(one.length_s), one.period_s >= _PASSAGE_S, -one.period_s),
        default=None,
    )


def _usual_lags(mono: Floats, sample_rate: int) -> list[float]:
    """Find after how long templates come again, where many agree."""
    step = max(1, round(sample_rate / _RATE))
    coarse = mono[: len(mono) // step * step].reshape(-1, step).mean(axis=1, dtype=np.float64)
    rate = sample_rate / step
    width, longest = round(_TEMPLATE_S * rate), round((_LONGEST_S + _TEMPLATE_S) * rate)
    every = round(_EVERY_S * rate)
    starts = np.arange(0, len(coarse) - width - round(4 * _SHORTEST_S * rate), every)
    if len(starts) < 5:
        return []
    padded = np.pad(coarse, (0, longest))
    squares = np.cumsum(np.concatenate(([0.0], padded**2)))
    windows = sliding_window_view(padded, longest)
    energies = sliding_window_view(squares[width:] - squares[:-width], longest - width)
    least, near = round(_SHORTEST_S * rate), round(_STRAY_S * rate)
    parts = [
        _best_lags(windows[some], energies[some], least, near)
        for some in np.split(starts, range(_TOGETHER, len(starts), _TOGETHER))
    ]
    own = energies[starts, 0]
    best, top = (np.concatenate(part) for part in zip(*parts, strict=True))
    again = (top > _COARSELY) & (own > 1e-4 * own.mean())
    if np.count_nonzero(again) < 5:
        return []
    lags = best[again]
    votes = np.bincount(lags, minlength=longest)
    total = np.convolve(votes, np.ones(2 * near + 1), "same")
    found = []
    for _ in range(2):
        most = int(total.argmax())
        # In a stretch of a fifth of all.
        if total[most] < max(5, 0.1 * len(starts)):
            break
        found.append(float(quantile(lags[np.abs(lags - most) <= near].astype(float), 0.5)) / rate)
        total[max(0, most - 2 * near) : most + 2 * near + 1] = 0
    return found


def _best_lags(
    windows: NDArray[np.float64], energies: NDArray[np.float64], least: int, near: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find where the beginning of each window comes again within it, and how alike that is.

    Args:
        windows: ``[windows, time]``.
        energies: of what is as long as the beginning, at each lag, ``[windows, lags]``.
        least: the shortest lag.
        near: a later top so near is the same one.
    """
    count = energies.shape[1]
    size = fast_length(windows.shape[1])
    spectra = np.fft.rfft(windows, size)
    spectra *= np.conj(np.fft.rfft(windows[:, : windows.shape[1] - count], size))
    likeness = np.fft.irfft(spectra, size)[:, :count]
    own = energies[:, :1]
    likeness /= np.sqrt(np.maximum(energies * own, 1e-20))
    # As loud, too.
    likeness[(energies < 0.7 * own) | (energies > 1.4 * own)] = 0
    likeness[:, :least] = 0
    top = likeness.max(axis=1)
    # The first of equals, which multiples of the period are, and its own top.
    first = (likeness >= top[:, np.newaxis] - _EQUALLY).argmax(axis=1)
    beside = np.minimum(first[:, np.newaxis] + np.arange(near + 1), count - 1)
    return first + np.take_along_axis(likeness, beside, axis=1).argmax(axis=1), top


def _stretch(mono: Floats, sample_rate: int, lag_s: float) -> Return | None:
    size, stray = round(_BLOCK_S * sample_rate), round(_STRAY_S * sample_rate)
    lag = round(lag_s * sample_rate)
    stray = min(stray, lag // 4)
    count = (len(mono) - lag - stray) // size
    if count < 4:
        return None
    usual = float(np.einsum("i,i->", mono, mono, dtype=np.float64)) / len(mono)
    unheard = usual * size * 10 ** (_UNHEARD_DB / 10)

    def comes_again(index: int) -> bool:
        at = index * size
        block = mono[at : at + size]
        area = mono[at + lag - stray : at + lag + stray + size]
        both = np.correlate(area, block, "valid")
        energy = float(np.einsum("i,i->", block, block))
        squares = np.cumsum(np.square(area, dtype=np.float64))
        total = squares[size - 1 :].copy()
        total[1:] -= squares[:-size]
        apart = float((total - 2 * both).min()) + energy
        return apart <= max(2 * energy * 10 ** (_SAME_DB / 10), unheard)

    # Few blocks tell whether a stretch can be there at all.
    if not any(map(comes_again, range(0, count, _PROBED))):
        return None
    same = np.fromiter(map(comes_again, range(count)), bool, count)
    for start, stop in runs(~same).tolist():
        if start > 0 and stop < count and stop - start <= _BRIDGED:
            same[start:stop] = True
    start, stop = max(runs(same).tolist(), key=lambda run: run[1] - run[0], default=(0, 0))
    part = mono[start * size : stop * size]
    # What dies away is alike in being near nothing.
    if not len(part) or np.mean(part**2) < usual * 10 ** (_FAINT_DB / 10):
        return None
    return Return(lag_s, start * size / sample_rate, ((stop - start) * size + lag) / sample_rate)
