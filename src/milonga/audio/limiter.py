"""A look-ahead true-peak limiter, and levelling to a loudness."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.loudness import loudness_lufs, true_peak_dbtp

_OVERSAMPLING = 4
_LOOK_AHEAD_S = 0.010
_RELEASE_S = 0.080


@dataclass(frozen=True, slots=True)
class Levelled:
    """A levelled clip and what was done to it: ``gain_db`` for all of it, then the limiter's gain,
    one for each sample (None where it had nothing to do)."""

    clip: Clip
    gain_db: float
    limiting: NDArray[np.float32] | None

    def same(self, part: Clip) -> Clip:
        """Do the same to a part of what was levelled: parts that summed to it sum to the result.

        Args:
            part: of the same rate and length.
        """
        scaled = part.scaled(_linear(self.gain_db))
        if self.limiting is None:
            return scaled
        return Clip(scaled.samples * self.limiting, part.sample_rate, layout=part.layout)


def level_to(clip: Clip, lufs: float, *, ceiling_dbtp: float = -1.0) -> Clip:
    """Bring a clip to a loudness, as ``levelled`` does; return the clip alone."""
    return levelled(clip, lufs, ceiling_dbtp=ceiling_dbtp).clip


def levelled(clip: Clip, lufs: float, *, ceiling_dbtp: float = -1.0) -> Levelled:
    """Bring a clip to a loudness, its true peaks held under a ceiling.

    Where the limiter takes loudness away, the gain before it rises, up to 18 dB more: beyond
    that a clip of mostly peaks stays quieter rather than being crushed. A clip without a
    defined loudness only gets the ceiling.

    Args:
        clip: ``[channels, time]``.
        lufs: integrated loudness wanted (BS.1770-4).
        ceiling_dbtp: highest true peak allowed, in dB relative to full scale.
    """
    loudness = loudness_lufs(clip)
    if loudness is None:
        return Levelled(*_limited(clip, ceiling_dbtp, 0.0))
    gain_db = first_db = lufs - loudness
    slope, before = 1.0, (0.0, loudness)
    for _ in range(6):
        out = Levelled(*_limited(clip.scaled(_linear(gain_db)), ceiling_dbtp, gain_db))
        reached = loudness_lufs(out.clip)
        if reached is None or abs(reached - lufs) < 0.05:
            break
        # The limiter flattens the way from gain to loudness: a secant step follows it.
        if gain_db != before[0]:
            slope = min(1.0, max(0.2, (reached - before[1]) / (gain_db - before[0])))
        before = (gain_db, reached)
        gain_db = min(gain_db + (lufs - reached) / slope, first_db + 18.0)
    return out


def limit(clip: Clip, ceiling_dbtp: float = -1.0) -> Clip:
    """Hold every true peak at or under the ceiling; a clip that keeps it already is untouched.

    The gain each sample needs is held over a look-ahead window and smoothed within it, so that
    the gain moves slowly before a peak and is low enough at it. All channels share one gain,
    so the stereo image stays.
    """
    return _limited(clip, ceiling_dbtp, 0.0)[0]


def _limited(
    clip: Clip, ceiling_dbtp: float, gain_db: float
) -> tuple[Clip, float, NDArray[np.float32] | None]:
    """The clip under the ceiling, the gain that it came with, and the limiter's for each sample."""
    peak = true_peak_dbtp(clip)
    if peak is None or peak <= ceiling_dbtp:
        return clip, gain_db, None
    # Smoothing and rounding may leave a trace above it.
    ceiling = _linear(ceiling_dbtp - 0.05)
    needed = np.minimum(1.0, ceiling / np.maximum(_peaks(clip), 1e-9))
    ahead = max(1, round(_LOOK_AHEAD_S * clip.sample_rate))
    release = max(ahead, round(_RELEASE_S * clip.sample_rate))
    gain = _smooth(_released(_held(needed, ahead), release), ahead).astype(np.float32)
    out = Clip(clip.samples * gain, clip.sample_rate, copy=False, layout=clip.layout)
    over = (true_peak_dbtp(out) or -math.inf) - ceiling_dbtp
    if over <= 0:
        return out, gain_db, gain
    # The moving gain itself makes new content between samples: a last small trim.
    trim = _linear(-over - 0.01)
    return out.scaled(trim), gain_db, gain * np.float32(trim)


def _peaks(clip: Clip) -> NDArray[np.float64]:
    """Find the largest magnitude around each sample over all channels, between samples included."""
    import soxr

    peaks: NDArray[np.float64] = np.abs(clip.samples).max(axis=0).astype(np.float64)
    for channel in clip.samples:
        dense = soxr.resample(
            channel, clip.sample_rate, clip.sample_rate * _OVERSAMPLING, quality="HQ"
        )
        dense = np.pad(dense, (0, max(0, clip.n_samples * _OVERSAMPLING - len(dense))))
        blocks = (
            np.abs(dense[: clip.n_samples * _OVERSAMPLING]).reshape(-1, _OVERSAMPLING).max(axis=1)
        )
        peaks = np.maximum(peaks, blocks)
        # A peak before a sample counts for that sample, too.
        peaks[1:] = np.maximum(peaks[1:], blocks[:-1])
    return peaks


def _held(gain: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Find the smallest gain within ``reach`` samples on either side."""
    from scipy.ndimage import minimum_filter1d

    held: NDArray[np.float64] = minimum_filter1d(gain, 2 * reach + 1, mode="nearest")
    return held


def _released(gain: NDArray[np.float64], release: int) -> NDArray[np.float64]:
    """Let the gain rise by at most a fixed number of dB per sample (20 dB in ``release``)."""
    step = 20.0 / release
    decibels: NDArray[np.float64] = 20 * np.log10(gain)
    ramp = step * np.arange(len(gain))
    # min over the past of (gain + distance * step), as a running minimum.
    raised: NDArray[np.float64] = np.minimum.accumulate(decibels - ramp) + ramp
    released: NDArray[np.float64] = 10 ** (np.minimum(raised, 0.0) / 20)
    return released


def _smooth(gain: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Average twice, together no wider than ``_held`` reaches: where a gain is needed,
    every value averaged is at most that gain."""
    padded = np.pad(gain, (reach, reach), mode="edge")
    for _ in range(2):
        sums = np.cumsum(np.insert(padded, 0, 0.0))
        padded = (sums[reach:] - sums[:-reach]) / reach
    smoothed: NDArray[np.float64] = padded[: len(gain)]
    return smoothed


def _linear(decibels: float) -> float:
    return float(10 ** (decibels / 20))
