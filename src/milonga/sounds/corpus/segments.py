"""Segments of a corpus's mels, as training draws them.

A few recordings differ in so many ways that their descriptors alone tell which one is meant, and a
decoder would learn that instead of sound. So every other segment is varied on the mel itself:
gain, filter, shift along the bands, speed, and mixture with another. That costs next to nothing
and never repeats, unlike the variations kept in the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.spec import MelSpec
from milonga.errors import CorpusError

Floats = NDArray[np.float32]

_NATS_PER_DB = float(np.log(10) / 20)


class MelTrack(Protocol):
    """A stretch of one recording."""

    @property
    def file(self) -> int: ...
    @property
    def augmented(self) -> bool: ...
    @property
    def mel(self) -> NDArray[Any]: ...


class MelTracks(Protocol):
    """A store of mels, as training needs it."""

    @property
    def spec(self) -> MelSpec: ...
    @property
    def mean(self) -> NDArray[Any]: ...
    @property
    def std(self) -> NDArray[Any]: ...
    def tracks(self, split: Any) -> Sequence[Any]: ...


class Segments:
    """Batches of segments, drawn at random.

    A track that is shorter than a segment is followed by another, so that a corpus of five
    recordings of 0.3 s gives full segments, too. Half of the draws are of recordings as they
    are, where there are variations. A long recording is drawn more often than a short one, by
    the root of its length.

    Args:
        tracks: at least one that has frames.
        frames: of a segment.
        seed: makes the draws repeatable.
        floor: the mel's lowest value, nats.

    Raises:
        CorpusError: no track has frames.
    """

    def __init__(
        self, tracks: Sequence[MelTrack], frames: int, seed: int, floor: float = -11.512925
    ) -> None:
        self._tracks = [track for track in tracks if track.mel.shape[1] > 0]
        if not self._tracks:
            raise CorpusError("There is no audio to train on.", step="Add recordings.")
        self._frames, self._seed, self._floor = frames, seed, np.float32(floor)
        weight = np.sqrt([float(track.mel.shape[1]) for track in self._tracks])
        varied = np.array([track.augmented for track in self._tracks])
        if varied.any() and not varied.all():
            weight[varied] *= weight[~varied].sum() / weight[varied].sum()
        self._share = np.cumsum(weight / weight.sum())

    def batch(self, step: int, size: int) -> Floats:
        """``[size, bands, frames]`` for a step; the same step gives the same batch."""
        draw = np.random.default_rng([self._seed, 1, step])
        return np.stack([self._varied(draw) for _ in range(size)])

    def _varied(self, draw: np.random.Generator) -> Floats:
        if draw.random() < 0.4:
            return self._segment(draw, self._frames)
        speed = float(2.0 ** draw.uniform(-0.5, 0.5))
        segment = self._segment(draw, int(np.ceil(self._frames * speed)))
        segment = moved(segment, self._frames, speed, float(draw.uniform(-10, 10)))
        if draw.random() < 0.35:
            other = self._segment(draw, self._frames)
            level = float(segment.max() - other.max())
            other = other + np.float32(level + draw.uniform(-20, 0) * _NATS_PER_DB)
            segment = np.logaddexp(segment, other)
        segment = segment + _response(segment.shape[0], draw)
        return np.asarray(np.maximum(segment, self._floor), np.float32)

    def _segment(self, draw: np.random.Generator, frames: int) -> Floats:
        parts: list[Floats] = []
        missing = frames
        while missing:
            index = min(int(np.searchsorted(self._share, draw.random())), len(self._tracks) - 1)
            mel = self._tracks[index].mel
            spare = mel.shape[1] - missing
            start = int(draw.integers(spare + 1)) if spare > 0 else 0
            part = np.asarray(mel[:, start : start + missing], np.float32)
            parts.append(part)
            missing -= part.shape[1]
        return np.concatenate(parts, axis=1)


def moved(mel: Floats, frames: int, speed: float, bands: float) -> Floats:
    """A mel ``[bands, T]`` read at a speed and shifted along its bands, ``[bands, frames]``."""
    rows = np.clip(np.arange(mel.shape[0]) - bands, 0, mel.shape[0] - 1)
    columns = np.clip(np.arange(frames) * speed, 0, mel.shape[1] - 1)
    mel = _between(mel, rows)
    return _between(mel.T, columns).T


def _between(table: Floats, at: NDArray[np.float64]) -> Floats:
    """Rows of a table at fractional places."""
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, len(table) - 1)
    part = (at - low)[:, np.newaxis].astype(np.float32)
    return np.asarray((1 - part) * table[low] + part * table[high], np.float32)


def _response(bands: int, draw: np.random.Generator) -> Floats:
    """Nats ``[bands, 1]`` of a gain of -9 to 6 dB and a smooth random filter."""
    place = np.linspace(0, np.pi, bands)
    depth = 4.0 * draw.standard_normal(4) / np.sqrt(np.arange(1, 5))
    decibels = draw.uniform(-9, 6) + depth @ np.cos(np.outer(np.arange(1, 5), place))
    return np.asarray(decibels * _NATS_PER_DB, np.float32)[:, np.newaxis]


def consecutive(
    tracks: Sequence[MelTrack], frames: int, at_most: int, multiple: int = 8
) -> Iterator[Floats]:
    """Stretches ``[1, bands, T]`` of up to ``frames`` in order, T a multiple of ``multiple``
    (padded with silence, where a track ends); of long corpora evenly chosen ones."""
    places = [
        (track, start)
        for track in tracks
        for start in range(0, track.mel.shape[1], frames)
        if start == 0 or track.mel.shape[1] - start >= frames // 2
    ]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(at_most, len(places))).astype(int))
    for index in chosen.tolist():
        track, start = places[index]
        yield padded(np.asarray(track.mel[None, :, start : start + frames], np.float32), multiple)


def padded(mel: Floats, multiple: int) -> Floats:
    """A mel ``[B, bands, T]`` with its last frame held until T is a multiple."""
    missing = -mel.shape[2] % multiple
    return np.pad(mel, ((0, 0), (0, 0), (0, missing)), mode="edge") if missing else mel
