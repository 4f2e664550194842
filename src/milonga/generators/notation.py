"""What a generator that writes before it plays can tell of its music: notes, bars, sung words.

All times are in seconds from the start of the take, all pitches MIDI note numbers (60 is middle C).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """One note; ``velocity`` is 1 to 127. A sung one has its ``syllable``, which ends in a space
    where the word does."""

    start_s: float
    end_s: float
    pitch: int
    velocity: int = 100
    syllable: str = ""


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """The notes of one instrument.

    Attributes:
        name: such as ``bass``.
        group: the instrument group that it belongs to: drums, bass, chords, lead, voice.
        program: General MIDI from 0; of ``drums`` the kit.
        level_db, pan: its place in the mix; ``pan`` from -1 (left) to 1.
        estimated: measured in a recording; nobody wrote it.
    """

    name: str
    group: str
    program: int
    notes: tuple[WrittenNote, ...]
    drums: bool = False
    level_db: float = 0.0
    pan: float = 0.0
    estimated: bool = False

    def moved(self, by_s: float) -> WrittenPart:
        """Return the part with all notes at another time."""
        notes = (replace(n, start_s=n.start_s + by_s, end_s=n.end_s + by_s) for n in self.notes)
        return replace(self, notes=tuple(notes))

    def with_more(self, notes: tuple[WrittenNote, ...]) -> WrittenPart:
        """Return the part with more notes at its end."""
        return replace(self, notes=(*self.notes, *notes))


@dataclass(frozen=True, slots=True)
class WrittenLine:
    """A line of lyrics as it sounds.

    Attributes:
        text: its words.
        words: each with its start and end; empty where only the line's times are known.
        source: what heard it, where its times were measured; empty where they are as written.
    """

    text: str
    start_s: float
    end_s: float
    words: tuple[tuple[str, float, float], ...] = ()
    source: str = ""

    def moved(self, by_s: float) -> WrittenLine:
        """Return the line at another time."""
        words = tuple((text, start + by_s, end + by_s) for text, start, end in self.words)
        return replace(self, start_s=self.start_s + by_s, end_s=self.end_s + by_s, words=words)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "text": self.text,
            "start_s": round(self.start_s, 4),
            "end_s": round(self.end_s, 4),
            "words": [[text, round(start, 4), round(end, 4)] for text, start, end in self.words],
            "source": self.source or None,
        }


@dataclass(frozen=True, slots=True)
class Notation:
    """The music of one take, or of one segment of it."""

    seconds: float
    parts: tuple[WrittenPart, ...]
    lines: tuple[WrittenLine, ...] = ()
