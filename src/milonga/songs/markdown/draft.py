"""Drafts: a song or segment while its fields are gathered from Markdown.

Every word that is put in ends in a field, in a guess, or in ``unplaced``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from milonga.songs.markdown.marks import shown
from milonga.songs.markdown.parts import Left, Line, Part, lines_of
from milonga.songs.sheet.fields import NAME_LENGTH
from milonga.songs.sheet.text import one_line


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Text that has no field in a sheet, with its line and, where one is known, the reason."""

    line: int
    text: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Guess:
    """A value that was concluded, not read: its field and the reason."""

    field: str
    text: str
    line: int | None = None


@dataclass(slots=True)
class Draft:
    """Values gathered so far: ``joined`` holds texts that may come in parts, ``lines`` the lines
    of single values."""

    song: bool = False
    line: int = 1
    values: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    joined: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    lyrics: list[Line] = field(default_factory=list)
    chords: list[Line] = field(default_factory=list)
    generators: tuple[str, ...] = ()
    number: int | None = None
    bars: tuple[float, Line] | None = None
    instrumental: Line | None = None
    with_backing: Line | None = None
    times: int = 1
    again: bool = False
    directions: list[str] = field(default_factory=list)
    bilingual: bool = False
    labelled: bool = False
    prose: list[Line] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)
    guesses: list[Guess] = field(default_factory=list)

    def leave(self, line: Line, reason: str = "") -> None:
        """List a text as not placed."""
        if re.search(r"\w", line.text):
            self.unplaced.append(Unplaced(line.number, line.text.strip(), reason))

    def guess(self, name: str, text: str, line: int | None = None) -> None:
        self.guesses.append(Guess(name, text, line))

    def leave_part(self, part: Part, reason: str = "") -> None:
        """List a part as not placed; a labelled value together with its label."""
        for line in lines_of(part):
            self.leave(line, reason or (part.reason if isinstance(part, Left) else ""))

    def add(self, name: str, text: str) -> None:
        """Add to a text that may come in parts; what it says already is not said again."""
        text = one_line(shown(text)).strip(" ,;")
        parts = self.joined.setdefault(name, [])
        said = {piece.strip() for part in parts for piece in part.casefold().split(",")}
        said.update(part.casefold() for part in parts)
        if said and text.casefold() not in said:
            text = ", ".join(p for p in text.split(", ") if p.strip().casefold() not in said)
        if text and text.casefold() not in said:
            parts.append(text)

    def once(self, name: str, value: Line) -> None:
        """Set a single text; a second one is listed as not placed."""
        text = one_line(shown(value.text))
        if name in ("name", "section") and len(text) > NAME_LENGTH:
            self.leave(value, f"too long for a {name}")
            return
        there = self.values.setdefault(name, text)
        self.lines.setdefault(name, value.number)
        if there != text:
            self.leave(value, f"the {name} is {there!r} already")
