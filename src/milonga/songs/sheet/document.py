"""The fields that a sheet's YAML has, and what was read from one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["text", "lyrics", "integer", "number", "seconds", "tempo", "names", "options"]
Schema = dict[str, "Kind | tuple[Schema]"]
"""Field name to kind; a tuple holds the schema of the mappings in a list."""

_TEXTS: dict[str, Kind] = {
    "style": "text", "mood": "text", "voice": "text", "negative": "text",
}  # fmt: skip
LAYER: Schema = {
    "role": "text", "generators": "names", "gain_db": "number", **_TEXTS, "lyrics": "lyrics",
}  # fmt: skip
SEGMENT: Schema = {
    "number": "integer", "name": "text", "section": "text", "seconds": "seconds",
    "tempo": "tempo", "key": "text", **_TEXTS, "language": "text", "lyrics": "lyrics",
    "generators": "names", "options": "options", "layers": (LAYER,), "baseline": "text",
}  # fmt: skip
SHEET: Schema = {
    "title": "text", "artist": "text", "tempo": "tempo", "key": "text", **_TEXTS,
    "language": "text", "generators": "names", "options": "options", "segments": (SEGMENT,),
}  # fmt: skip


Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem at a place in the document."""

    loc: Loc
    message: str
    line: int | None = None
    step: str = ""


@dataclass(slots=True)
class Document:
    """What was read: plain values, the line of each, and what was wrong."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Loc, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, loc: Loc) -> int | None:
        """The line of a place, or of what holds it."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc)
