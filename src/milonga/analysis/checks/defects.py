"""Defects that make a rendering unusable, whatever the taste.

Each check is one function of the samples. They were set by planting each defect in real
recordings, and by real recordings and sequenced music, which must pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from milonga.analysis.checks.glitches import click_count, longest_still
from milonga.analysis.checks.levels import dbfs, framed, level_db, mean_square
from milonga.analysis.checks.loops import has_gaps, is_steady, stuck_loop
from milonga.analysis.checks.returns import Heard, Return
from milonga.analysis.checks.runs import runs
from milonga.analysis.spectra import quantile
from milonga.audio.clip import Clip, all_finite, check_rate
from milonga.audio.loudness import loudness_lufs
from milonga.errors import AudioError

_QUIETEST_LUFS = -50.0
_FRAME_S, _SILENT_DB, _SILENT_SHARE = 0.05, -60.0, 0.5
_LONG_S, _LONG_SILENT_SHARE = 8.0, 0.4
"""A sound of a few seconds may be followed by its own silence; a take of this length isn't."""
_HIT_S, _HIT_FALL_DB = 3.0, 20.0
_REST_S = 0.5
_ONE_SHOT_S = 1.0
_CEILING = 1e-4
_FLAT_TOP, _FLAT_TOPS, _FLAT_SHARE, _HEAVY_SHARE = 3, 10, 0.001, 0.03
_ANY_TOPS, _ANY_SHARE = 100, 0.015
_LENGTH_S = 0.02
_OFFSET, _OFFSET_FRAME_S = 0.04, 0.1
_DEAD_DB = -60.0
_DYING_S, _DYING_SHARE = 1.0, 0.2
_ANTIPHASE = -0.9
_QUIETEST_CLIPPED, _SQUARE_SHARE = 0.02, 0.3
_CLICKS, _CLICKS_PER_S = 20, 1.5
_DROPOUTS = 3
_STILL_S, _STILL_SHARE, _STILL_FROM_S = 2.5, 0.2, 0.3


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect: its code, a sentence, and the figure behind it in the unit that this names."""

    code: str
    message: str
    value: float | None = None


def defects(
    sound: Clip | ArrayLike,
    sample_rate: int | None = None,
    *,
    expected_s: float | None = None,
    exact: bool = False,
    loudness: float | None = None,
    heard: Heard | None = None,
) -> tuple[Defect, ...]:
    """Find defects; ``check_take`` says which. What is known of the clip isn't measured again: its
    loudness in LUFS, and what other checks look at, too."""
    clip = sound if isinstance(sound, Clip) else _clip(sound, sample_rate)
    if isinstance(clip, Defect):
        return (clip,)
    if not clip.n_samples:
        return (Defect(code="empty", message="It holds no sound at all (0 samples).", value=0),)
    silent = _silence(clip, loudness)
    found = [silent, _length(clip, expected_s) if exact else None]
    if silent is None or silent.code != "silent":
        heard = heard or Heard(clip)
        loop = _loop(heard)
        found += [_clipping(clip), _offset(clip), _dead_channel(clip), loop]
        found += [_channel_that_dies(clip), _antiphase(clip), _clicks(heard), _dropouts(heard)]
        if loop is None:
            found.append(_frozen(heard))
    return tuple(finding for finding in found if finding is not None)


def _clip(samples: ArrayLike, sample_rate: int | None) -> Clip | Defect:
    if sample_rate is None:
        raise AudioError("Samples were given without their rate.")
    sample_rate = check_rate(sample_rate)
    array = np.atleast_2d(np.asarray(samples, dtype=np.float32))
    if not all_finite(array):
        bad = np.flatnonzero(~np.isfinite(array).all(axis=0))
        return Defect(
            code="not_finite",
            message=f"{len(bad)} of {array.shape[1]} samples are NaN or infinite, "
            f"the first at {bad[0] / sample_rate:.2f} s.",
            value=float(len(bad)),
        )
    return Clip(array, sample_rate, copy=False)


def _silence(clip: Clip, known: float | None) -> Defect | None:
    loudness = loudness_lufs(clip) if known is None else known
    if loudness is None:
        # Too short for gating blocks, or so quiet that every block is gated.
        level = level_db(float(np.sqrt(mean_square(clip.samples).max())))
        if level < _QUIETEST_LUFS:
            return Defect(code="silent", message=f"It is silent ({dbfs(level)}).", value=level)
    elif loudness < _QUIETEST_LUFS:
        message = f"It is as good as silent: {loudness:.1f} LUFS."
        return Defect(code="silent", message=message, value=loudness)
    if clip.seconds < _ONE_SHOT_S:
        return None
    size = round(_FRAME_S * clip.sample_rate)
    levels = mean_square(framed(clip.samples, size)).max(axis=0)
    silent = runs(levels < 10 ** (_SILENT_DB / 10))
    silent = silent[np.diff(silent)[:, 0] >= _REST_S / _FRAME_S]
    share = float(np.diff(silent).sum() / len(levels))
    limit = _LONG_SILENT_SHARE if clip.seconds >= _LONG_S else _SILENT_SHARE
    if share <= limit or (clip.seconds < _HIT_S and _is_hit(levels, int(silent[-1, 0]))):
        return None
    message = f"{share:.0%} of it is silent (under {_SILENT_DB:.0f} dBFS)."
    return Defect(code="mostly_silent", message=message, value=share)


def _is_hit(levels: NDArray[np.float64], silent_from: int) -> bool:
    """Tell whether a short sound died away by itself before its last silence."""
    before = levels[max(0, silent_from - 2) : silent_from]
    return bool(before.max(initial=0.0) < levels.max() * 10 ** (-_HIT_FALL_DB / 10))


def _length(clip: Clip, expected_s: float | None) -> Defect | None:
    if expected_s is None or abs(clip.seconds - expected_s) <= _LENGTH_S + 0.5 / clip.sample_rate:
        return None
    off = clip.seconds - expected_s
    message = (
        f"It is {clip.seconds:.2f} s long instead of {expected_s:.2f} s "
        f"({abs(off):.2f} s too {'long' if off > 0 else 'short'})."
    )
    return Defect(code="wrong_length", message=message, value=off)


def _clipping(clip: Clip) -> Defect | None:
    if clip.peak < 1 - _CEILING:
        return _clipped_before(clip)
    tops = np.concatenate([_flat_tops(channel, 1.0) for channel in clip.samples])
    share = float(tops.sum() / clip.samples.size)
    if not _clips(tops, clip):
        return None
    message = f"It clips: {share:.1%} of all samples are at full scale, in {len(tops)} places."
    return Defect(code="clipped", message=message, value=share)


def _clips(tops: NDArray[np.int64], clip: Clip) -> bool:
    """Tell whether flat tops of these lengths are more than a loud master has."""
    flat = tops[tops >= _FLAT_TOP]
    share, flat_share = (float(lengths.sum() / clip.samples.size) for lengths in (tops, flat))
    return (
        (len(flat) >= _FLAT_TOPS and flat_share > _FLAT_SHARE)
        or flat_share > _HEAVY_SHARE
        or (len(tops) >= _ANY_TOPS and share > _ANY_SHARE)
    )


def _clipped_before(clip: Clip) -> Defect | None:
    """Find clipping that was turned down afterwards: flat tops at the sound's own peak."""
    if clip.peak < _QUIETEST_CLIPPED:
        return None
    tops = np.concatenate([_flat_tops(channel, clip.peak) for channel in clip.samples])
    share = float(tops.sum() / clip.samples.size)
    # A square wave is meant to be one.
    if share > _SQUARE_SHARE or not _clips(tops, clip):
        return None
    message = f"It was clipped and turned down: {share:.1%} of all samples are at its peak, "
    message += f"{dbfs(level_db(clip.peak))}, in {len(tops)} places."
    return Defect(code="clipped", message=message, value=share)


