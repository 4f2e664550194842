"""The mix: chosen takes layered, segments joined, the song levelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from milonga.audio import loudness_lufs, resample
from milonga.audio.clip import Clip
from milonga.audio.fades import quarter_sine
from milonga.audio.limiter import Levelled, level_to, levelled

MIX_RATE = 44_100
SONG_LUFS = -14.0
CEILING_DBTP = -1.0
CROSSFADE_S = 0.030

_REFERENCE_LUFS = -20.0
_DYNAMICS_LU = 4.0
"""Distance that a take may keep from the common level: the loudness of its section is part of the
music, the level that a model happens to produce is not."""


@dataclass(frozen=True, slots=True)
class MixInput:
    """A take in the mix.

    ``group`` names takes whose loudness may differ on purpose (one generator, one role).
    """

    clip: Clip
    group: str
    gain_db: float = 0.0


def mixdown(segments: Sequence[Sequence[MixInput]]) -> Clip:
    """Mix a song: 44.1 kHz stereo, -14 LUFS, true peak at most -1 dBTP.

    Args:
        segments: in order; each a sequence of takes that sound together. A segment lasts as
            long as its longest take. Empty ones are left out.

    Each segment starts where the one before ends, over whose mirrored end it is faded in for 30 ms
    (less where one is shorter than four times that), with equal-power gains.
    """
    parts = layers(segments, gains_of(segments))
    return levelled_song(join(parts)).clip


def gains_of(segments: Sequence[Sequence[MixInput]]) -> list[list[float]]:
    """Return the gain of each take in dB, as ``balance`` finds them over the whole song."""
    gains = iter(balance([take for segment in segments for take in segment]))
    return [[next(gains) for _ in segment] for segment in segments]


def layers(
    segments: Sequence[Sequence[MixInput]], gains_db: Sequence[Sequence[float]]
) -> list[Clip]:
    """Sum the takes of each segment; empty ones are left out."""
    return [
        layer(segment, gains) for segment, gains in zip(segments, gains_db, strict=True) if segment
    ]


def levelled_song(joined: Clip) -> Levelled:
    """Bring joined segments to the song's loudness and under its ceiling."""
    return levelled(joined, SONG_LUFS, ceiling_dbtp=CEILING_DBTP)


def mix_segment(takes: Sequence[MixInput]) -> Clip:
    """Mix one segment as it sounds in the song, at the song's loudness."""
    return level_to(layer(takes, balance(takes)), SONG_LUFS, ceiling_dbtp=CEILING_DBTP)


def balance(takes: Sequence[MixInput]) -> list[float]:
    """Return a gain in dB for each take, its own ``gain_db`` included.

    The loudness of each group's takes is centred on a common level; a take keeps its distance
    from its group's mean up to 4 LU. A take without a defined loudness gets its group's gain.
    """
    measured = [loudness_lufs(take.clip) for take in takes]
    means: dict[str, float] = {}
    for group in {take.group for take in takes}:
        known = [
            lufs
            for take, lufs in zip(takes, measured, strict=True)
            if take.group == group and lufs is not None
        ]
        means[group] = sum(known) / len(known) if known else _REFERENCE_LUFS
    gains = []
    for take, lufs in zip(takes, measured, strict=True):
        mean = means[take.group]
        distance = 0.0 if lufs is None else lufs - mean
        kept = max(-_DYNAMICS_LU, min(_DYNAMICS_LU, distance))
        gains.append(_REFERENCE_LUFS - mean - distance + kept + take.gain_db)
    return gains


def layer(takes: Sequence[MixInput], gains_db: Sequence[float]) -> Clip:
    """Sum the takes of a segment: 44.1 kHz stereo, as long as the longest."""
    clips = [resample(take.clip.with_channels(2), MIX_RATE) for take in takes]
    total = np.zeros((2, max(clip.n_samples for clip in clips)), dtype=np.float32)
    for clip, gain in zip(clips, gains_db, strict=True):
        total[:, : clip.n_samples] += clip.samples * np.float32(10 ** (gain / 20))
    return Clip(total, MIX_RATE)


def join(parts: Sequence[Clip]) -> Clip:
    """Join clips of one rate and layout, each at its own time, crossfaded with equal power.

    What fades out under the start of a part is the end of the one before, mirrored: nothing begins
    early, so bars stay on the grid.
    """
    if not parts:
        return Clip(np.zeros((2, 0), dtype=np.float32), MIX_RATE)
    fades = _fades([part.n_samples for part in parts])
    song = np.concatenate([part.samples for part in parts], axis=1)
    at = 0
    for before, after, count in zip(parts[:-1], parts[1:], fades, strict=True):
        at += before.n_samples
        if count:
            rising = quarter_sine(count)
            ending = before.samples[:, -count:][:, ::-1]
            song[:, at : at + count] = after.samples[:, :count] * rising + ending * rising[::-1]
    return Clip(song, MIX_RATE)


def starts(lengths_s: Sequence[float]) -> list[float]:
    """Return where segments of these lengths start in the song, in seconds."""
    frames = [round(length * MIX_RATE) for length in lengths_s]
    return [at / MIX_RATE for at in accumulate(frames, initial=0)][: len(frames)]


def _fades(lengths: Sequence[int]) -> list[int]:
    """Return the samples over which neighbours are crossfaded."""
    usual = round(CROSSFADE_S * MIX_RATE)
    return [min(usual, before // 4, after // 4) for before, after in pairwise(lengths)]
