"""A new range in a recording: level matched to what is around it, crossfaded inside of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.fades import quarter_sine
from milonga.audio.limiter import limit
from milonga.audio.resampling import resample
from milonga.errors import AudioError

FADE_S = 0.030
_FRAME_S, _NEAR_S = 0.1, 10.0
_HEARD_DB, _SILENT = 40.0, 1e-4
"""Frames further under the loudest, or of a lower RMS, say nothing about the level."""


@dataclass(frozen=True, slots=True)
class Pasted:
    """A recording with a new range.

    Attributes:
        clip: the recording.
        gain_db: what brought the new sound to the level of its surroundings; None where they
            are silent or there are none, so that it stayed as it came.
        limited: peaks of the new sound were held at full scale.
    """

    clip: Clip
    gain_db: float | None
    limited: bool


def paste(
    source: Clip,
    made: Clip,
    start: int,
    end: int,
    *,
    offset: int = 0,
    n_samples: int | None = None,
    full_scale: bool = True,
) -> Pasted:
    """Put a range of another clip into a recording; every sample outside it stays as it is.

    The gain is estimated where both have the recording's sound, from at most 10 s on either side
    of the range: the median of the level differences of 100 ms frames, silent ones left out. At
    both ends 30 ms inside the range are crossfaded (less where the range is shorter than 60 ms).
    The gains keep the power for what the two sounds have in common: those of equal power,
    divided by ``sqrt(1 + 2 r sin cos)`` where r is their correlation. Where the range goes on
    after the recording's end, its last 30 ms backwards are what is faded out.

    Args:
        source: ``[channels, time]``.
        made: what the range is taken from, on the time of the result; of any rate, level and
            number of channels. Where it ends before the range does, silence follows.
        start: first new sample of the result, at the rate of ``source``.
        end: one after the last.
        offset: where the source begins in the result.
        n_samples: of the result; by default up to the end of the source.
        full_scale: hold the range under full scale by a limiter, for formats that end there.

    Returns:
        A clip of the rate and channels of ``source``, ``[channels, n_samples]``.

    Raises:
        AudioError: an empty range, one outside the result, a result that neither the range nor
            the source fills, or channels that can't be converted.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> from milonga.audio.pasting import paste
        >>> rng = np.random.default_rng(0)
        >>> source = milonga.Clip(0.1 * rng.standard_normal((2, 44100)), 44100)
        >>> pasted = paste(source, source.scaled(0.5), 10000, 20000)
        >>> round(pasted.gain_db, 2), pasted.clip[:10000] == source[:10000]
        (6.02, True)
    """
    total = offset + source.n_samples if n_samples is None else n_samples
    _check(source, start, end, offset, total)
    fitting = resample(made.with_channels(source.channels), source.sample_rate).fitted(total)
    gain_db = _gain_db(source, fitting, start, end, offset)
    new = fitting[start:end].scaled(10 ** ((gain_db or 0.0) / 20))
    limited = full_scale and new.peak > 1.0
    if limited:
        new = limit(new, 0.0)
    result = np.zeros((source.channels, total), dtype=np.float32)
    result[:, offset : offset + source.n_samples] = source.samples[:, : max(0, total - offset)]
    result[:, start:end] = _crossfaded(source, new.samples, start, end, offset, total)
    if full_scale:
        # Where loud sounds fade into each other.
        np.clip(result[:, start:end], -1.0, 1.0, out=result[:, start:end])
    clip = Clip(result, source.sample_rate, copy=False, layout=source.layout)
    return Pasted(clip, gain_db, limited)


def _check(source: Clip, start: int, end: int, offset: int, total: int) -> None:
    if not 0 <= start < end <= total:
        raise AudioError(f"No range of {total} samples goes from {start} to {end}.")
    before = start == 0 and end >= offset
    after = end == total and start <= offset + source.n_samples
    if (offset > 0 and not before) or (total > offset + source.n_samples and not after):
        raise AudioError("Outside the range there is neither the recording nor anything new.")


def _gain_db(source: Clip, made: Clip, start: int, end: int, offset: int) -> float | None:
    """Estimate the gain from ``made`` to ``source`` around the range."""
    rate = source.sample_rate
    near, frame = round(_NEAR_S * rate), max(1, round(_FRAME_S * rate))
    levels = []
    for first, last in (
        (max(offset, start - near), start),
        (end, min(offset + source.n_samples, end + near, made.n_samples)),
    ):
        count = max(0, last - first) // frame
        if count:
            span = slice(first - offset, first - offset + count * frame)
            before = _rms(source.samples[:, span], count)
            after = _rms(made.samples[:, first : first + count * frame], count)
            levels.append((before, after))
    if not levels:
        return None
    before, after = (np.concatenate(each) for each in zip(*levels, strict=True))
    floor = 10 ** (-_HEARD_DB / 20)
    heard = (before > max(_SILENT, floor * before.max())) & (
        after > max(_SILENT, floor * after.max())
    )
    if not heard.any():
        return None
    return float(np.median(20 * np.log10(before[heard] / after[heard])))


def _rms(samples: NDArray[np.float32], frames: int) -> NDArray[np.float64]:
    """The RMS over all channels of each of so many frames, ``[frames]``."""
    blocks = samples.reshape(len(samples), frames, -1).astype(np.float64)
    return np.asarray(np.sqrt(np.mean(blocks**2, axis=(0, 2))))


def _crossfaded(
    source: Clip, new: NDArray[np.float32], start: int, end: int, offset: int, total: int
) -> NDArray[np.float32]:
    """The range, faded into what is before and after it."""
    mixed = new.copy()
    fade = min(round(FADE_S * source.sample_rate), (end - start) // 2)
    if not fade or not source.n_samples:
        return mixed
    if start:
        old = _around(source, np.arange(start, start + fade) - offset)
        mixed[:, :fade] = _faded(old, new[:, :fade])
    if end < total:
        old = _around(source, np.arange(end - fade, end) - offset)[:, ::-1]
        mixed[:, -fade:] = _faded(old, new[:, -fade:][:, ::-1])[:, ::-1]
    return mixed


def _around(source: Clip, places: NDArray[np.int_]) -> NDArray[np.float32]:
    """Samples of the source; before its start and after its end as in a mirror."""
    last = source.n_samples - 1
    mirrored = np.where(places > last, 2 * last + 1 - places, np.where(places < 0, ~places, places))
    return source.samples[:, np.clip(mirrored, 0, last)]


def _faded(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fade from one to the other, at a constant power for their correlation."""
    rising = quarter_sine(old.shape[1])
    falling = rising[::-1]
    power = math.sqrt(float(np.sum(old**2, dtype=float)) * float(np.sum(new**2, dtype=float)))
    alike = max(0.0, float(np.sum(old * new, dtype=float)) / power) if power else 0.0
    common = np.sqrt(1 + np.float32(2 * alike) * rising * falling)
    mixed: NDArray[np.float32] = old * (falling / common) + new * (rising / common)
    return mixed
