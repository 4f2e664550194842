"""The parts of a song, from the words that people write over them: ``sections.toml``."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import TypeAdapter

from milonga.runtime.documents import read_table
from milonga.runtime.record import Record
from milonga.runtime.words import plain

SectionKind = Literal[
    "intro",
    "verse",
    "pre-chorus",
    "chorus",
    "bridge",
    "breakdown",
    "interlude",
    "instrumental",
    "outro",
]


class SectionShape(Record):
    """The character of a section.

    Attributes:
        words: a regular expression for its names, without accents.
        energy: 0 to 1, how much is played and how hard.
        lufs: loudness of the finished clip.
        height: semitones that the tune is moved up.
        ends: the degree on which the harmony closes: home, on the dominant, or open (as the loop
            leaves it).
        harmony: the section whose chords it has, where not its own.
        notes: least and most notes in four seconds of an instrumental phrase, the most excluded.
    """

    words: str
    energy: float
    lufs: float
    height: float
    ends: Literal["home", "dominant", "open"]
    harmony: SectionKind | None = None
    notes: tuple[int, int] = (5, 10)


SHAPES = TypeAdapter(dict[SectionKind, SectionShape]).validate_python(
    read_table(__package__, "sections.toml")
)


def section_kind(text: str) -> SectionKind:
    """The kind of a section from free text ("Final Chorus", "Estribillo 2"); else a verse."""
    words = plain(text)
    found = (kind for kind, shape in SHAPES.items() if re.search(rf"\b(?:{shape.words})", words))
    return next(found, "verse")
