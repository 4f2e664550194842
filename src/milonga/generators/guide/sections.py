"""The character of the parts of a song: ``sections.toml``."""

from __future__ import annotations

from typing import Literal

from pydantic import TypeAdapter

from milonga.generators.words.sections import SectionKind
from milonga.runtime.documents import read_table
from milonga.runtime.record import Record


class SectionShape(Record):
    """The character of a section.

    Attributes:
        energy: 0 to 1, how much is played and how hard.
        lufs: loudness of the finished clip.
        height: semitones that the tune is moved up.
        ends: the degree on which the harmony closes: home, on the dominant, or open (as the loop
            leaves it).
        harmony: the section whose chords it has, where not its own.
        notes: least and most notes in four seconds of an instrumental phrase, the most excluded.
    """

    energy: float
    lufs: float
    height: float
    ends: Literal["home", "dominant", "open"]
    harmony: SectionKind | None = None
    notes: tuple[int, int] = (5, 10)


SHAPES = TypeAdapter(dict[SectionKind, SectionShape]).validate_python(
    read_table(__package__, "sections.toml")
)
