"""Finding where a generator got stuck: a short stretch of sound repeated exactly, many times.

Music repeats, and sequenced music repeats sample for sample. What a stuck model makes differs
in four ways, and all are asked for here: the period is shorter than a bar; the copies are
identical through every instrument and voice; they follow each other without a break for most
of the take; and the period is a passage, neither a steady tone nor a drum pattern with gaps.

Where drums ring until the next beat and nothing else plays, exact repetition can't be told from
a stuck model; it is reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.checks.runs import runs
from milonga.analysis.filters import fast_length, mel_bank
from milonga.analysis.spectra import decibels, magnitudes

_SHORTEST_S, _LONGEST_S = 0.05, 1.5
_LEAST_COPIES = 4
_LEAST_STRETCH_S, _LEAST_SHARE = 6.0, 0.6
_IDENTICAL_DB, _UNHEARD_DB, _QUIET_DB, _GAP_DB = -40.0, -45.0, -60.0, -45.0
_GAP_SHARE = 0.2
_STEADY_DB = 1.3
_FAINT_DB = -30.0
_SEARCH_RATE = 8_000
_WINDOW_S = 4.0
_BLOCK_S = 0.01


@dataclass(frozen=True, slots=True)
class Loop:
    """A passage repeated over and over.

    Attributes:
        period_s: length of the passage in seconds.
        start_s: where the repetition begins.
        length_s: how long it goes on.
    """

    period_s: float
    start_s: float
    length_s: float

    @property
    def copies(self) -> int:
        """The number of times that the passage is heard."""
        return int(self.length_s / self.period_s + 0.01)


def stuck_loop(mono: NDArray[np.float32], sample_rate: int) -> Loop | None:
    """Find the longest stretch in which the generator was stuck, or None.

    Args:
        mono: ``[time]``, finite.
        sample_rate: samples per second.

    Returns:
        A passage of 0.05 to 1.5 s, heard at least four times in a row without a difference
        above -40 dB, through 6 s or three fifths of the take.
    """
    if len(mono) < sample_rate * _SHORTEST_S * (_LEAST_COPIES + 1):
        return None
    found = []
    tried: set[int] = set()
    energy = _energy(mono)
    for lag in _candidate_lags(mono, sample_rate):
        lag = _exact_lag(mono, lag, sample_rate)
        if lag in tried:
            continue
        tried.add(lag)
        loop = _identical_stretch(mono, lag, sample_rate, energy)
        if loop is not None and _is_passage(mono, loop, sample_rate):
            found.append(loop)
    return max(found, key=lambda loop: (loop.length_s, -loop.period_s), default=None)


def _candidate_lags(mono: NDArray[np.float32], sample_rate: int) -> list[int]:
    """Find lags in samples at which windows of the signal resemble themselves."""
    step = max(1, sample_rate // _SEARCH_RATE)
    coarse = mono[: len(mono) // step * step].reshape(-1, step).mean(axis=1, dtype=np.float64)
    # Smoothed, so that a lag between two coarse samples still shows.
    coarse = np.convolve(coarse - coarse.mean(), np.ones(5) / 5, "same")
    coarse_rate = sample_rate / step
    width = min(len(coarse), int(_WINDOW_S * coarse_rate))
    low = int(_SHORTEST_S * coarse_rate)
    high = min(int(_LONGEST_S * coarse_rate) + 2, width // 2)
    lags: set[int] = set()
    for start in range(0, len(coarse) - width + 1, max(1, width // 2)):
        likeness = _likeness(coarse[start : start + width], high + 1)
        inner = likeness[low:high]
        peaks = np.flatnonzero(
            (inner > likeness[low - 1 : high - 1]) & (inner >= likeness[low + 1 : high + 1])
        )
        peaks = peaks[inner[peaks] > 0.8]
        best = peaks[np.argsort(inner[peaks])[::-1][:4]]
        # The first is the period itself; later ones are its multiples.
        lags.update((np.concatenate((peaks[:1], best)) + low).tolist())
    return [lag * step for lag in sorted(lags)]


def _likeness(window: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Correlate a window with itself at each lag, 1 for identity, ``[lags]``."""
    size = fast_length(len(window) + lags)
    spectrum = np.fft.rfft(window, size)
    raw = np.fft.irfft(spectrum.real**2 + spectrum.imag**2, size)[:lags]
    energy = np.concatenate(([0.0], np.cumsum(window**2)))
    at = np.arange(lags)
    head, tail = energy[len(window) - at], energy[-1] - energy[at]
    return np.asarray(raw / np.maximum(np.sqrt(head * tail), 1e-12))


