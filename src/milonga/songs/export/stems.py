"""Stems: a song in files that start together, last as long as it and sum to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.songs.output.mix import (
    MIX_RATE,
    MixInput,
    gains_of,
    join,
    layer,
    layers,
    levelled_song,
    starts,
)
from milonga.songs.output.mixing import PlayedTake

SPLIT_DBFS = -90.0
"""Largest difference between a take and the sum of its groups, at full scale of 24 bits and after
a limiter; a take whose groups sum to something else stays whole."""
_FULL = 0.999

Groups = Callable[[PlayedTake], Mapping[str, Clip]]
"""The instrument groups of a take as it plays, as long as its sound; none where it has no such."""


@dataclass(frozen=True, slots=True)
class SongMix:
    """A song before it is levelled.

    Attributes:
        segments: what plays, those that sound together as one list.
        gains_db: of each take in the sum.
        lengths: of each segment, in samples at the mix's rate.
        starts: where each begins.
        joined: the sum, before gain and limiter.
        gain_db: what brings the sum to the song's loudness, before its limiter.
    """

    segments: tuple[tuple[PlayedTake, ...], ...]
    gains_db: tuple[tuple[float, ...], ...]
    lengths: tuple[int, ...]
    starts: tuple[int, ...]
    joined: Clip
    gain_db: float


def song_mix(played: Sequence[Sequence[PlayedTake]]) -> SongMix:
    """Mix what plays, as ``song.wav`` is mixed, up to its limiter."""
    inputs = [[each.input for each in segment] for segment in played]
    gains = gains_of(inputs)
    parts = layers(inputs, gains)
    lengths = [part.n_samples for part in parts]
    joined = join(parts)
    return SongMix(
        tuple(tuple(segment) for segment in played),
        tuple(tuple(segment) for segment in gains),
        tuple(lengths),
        tuple(round(at * MIX_RATE) for at in starts([n / MIX_RATE for n in lengths])),
        joined,
        levelled_song(joined).gain_db,
    )


def role_stems(mix: SongMix) -> dict[str, Clip]:
    """Split a song by the roles of its layers; the stems sum to ``mix.joined``."""
    return _stems(mix, lambda take: {take.role: take.input.clip})


def instrument_stems(mix: SongMix, groups: Groups) -> dict[str, Clip]:
    """Split a song by instrument groups; takes that have none by role and generator.

    The stems sum to ``mix.joined``.
    """

    def split(take: PlayedTake) -> Mapping[str, Clip]:
        whole = {f"{take.role}-{take.take.receipt.generator}": take.input.clip}
        return groups(take) or whole

    return _stems(mix, split)


def sums_to(groups: Mapping[str, Clip], whole: Clip) -> bool:
    """Tell if groups sum to a clip within ``SPLIT_DBFS``."""
    if any(clip.samples.shape != whole.samples.shape for clip in groups.values()):
        return False
    left = whole.samples.astype(np.float64)
    for clip in groups.values():
        left = left - clip.samples
    return bool(np.abs(left).max(initial=0.0) <= 10 ** (SPLIT_DBFS / 20))


def headroom_db(stems: Mapping[str, Clip]) -> float:
    """Return the gain, at most 0 dB, with which none of some stems clips."""
    peak = max((clip.peak for clip in stems.values()), default=0.0)
    return min(0.0, float(20 * np.log10(_FULL / peak))) if peak > 0 else 0.0


def _stems(mix: SongMix, split: Callable[[PlayedTake], Mapping[str, Clip]]) -> dict[str, Clip]:
    pieces = [[split(take) for take in segment] for segment in mix.segments]
    names = dict.fromkeys(name for segment in pieces for take in segment for name in take)
    return {name: join([*_segments(mix, pieces, name)]) for name in names}


def _segments(
    mix: SongMix, pieces: Sequence[Sequence[Mapping[str, Clip]]], name: str
) -> Iterator[Clip]:
    """One stem in each segment, as long as the segment."""
    for segment, gains, length in zip(pieces, mix.gains_db, mix.lengths, strict=True):
        own = [
            (MixInput(take[name], name), gain)
            for take, gain in zip(segment, gains, strict=True)
            if name in take
        ]
        silence: NDArray[np.float32] = np.zeros((2, length), np.float32)
        if not own:
            yield Clip(silence, MIX_RATE)
            continue
        inputs, levels = zip(*own, strict=True)
        yield layer(inputs, levels).fitted(length)


def sounding(stem: Clip, edges: Sequence[int]) -> list[bool]:
    """Tell for each part between edges, in samples, if a stem sounds there."""
    return [bool(np.abs(stem.samples[:, a:b]).max(initial=0.0) > 0) for a, b in pairwise(edges)]
