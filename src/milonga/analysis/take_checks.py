"""Take checks: defects that make a rendering unusable, whatever the taste.

Each check is one function of the samples. They were set by planting each defect in real
recordings, and by real recordings and sequenced music, which must pass.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from milonga.analysis.loops import runs, stuck_loop
from milonga.audio.clip import Clip, all_finite, check_rate
from milonga.audio.loudness import loudness_lufs
from milonga.errors import AudioError
from milonga.runtime.record import Record

_QUIETEST_LUFS = -50.0
_FRAME_S, _SILENT_DB, _SILENT_SHARE = 0.05, -60.0, 0.5
_REST_S = 0.5
_ONE_SHOT_S = 1.0
_CEILING = 1e-4
_FLAT_TOP, _FLAT_TOPS, _FLAT_SHARE, _HEAVY_SHARE = 3, 10, 0.001, 0.03
_ANY_TOPS, _ANY_SHARE = 100, 0.015
_LENGTH_S = 0.02
_OFFSET, _OFFSET_FRAME_S = 0.04, 0.1
_DEAD_DB = -60.0


class TakeDefect(Record):
    """A defect of a take.

    Attributes:
        code: ``empty``, ``not_finite``, ``silent``, ``mostly_silent``, ``clipped``,
            ``wrong_length``, ``loop``, ``dc_offset`` or ``dead_channel``.
        message: what is wrong, one sentence.
        value: the figure behind it, in the unit that the message names.
    """

    code: str
    message: str
    value: float | None = None


def check_take(
    sound: Clip | ArrayLike,
    sample_rate: int | None = None,
    *,
    expected_s: float | None = None,
    exact: bool = False,
) -> tuple[TakeDefect, ...]:
    """Find the defects of a take; a good one has none.

    - NaN or infinite samples. Nothing else is measured then.
    - Silence: under -50 LUFS (under 0.4 s, an RMS under -50 dBFS); or more than half of it in
      stretches of at least 0.5 s whose 50 ms frames are under -60 dBFS in all channels:
      shorter ones are rests. Takes under 1 s are exempt: a percussion hit is mostly its decay.
    - Clipping: flat tops of three or more samples at full scale, at least ten and 0.1 % of all
      samples, or fewer and 3 %; or a hundred of any length and 1.5 %, as bright sounds clip in
      single samples. Less passes: loud masters have it.
    - Length: more than 20 ms off, where it is exact.
    - A loop: the generator got stuck (see ``stuck_loop``).
    - DC offset: half of all 100 ms frames lie more than 0.04 off zero to the same side.
    - A dead channel: 60 dB under the loudest.

    Args:
        sound: a clip, or samples ``[channels, time]`` or ``[time]``, which may hold NaN.
        sample_rate: samples per second, for samples alone.
        expected_s: the length asked for, in seconds.
        exact: whether the generator promises that length.

    Raises:
        AudioError: samples without a rate, or of a wrong shape.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> from milonga.analysis.take_checks import check_take
        >>> t = np.arange(2 * 44100) / 44100
        >>> tone = np.sin(2 * np.pi * 440 * t)
        >>> check_take(milonga.Clip(0.5 * tone, 44100))
        ()
        >>> clipped = milonga.Clip(np.clip(3 * tone, -1, 1), 44100)
        >>> [defect.code for defect in check_take(clipped, expected_s=3, exact=True)]
        ['wrong_length', 'clipped']
    """
    clip = sound if isinstance(sound, Clip) else _clip(sound, sample_rate)
    if isinstance(clip, TakeDefect):
        return (clip,)
    if not clip.n_samples:
        return (TakeDefect(code="empty", message="It holds no sound at all (0 samples).", value=0),)
    silent = _silence(clip)
    found = [silent, _length(clip, expected_s) if exact else None]
    if silent is None or silent.code != "silent":
        found += [_clipping(clip), _offset(clip), _dead_channel(clip), _loop(clip)]
    return tuple(finding for finding in found if finding is not None)


def _clip(samples: ArrayLike, sample_rate: int | None) -> Clip | TakeDefect:
    if sample_rate is None:
        raise AudioError("Samples were given without their rate.")
    sample_rate = check_rate(sample_rate)
    array = np.atleast_2d(np.asarray(samples, dtype=np.float32))
    if not all_finite(array):
        bad = np.flatnonzero(~np.isfinite(array).all(axis=0))
        return TakeDefect(
            code="not_finite",
            message=f"{len(bad)} of {array.shape[1]} samples are NaN or infinite, "
            f"the first at {bad[0] / sample_rate:.2f} s.",
            value=float(len(bad)),
        )
    return Clip(array, sample_rate, copy=False)


def _silence(clip: Clip) -> TakeDefect | None:
    loudness = loudness_lufs(clip)
    if loudness is None:
        # Too short for gating blocks, or so quiet that every block is gated.
        level = _decibels(float(np.sqrt(_mean_square(clip.samples).max())))
        if level < _QUIETEST_LUFS:
            return TakeDefect(code="silent", message=f"It is silent ({_dbfs(level)}).", value=level)
    elif loudness < _QUIETEST_LUFS:
        message = f"It is as good as silent: {loudness:.1f} LUFS."
        return TakeDefect(code="silent", message=message, value=loudness)
    if clip.seconds < _ONE_SHOT_S:
        return None
    size = round(_FRAME_S * clip.sample_rate)
    levels = _mean_square(_framed(clip.samples, size)).max(axis=0)
    lengths = np.diff(runs(levels < 10 ** (_SILENT_DB / 10)))
    share = float(lengths[lengths >= _REST_S / _FRAME_S].sum() / len(levels))
    if share <= _SILENT_SHARE:
        return None
    message = f"{share:.0%} of it is silent (under {_SILENT_DB:.0f} dBFS)."
    return TakeDefect(code="mostly_silent", message=message, value=share)


def _length(clip: Clip, expected_s: float | None) -> TakeDefect | None:
    if expected_s is None or abs(clip.seconds - expected_s) <= _LENGTH_S + 0.5 / clip.sample_rate:
        return None
    off = clip.seconds - expected_s
    message = (
        f"It is {clip.seconds:.2f} s long instead of {expected_s:.2f} s "
        f"({abs(off):.2f} s too {'long' if off > 0 else 'short'})."
    )
    return TakeDefect(code="wrong_length", message=message, value=off)


def _clipping(clip: Clip) -> TakeDefect | None:
    if clip.peak < 1 - _CEILING:
        return None
    tops = np.concatenate([_flat_tops(channel) for channel in clip.samples])
    flat = tops[tops >= _FLAT_TOP]
    share, flat_share = (float(lengths.sum() / clip.samples.size) for lengths in (tops, flat))
    if not (
        (len(flat) >= _FLAT_TOPS and flat_share > _FLAT_SHARE)
        or flat_share > _HEAVY_SHARE
        or (len(tops) >= _ANY_TOPS and share > _ANY_SHARE)
    ):
        return None
    message = f"It clips: {share:.1%} of all samples are at full scale, in {len(tops)} places."
    return TakeDefect(code="clipped", message=message, value=share)


def _flat_tops(channel: NDArray[np.float32]) -> NDArray[np.int64]:
    """Measure the runs in which the waveform stays at full scale on one side.

    Beyond full scale a float file still holds a curve.
    """
    sides = [runs(np.abs(side - 1) <= _CEILING) for side in (channel, -channel)]
    starts, stops = np.concatenate(sides).T
    return np.asarray(stops - starts)


def _offset(clip: Clip) -> TakeDefect | None:
    size = min(clip.n_samples, round(_OFFSET_FRAME_S * clip.sample_rate))
    means = _framed(clip.samples, size).mean(axis=2, dtype=np.float64)
    # The median: a low note's own asymmetry doesn't last.
    offsets = np.median(means, axis=1)
    worst = float(offsets[np.argmax(np.abs(offsets))])
    if abs(worst) <= _OFFSET:
        return None
    message = f"It has a DC offset of {worst:+.3f} of full scale."
    return TakeDefect(code="dc_offset", message=message, value=worst)


def _dead_channel(clip: Clip) -> TakeDefect | None:
    if clip.channels < 2:
        return None
    levels = _mean_square(clip.samples)
    dead = np.flatnonzero(levels < levels.max() * 10 ** (_DEAD_DB / 10))
    if not len(dead):
        return None
    names = ("left", "right") if clip.channels == 2 else range(1, clip.channels + 1)
    which = ", ".join(str(names[index]) for index in dead)
    message = f"Channel {which} is silent while {clip.channels - len(dead)} of "
    message += f"{clip.channels} play."
    return TakeDefect(code="dead_channel", message=message, value=float(dead[0]))


def _loop(clip: Clip) -> TakeDefect | None:
    loop = stuck_loop(clip.mono, clip.sample_rate)
    if loop is None:
        return None
    message = (
        f"The same {loop.period_s:.2f} s come {loop.copies} times in a row "
        f"from {loop.start_s:.1f} s on."
    )
    return TakeDefect(code="loop", message=message, value=loop.period_s)


def _framed(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Cut into ``[channels, frames, size]``, without the rest."""
    channels, length = samples.shape
    return samples[:, : length // size * size].reshape(channels, -1, size)


def _mean_square(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    energy = np.einsum("...i,...i->...", samples, samples, dtype=np.float64)
    return np.asarray(energy / samples.shape[-1])


def _decibels(value: float) -> float:
    return 20 * math.log10(max(value, 1e-10))


def _dbfs(level: float) -> str:
    return "digital silence" if level <= -200 else f"{level:.0f} dBFS"
