"""The score of a scratch track: bars with chords, notes in parts, and the melody.

All times are in seconds from the start of the segment, all pitches MIDI note numbers
(60 is middle C, 69 is A at 440 Hz).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord by its root's pitch class (0 is C) and its intervals in semitones.

    ``bass`` is the pitch class below it, where not the root; one that is ``given`` by the sheet is
    played as it stands there. A ``silent`` one is ``N.C.``: only the tune and the drums go on.
    """

    root: int
    intervals: tuple[int, ...]
    name: str
    bass: int | None = None
    given: bool = False
    silent: bool = False

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def low(self) -> int:
        """The pitch class of its lowest note."""
        return self.root if self.bass is None else self.bass


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, or the part of one that has a chord of its own; ``index`` counts them.

    The last may be shorter or somewhat longer. ``hold`` marks a closing bar and a pickup, where
    the band strikes its chord and lets it ring.
    """

    index: int
    start_s: float
    end_s: float
    chord: Chord
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """One played note; ``velocity`` is 1 to 127."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int


@dataclass(frozen=True, slots=True)
class ScorePart:
    """The notes of one instrument, and its place in the mix.

    ``program`` is General MIDI from 0; ``drums`` selects the drum kit of that number instead.
    ``level_db`` is the loudness of the part against the others, ``pan`` runs from -1 (left) to 1,
    ``reverb`` from 0 to 1. ``synth`` names a sound that we make ourselves in place of a program,
    ``duck`` is how far the kick pushes the part down, from 0 to 1.
    """

    name: str
    program: int
    notes: tuple[Note, ...]
    drums: bool = False
    level_db: float = 0.0
    pan: float = 0.0
    reverb: float = 0.3
    synth: str = ""
    duck: float = 0.0
    instrument: str = ""
    """Its name, as in ``instruments.toml``."""


@dataclass(frozen=True, slots=True)
class MelodyNote:
    """One syllable's note (or one note of an instrumental phrase).

    ``syllable_index`` counts within the line, over all of its words. ``sustained`` notes are
    those that a listener hears as a held pitch: ends of phrases and long ones.
    """

    start_s: float
    end_s: float
    pitch: int
    syllable_index: int
    sustained: bool


@dataclass(frozen=True, slots=True)
class MelodyLine:
    """One phrase of the tune.

    Attributes:
        line_index: which of ``request.sung`` it sets; for instrumental phrases, which phrase.
        text: the words sung here, without round brackets; empty for an instrumental phrase.
        start_s, end_s: first onset, and end of the last note.
        bar: the bar it starts in. A line starts exactly on its bar, save where it is an
            answer or begins with one, or where the words only fit with two lines to a bar.
        notes: one a syllable, in order, without overlaps.
        answer: the words stood in round brackets: a second, quieter voice.
        words: the syllables of each word, as the notes were counted from.
    """

    line_index: int
    text: str
    start_s: float
    end_s: float
    bar: int
    notes: tuple[MelodyNote, ...]
    answer: bool = False
    words: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """A segment, written out."""

    tempo: float
    key: str
    seconds: float
    bars: tuple[Bar, ...]
    melody: tuple[MelodyLine, ...]
    parts: Mapping[str, ScorePart] = field(default_factory=dict)


def within(pitch: int, low: int, high: int) -> int:
    """Move a pitch by octaves into a range of an octave or more."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch


def dice(seed: int, *tags: str) -> np.random.Generator:
    """Randomness that depends on the seed and a purpose, and on nothing else.

    Each decision draws from its own, so that adding one does not change the others.
    """
    return np.random.default_rng([seed, *(zlib.crc32(tag.encode()) for tag in tags)])
