"""Parts of a document: blocks as CommonMark has them, and what labels make of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text, with its number from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; a line in bold alone is one below all others (level 7)."""

    line: Line
    level: int


@dataclass(frozen=True, slots=True)
class Prose:
    """A line of a paragraph; ``gap``: the line above it is empty."""

    line: Line
    gap: bool = False


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block, with what stands behind its opening mark."""

    values: tuple[Line, ...]
    info: Line


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the page."""

    line: Line


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a table, its heading first; each a line for every cell."""

    rows: tuple[tuple[Line, ...], ...]


Block = Heading | Prose | Fence | Rule | Table


@dataclass(frozen=True, slots=True)
class Labelled:
    """``**Label**: value``.

    ``field`` is the sheet's field, None for a label that means none. ``beside`` is the text behind
    the label where the value is a fenced block, ``level`` the level of a label that is a heading.
    """

    label: Line
    field: str | None
    values: tuple[Line, ...]
    fenced: bool = False
    beside: Line | None = None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """A line that has no place in a sheet, and why."""

    line: Line
    reason: str = ""


Part = Heading | Labelled | Fence | Prose | Rule | Left


def lines_of(part: Part) -> list[Line]:
    """Return what a part says, line by line; a label together with a value on its line."""
    if isinstance(part, Labelled):
        first, *rest = part.values or (Line(part.label.number, ""),)
        beside = [part.beside] if part.beside else []
        if first.number != part.label.number:
            return [part.label, first, *beside, *rest]
        return [Line(first.number, f"{part.label.text}: {first.text}".rstrip(": ")), *beside, *rest]
    if isinstance(part, Fence):
        return list(part.values)
    return [] if isinstance(part, Rule) else [part.line]