def _exact_lag(mono: NDArray[np.float32], lag: int, sample_rate: int) -> int:
    """Find the lag near a coarse one with the smallest difference, over the likeliest second."""
    reach = 2 * max(1, sample_rate // _SEARCH_RATE)
    length = min(sample_rate, len(mono) - lag - reach)
    if length <= 0:
        return lag
    start = (len(mono) - lag - reach - length) // 2
    head = mono[start : start + length]
    around = range(max(1, lag - reach), lag + reach + 1)
    return min(around, key=lambda at: _energy(head - mono[start + at : start + at + length]))


def _energy(signal: NDArray[np.float32]) -> float:
    return float(np.einsum("i,i->", signal, signal))


def _identical_stretch(
    mono: NDArray[np.float32], lag: int, sample_rate: int, energy: float
) -> Loop | None:
    size = max(1, round(_BLOCK_S * sample_rate))
    blocks = (len(mono) - lag) // size
    if blocks < 1:
        return None
    now = mono[: blocks * size].reshape(blocks, size)
    later = mono[lag : lag + blocks * size].reshape(blocks, size)
    wanted = min(_LEAST_STRETCH_S, _LEAST_SHARE * len(mono) / sample_rate)
    # A stretch that is long enough holds one of these blocks; most lags end here.
    every = max(1, int((wanted * sample_rate - lag) / size) // 2)
    if not _same(now[::every], later[::every], 2 * energy / blocks).any():
        return None
    level = float(np.einsum("ij,ij->", now, now) + np.einsum("ij,ij->", later, later)) / blocks
    same = _same(now, later, level)
    start, stop = max(runs(same).tolist(), key=lambda run: run[1] - run[0], default=(0, 0))
    length_s = ((stop - start) * size + lag) / sample_rate
    loop = Loop(lag / sample_rate, start * size / sample_rate, length_s)
    return loop if length_s >= wanted and loop.copies >= _LEAST_COPIES else None


def _same(now: NDArray[np.float32], later: NDArray[np.float32], usual: float) -> NDArray[np.bool_]:
    """Tell which blocks are alike, as far as one hears beside the usual level."""
    apart = now - later
    difference = np.einsum("ij,ij->i", apart, apart)
    level = np.einsum("ij,ij->i", now, now) + np.einsum("ij,ij->i", later, later)
    allowed = np.maximum(level * 10 ** (_IDENTICAL_DB / 10), usual * 10 ** (_UNHEARD_DB / 10))
    return np.asarray(difference <= allowed)


def _is_passage(mono: NDArray[np.float32], loop: Loop, sample_rate: int) -> bool:
    """Tell whether a period sounds throughout and changes: no drum pattern, no steady tone."""
    start = round(loop.start_s * sample_rate)
    period = mono[start : start + round(2 * loop.period_s * sample_rate)]
    # What dies away is alike in being near nothing.
    if _energy(period) / len(period) < _energy(mono) / len(mono) * 10 ** (_FAINT_DB / 10):
        return False
    return not has_gaps(period, sample_rate) and not is_steady(period, sample_rate)


def has_gaps(period: NDArray[np.float32], sample_rate: int) -> bool:
    """Tell whether a fifth of a passage is 45 dB under its loudest 25 ms: drums have such gaps."""
    size = max(1, round(0.025 * sample_rate))
    blocks = period[: len(period) // size * size].reshape(-1, size)
    levels = decibels(np.einsum("ij,ij->i", blocks, blocks) / np.float32(size), 1e-12)
    return bool(np.mean(levels < levels.max() + _GAP_DB) > _GAP_SHARE)


def is_steady(period: NDArray[np.float32], sample_rate: int) -> bool:
    """Tell whether the spectrum of a passage hardly changes."""
    frame = 1 << int(np.log2(max(64, 0.03 * sample_rate)))
    bank = mel_bank(sample_rate, frame, 24, 50.0, sample_rate / 2)
    spectra = [bank(m * m) for m in magnitudes(period, frame, frame // 4)]
    # The outer frames see the cut.
    mel = decibels(np.concatenate(spectra)[2:-2], 1e-12)
    heard = mel.max(axis=0) > mel.max() + _QUIET_DB
    return bool(mel[:, heard].std(axis=0).mean() <= _STEADY_DB)