def _flat_tops(channel: NDArray[np.float32], peak: float) -> NDArray[np.int64]:
    """Measure the runs in which the waveform stays at a peak on one side.

    Beyond full scale a float file still holds a curve.
    """
    # Few samples come near: only these are looked at closely.
    near = np.flatnonzero(np.abs(channel) >= np.float32(peak * (1 - 2 * _CEILING)))
    found = []
    for side in (1.0, -1.0):
        at = near[np.abs(side * channel[near] / peak - 1) <= _CEILING]
        edges = np.flatnonzero(np.diff(at) != 1) + 1
        found.append(np.diff(np.concatenate(([0], edges, [len(at)])) if len(at) else [0]))
    return np.concatenate(found).astype(np.int64)


def _offset(clip: Clip) -> Defect | None:
    size = min(clip.n_samples, round(_OFFSET_FRAME_S * clip.sample_rate))
    means = framed(clip.samples, size).mean(axis=2, dtype=np.float64)
    # The median: a low note's own asymmetry doesn't last.
    offsets = quantile(means, 0.5)
    worst = float(offsets[np.argmax(np.abs(offsets))])
    # A slow wave may lie to one side more often, but not farther.
    whole = clip.samples[np.argmax(np.abs(offsets))].mean(dtype=np.float64)
    if abs(worst) <= _OFFSET or abs(whole) <= _OFFSET / 2:
        return None
    message = f"It has a DC offset of {worst:+.3f} of full scale."
    return Defect(code="dc_offset", message=message, value=worst)


