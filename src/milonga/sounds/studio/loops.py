"""Loop points, and the pitch of a sound: what a sampler must be told."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.fades import quarter_sine

_FADE_S = 0.25
_LOW_HZ, _HIGH_HZ = 40.0, 1200.0
_CLEAR = 0.6
"""Least likeness of a sound to itself a period later that counts as a pitch."""
_WINDOW_S = 0.2


@dataclass(frozen=True, slots=True)
class Looped:
    """A sound that can be held: after sample ``end`` (the last that is played) comes ``start``."""

    clip: Clip
    start: int
    end: int


def looped(clip: Clip) -> Looped:
    """Make a loop of the second half of a sound, or more, without a seam.

    Of the places where it may begin that one is taken whose surroundings are most like the end of
    the sound. What leads to the end is faded into what leads to the beginning, so that the jump
    back continues what is heard; the fade keeps the power of what isn't alike.

    Args:
        clip: half a second or more.
    """
    total, rate = clip.n_samples, clip.sample_rate
    fade = min(round(_FADE_S * rate), total // 4)
    tail = clip.mono[total - fade :].astype(np.float64)
    first, last = fade, max(fade + 1, total // 2)
    at = first + int(np.argmax(_likeness(clip.mono[: last + fade], tail, first, last)))
    lead = clip.samples[:, at - fade : at]
    alike = _normal(clip.mono[at - fade : at].astype(np.float64), tail)
    rising, falling = quarter_sine(fade), quarter_sine(fade)[::-1]
    # Alike parts add up in amplitude, others in power: between the two the gains are scaled.
    scale = 1.0 / np.sqrt(1.0 + 2.0 * max(alike, 0.0) * rising * falling)
    samples = clip.samples.copy()
    samples[:, total - fade :] = (samples[:, total - fade :] * falling + lead * rising) * scale
    return Looped(Clip(samples, rate, layout=clip.layout), at, total - 1)


def pitch_of(clip: Clip) -> float | None:
    """Return a sound's pitch as a MIDI note with a fraction; None where it has no clear one.

    By the sound's likeness to itself a period later (McLeod and Wyvill, "A smarter way to find
    pitch", 2005), the median over its windows.
    """
    rate = clip.sample_rate
    size = min(round(_WINDOW_S * rate), clip.n_samples)
    found = []
    for start in range(0, clip.n_samples - size + 1, size):
        period = _period(clip.mono[start : start + size].astype(np.float64), rate)
        found.append(None if period is None else 69 + 12 * math.log2(rate / period / 440))
    clear = [pitch for pitch in found if pitch is not None]
    if len(clear) < max(1, len(found) / 2):
        return None
    return float(np.median(clear))


def _period(wave: NDArray[np.float64], rate: int) -> float | None:
    """The period in samples; None without a clear one."""
    wave = wave - wave.mean()
    size = len(wave)
    low, high = int(rate / _HIGH_HZ), min(int(rate / _LOW_HZ), size // 2)
    if high <= low + 2 or not np.any(wave):
        return None
    spectrum = np.fft.rfft(wave, 2 * size)
    product = np.fft.irfft(np.abs(spectrum) ** 2)[:size]
    squares = np.concatenate(([0.0], np.cumsum(wave**2)))
    lags = np.arange(high + 2)
    power = squares[size - lags] + squares[size] - squares[lags]
    alike = 2 * product[: high + 2] / np.maximum(power, 1e-12)
    inside = alike[low : high + 1]
    peaks = np.flatnonzero((inside >= alike[low - 1 : high]) & (inside > alike[low + 1 : high + 2]))
    if not len(peaks) or (most := inside[peaks].max()) < _CLEAR:
        return None
    # The first that is nearly as high: later ones are its multiples.
    at = low + int(peaks[inside[peaks] > 0.9 * most][0])
    before, here, after = alike[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float(at + (0.5 * (before - after) / bend if bend else 0.0))


def _likeness(
    wave: NDArray[np.float32], tail: NDArray[np.float64], first: int, last: int
) -> NDArray[np.float64]:
    """How much the part before each place from ``first`` to ``last`` is like a tail, -1 to 1."""
    size, wave64 = len(tail), wave.astype(np.float64)
    length = 1 << (len(wave64) + size).bit_length()
    spectrum = np.fft.rfft(wave64, length) * np.fft.rfft(tail[::-1], length)
    # The place of a part's end: the product with what ends there.
    product = np.fft.irfft(spectrum, length)[first - 1 : last]
    squares = np.concatenate(([0.0], np.cumsum(wave64**2)))
    ends = np.arange(first, last + 1)
    power = (squares[ends] - squares[ends - size]) * np.sum(tail**2)
    found: NDArray[np.float64] = product / np.sqrt(np.maximum(power, 1e-20))
    return found


def _normal(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / max(math.sqrt(float(a @ a) * float(b @ b)), 1e-12))
