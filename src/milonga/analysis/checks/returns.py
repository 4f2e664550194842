"""Sound that comes again, each time a little early or late, or in grains too short for a passage.

A template is taken every tenth of a second and looked for in what follows: in music hardly any
comes again as it was, in a stuck rendering nearly all do. This is done on a coarse signal; what is
suspicious there is held against itself sample by sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga.analysis.checks.loops import Loop
from milonga.analysis.checks.runs import runs
from milonga.analysis.filters import fast_length

Floats = NDArray[np.float32]

_RATE = 4_000
_TEMPLATE_S, _EVERY_S = 0.06, 0.1
_SHORTEST_S, _LONGEST_S = 0.02, 1.5
_COARSELY, _EQUALLY = 0.98, 0.002
_BLOCK_S, _STRAY_S, _SAME_DB, _UNHEARD_DB = 0.025, 0.0025, -30.0, -45.0
_FAINT_DB = -30.0
_LOOP_S, _LOOP_SHARE, _LOOP_COPIES = 6.0, 0.6, 4
_PASSAGE_S = 0.1
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
    windows = sliding_window_view(padded, longest)[starts]
    size = fast_length(longest)
    templates = windows[:, :width]
    products = np.fft.irfft(
        np.fft.rfft(windows, size) * np.conj(np.fft.rfft(templates, size)), size
    )[:, : longest - width]
    squares = np.cumsum(np.pad(windows**2, ((0, 0), (1, 0))), axis=1)
    energy = squares[:, width:-1] - squares[:, : -width - 1]
    own = energy[:, :1]
    likeness = products / np.sqrt(np.maximum(energy * own, 1e-20))
    # As loud, too.
    likeness[(energy < 0.7 * own) | (energy > 1.4 * own)] = 0
    likeness[:, : round(_SHORTEST_S * rate)] = 0
    sounding = own[:, 0] > 1e-4 * own.mean()
    top = likeness.max(axis=1)
    again = (top > _COARSELY) & sounding
    near = round(_STRAY_S * rate)
    # The first of equals, which multiples of the period are, and its own top.
    first = (likeness >= top[:, np.newaxis] - _EQUALLY).argmax(axis=1)
    beside = np.minimum(first[:, np.newaxis] + np.arange(near + 1), likeness.shape[1] - 1)
    best = first + np.take_along_axis(likeness, beside, axis=1).argmax(axis=1)
    if np.count_nonzero(again) < 5:
        return []
    lags = best[again]
    votes = np.bincount(lags, minlength=longest)
    total = np.convolve(votes, np.ones(2 * near + 1), "same")
    found = []
    for _ in range(2):
        top = int(total.argmax())
        # In a stretch of a fifth of all.
        if total[top] < max(5, 0.1 * len(starts)):
            break
        found.append(float(np.median(lags[np.abs(lags - top) <= near])) / rate)
        total[max(0, top - 2 * near) : top + 2 * near + 1] = 0
    return found


def _stretch(mono: Floats, sample_rate: int, lag_s: float) -> Return | None:
    size, stray = round(_BLOCK_S * sample_rate), round(_STRAY_S * sample_rate)
    lag = round(lag_s * sample_rate)
    stray = min(stray, lag // 4)
    count = (len(mono) - lag - stray) // size
    if count < 4:
        return None
    usual = float(np.mean(np.square(mono, dtype=np.float64)))
    same = np.zeros(count, dtype=bool)
    for index in range(count):
        at = index * size
        block = mono[at : at + size]
        area = mono[at + lag - stray : at + lag + stray + size]
        windows = sliding_window_view(area, size)
        both = windows @ block
        energy = np.einsum("i,i->", block, block)
        total = np.convolve(area**2, np.ones(size, dtype=np.float32), "valid")
        apart = float((total - 2 * both).min() + energy)
        allowed = max(2 * energy * 10 ** (_SAME_DB / 10), usual * size * 10 ** (_UNHEARD_DB / 10))
        same[index] = apart <= allowed
    for start, stop in runs(~same).tolist():
        if start > 0 and stop < count and stop - start <= _BRIDGED:
            same[start:stop] = True
    start, stop = max(runs(same).tolist(), key=lambda run: run[1] - run[0], default=(0, 0))
    part = mono[start * size : stop * size]
    # What dies away is alike in being near nothing.
    if not len(part) or np.mean(part**2) < usual * 10 ** (_FAINT_DB / 10):
        return None
    return Return(lag_s, start * size / sample_rate, ((stop - start) * size + lag) / sample_rate)