def _dead_channel(clip: Clip) -> Defect | None:
    if clip.channels < 2:
        return None
    levels = mean_square(clip.samples)
    dead = np.flatnonzero(levels < levels.max() * 10 ** (_DEAD_DB / 10))
    if not len(dead):
        return None
    names = ("left", "right") if clip.channels == 2 else range(1, clip.channels + 1)
    which = ", ".join(str(names[index]) for index in dead)
    message = f"Channel {which} is silent while {clip.channels - len(dead)} of "
    message += f"{clip.channels} play."
    return Defect(code="dead_channel", message=message, value=float(dead[0]))


def _channel_that_dies(clip: Clip) -> Defect | None:
    if clip.channels != 2:
        return None
    size = round(_FRAME_S * clip.sample_rate)
    if clip.n_samples < 2 * size:
        return None
    levels = mean_square(framed(clip.samples, size))
    usual = levels.mean(axis=1, keepdims=True)
    silent = levels < usual * 10 ** (_DEAD_DB / 10)
    for channel, name in enumerate(("left", "right")):
        # The other one plays on where its last sounding frame comes much later.
        playing = [np.flatnonzero(~silent[one]) for one in (channel, 1 - channel)]
        if not len(playing[0]) or not len(playing[1]):
            continue
        left_s = (playing[1][-1] - playing[0][-1]) * _FRAME_S
        if left_s > max(_DYING_S, _DYING_SHARE * clip.seconds):
            at = (playing[0][-1] + 1) * _FRAME_S
            message = f"The {name} channel ends at {at:.1f} s; the other one plays on."
            return Defect(code="dead_channel", message=message, value=float(channel))
    return None


def _antiphase(clip: Clip) -> Defect | None:
    if clip.channels != 2:
        return None
    level = math.sqrt(float(np.prod(mean_square(clip.samples))))
    shared = np.einsum("i,i->", *clip.samples, dtype=np.float64) / clip.n_samples
    correlation = float(shared) / level if level > 0 else 0.0
    if correlation > _ANTIPHASE:
        return None
    message = f"Its channels are in antiphase (correlation {correlation:.2f}): in mono it vanishes."
    return Defect(code="antiphase", message=message, value=correlation)


def _clicks(heard: Heard) -> Defect | None:
    count = click_count(heard.mono)
    if count < max(_CLICKS, _CLICKS_PER_S * heard.clip.seconds):
        return None
    return Defect(code="clicks", message=f"It has {count} clicks.", value=float(count))


def _dropouts(heard: Heard) -> Defect | None:
    count = len(heard.gaps)
    if count < _DROPOUTS:
        return None
    message = f"The sound drops out {count} times."
    return Defect(code="dropouts", message=message, value=float(count))


def _frozen(heard: Heard) -> Defect | None:
    seconds, again = heard.clip.seconds, heard.again
    if seconds < _STILL_S:
        return None
    start, length = longest_still(heard.mono, heard.clip.sample_rate)
    if again is not None and again.length_s > length and not _breaks(heard, again):
        start, length = again.start_s, again.length_s
    # A tone that is steady from the first moment is meant to be.
    if start < _STILL_FROM_S or length < max(_STILL_S, _STILL_SHARE * seconds):
        return None
    message = f"From {start:.1f} s on, {length:.1f} s of it don't change at all."
    return Defect(code="frozen", message=message, value=start)


def _loop(heard: Heard) -> Defect | None:
    found: tuple[float, int, float] | None = None
    loop, again = stuck_loop(heard.mono, heard.clip.sample_rate), heard.again
    if loop is not None:
        found = loop.period_s, loop.copies, loop.start_s
    elif again is not None and _is_loop(heard, again):
        found = again.period_s, again.copies, again.start_s
    if found is None:
        return None
    period, copies, start = found
    message = f"The same {period:.2f} s come {copies} times in a row from {start:.1f} s on."
    return Defect(code="loop", message=message, value=period)


def _is_loop(heard: Heard, again: Return) -> bool:
    rate = heard.clip.sample_rate
    return (
        again.fills(heard.clip.seconds)
        and not _breaks(heard, again)
        and not is_steady(again.two_periods(heard.mono, rate), rate)
    )


def _breaks(heard: Heard, again: Return) -> bool:
    rate = heard.clip.sample_rate
    return has_gaps(again.two_periods(heard.mono, rate), rate)
