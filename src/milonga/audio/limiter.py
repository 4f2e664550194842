"""A look-ahead true-peak limiter, and levelling to a loudness."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.loudness import loudness_lufs, true_peak_dbtp

_OVERSAMPLING = 4
_LOOK_AHEAD_S = 0.010
_RELEASE_S = 0.080
_CHUNK = 1 << 19
"""Samples that are worked on at once."""

Samples = NDArray[np.float64]


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
        return _at_gain(clip, 0.0, ceiling_dbtp)
    gain_db = first_db = lufs - loudness
    slope, before = 1.0, (0.0, loudness)
    out: Levelled | None = None
    for _ in range(6):
        # Not two at once: an hour of stereo has 1.3 GB.
        out = None
        out = _at_gain(clip, gain_db, ceiling_dbtp)
        reached = loudness_lufs(out.clip)
        if reached is None or abs(reached - lufs) < 0.05:
            break
        # The limiter flattens the way from gain to loudness: a secant step follows it.
        if gain_db != before[0]:
            slope = min(1.0, max(0.2, (reached - before[1]) / (gain_db - before[0])))
        before = (gain_db, reached)
        gain_db = min(gain_db + (lufs - reached) / slope, first_db + 18.0)
    assert out is not None
    return out


def limit(clip: Clip, ceiling_dbtp: float = -1.0) -> Clip:
    """Hold every true peak at or under the ceiling; a clip that keeps it already is untouched.

    The gain each sample needs is held over a look-ahead window and smoothed within it, so that
    the gain moves slowly before a peak and is low enough at it. All channels share one gain,
    so the stereo image stays.
    """
    return _at_gain(clip, 0.0, ceiling_dbtp).clip


def _at_gain(clip: Clip, gain_db: float, ceiling_dbtp: float) -> Levelled:
    """The clip with a gain, under the ceiling."""
    scaled = clip.scaled(_linear(gain_db)) if gain_db else clip
    if _over_db(scaled, ceiling_dbtp) <= 0:
        return Levelled(scaled, gain_db, None)
    # Smoothing and rounding may leave a trace above it.
    gain = _gain(scaled, _linear(ceiling_dbtp - 0.05))
    samples = np.multiply(scaled.samples, gain)
    del scaled
    out = Clip(samples, clip.sample_rate, copy=False, layout=clip.layout)
    over_db = _over_db(out, ceiling_dbtp)
    if over_db > 0:
        # The moving gain itself makes new content between samples: a last small trim.
        trim = np.float32(_linear(-over_db - 0.01))
        gain *= trim
        out = out.scaled(float(trim))
    return Levelled(out, gain_db, gain)


def _over_db(clip: Clip, ceiling_dbtp: float) -> float:
    peak = true_peak_dbtp(clip)
    return -math.inf if peak is None else peak - ceiling_dbtp


def _gain(clip: Clip, ceiling: float) -> NDArray[np.float32]:
    """The limiter's gain for each sample, for peaks up to ``ceiling``."""
    ahead = max(1, round(_LOOK_AHEAD_S * clip.sample_rate))
    release = max(ahead, round(_RELEASE_S * clip.sample_rate))
    needed = (np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9)) for peaks in _peaks(clip))
    held = _seen(needed, clip.n_samples, ahead, _smallest)
    smooth = _seen(_released(held, release), clip.n_samples, ahead, _average)
    gain = np.empty(clip.n_samples, np.float32)
    done = 0
    for part in smooth:
        gain[done : done + len(part)] = part
        done += len(part)
    return gain


def _peaks(clip: Clip) -> Iterator[Samples]:
    """Find the largest magnitude around each sample over all channels, between samples included;
    piece by piece."""
    import soxr

    rate, times = clip.sample_rate, _OVERSAMPLING
    streams = [soxr.ResampleStream(rate, rate * times, 1, quality="HQ") for _ in clip.samples]
    dense = np.zeros(0, np.float32)
    done, before = 0, np.zeros(1, np.float32)
    for at in range(0, clip.n_samples, _CHUNK):
        last = at + _CHUNK >= clip.n_samples
        new = np.zeros(0, np.float32)
        for stream, channel in zip(streams, clip.samples, strict=True):
            out = np.abs(stream.resample_chunk(channel[at : at + _CHUNK], last=last))
            new = np.maximum(new, out) if len(new) else out
        dense = np.concatenate((dense, new))
        if last:
            lacking = (clip.n_samples - done) * times - len(dense)
            dense = np.pad(dense, (0, max(0, lacking)))
        count = min(len(dense) // times, clip.n_samples - done)
        between = dense[: count * times].reshape(-1, times).max(axis=1)
        dense = dense[count * times :]
        peaks = np.abs(clip.samples[:, done : done + count]).max(axis=0)
        # A peak before a sample counts for that sample, too.
        beside = np.concatenate((before, between))
        before = beside[-1:]
        done += count
        yield np.maximum(peaks, np.maximum(beside[:-1], beside[1:])).astype(np.float64)


def _seen(
    parts: Iterable[Samples], count: int, reach: int, work: Callable[[Samples, int], Samples]
) -> Iterator[Samples]:
    """Do work that sees ``reach`` samples on either side, piece by piece: beyond the ends it sees
    the first and the last one.

    Args:
        parts: ``count`` samples together.
        work: gives a value for each sample but the first and the last ``reach``.
    """
    before, got = np.zeros(0), 0
    for part in parts:
        if not len(part):
            continue
        got += len(part)
        before = np.concatenate((before if len(before) else np.repeat(part[:1], reach), part))
        if got == count:
            before = np.pad(before, (0, reach), mode="edge")
        if len(before) > 2 * reach:
            yield work(before, reach)
            before = before[-2 * reach :]


def _smallest(gain: Samples, reach: int) -> Samples:
    """Find the smallest gain within ``reach`` samples on either side."""
    from scipy.ndimage import minimum_filter1d

    held: Samples = minimum_filter1d(gain, 2 * reach + 1, mode="nearest")
    return held[reach:-reach]


def _released(parts: Iterable[Samples], release: int) -> Iterator[Samples]:
    """Let the gain rise by at most a fixed number of dB per sample (20 dB in ``release``)."""
    step = 20.0 / release
    lowest, done = math.inf, 0
    for gain in parts:
        decibels = 20 * np.log10(gain)
        ramp = step * np.arange(done, done + len(gain))
        decibels -= ramp
        # min over the past of (gain + distance * step), as a running minimum.
        decibels[0] = min(decibels[0], lowest)
        raised = np.minimum.accumulate(decibels)
        lowest, done = raised[-1], done + len(gain)
        yield 10 ** (np.minimum(raised + ramp, 0.0) / 20)


def _average(gain: Samples, reach: int) -> Samples:
    """Average twice, together no wider than ``_smallest`` reaches: where a gain is needed,
    every value averaged is at most that gain."""
    smooth = gain
    for _ in range(2):
        sums = np.cumsum(np.insert(smooth, 0, 0.0))
        smooth = (sums[reach:] - sums[:-reach]) / reach
    return smooth[: len(gain) - 2 * reach]


def _linear(decibels: float) -> float:
    return float(10 ** (decibels / 20))
