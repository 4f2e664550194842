"""Writing a sheet as YAML that people like to read, with comments where they should look."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from milonga.generators.measures import DEFAULT_TIME
from milonga.songs.sheet.document import Loc, schema_of
from milonga.songs.sheet.model import DEFAULT_GENERATORS, Layer, Segment, Sheet, Whole
from milonga.songs.sheet.text import number_text

Comments = Mapping[Loc, Sequence[str]]
"""By place in the document: comments of a field are written behind it, those of an entry above it,
those of ``()`` at the top."""

_PLAIN = re.compile(r"[^\W\d_][\w '’(),.;!?/+&–—-]*")
# Without U+2028 and U+2029, which end a line in YAML, and without byte order marks.
_BLOCK = re.compile("[ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
_NOT_TEXT = re.compile(r"(?:true|false|yes|no|on|off|y|n|null)", re.IGNORECASE)


def write_yaml(sheet: Sheet, comments: Comments | None = None) -> str:
    """Write a sheet as YAML; reading it gives an equal sheet.

    What a segment or layer would inherit anyway is left out.
    """
    return "\n".join(_Writer(sheet, comments or {}).lines) + "\n"


def quoted(text: str) -> str:
    """Write a text as a YAML scalar on one line, without quotes where none are needed."""
    if _PLAIN.fullmatch(text) and not text.endswith(" ") and not _NOT_TEXT.fullmatch(text):
        return text
    return double_quoted(text)


def double_quoted(text: str) -> str:
    """Write a text as a YAML scalar in double quotes, which may stand anywhere."""
    # JSON's strings are YAML's but for characters that YAML wants escaped.
    written = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in written)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def block_lines(name: str, text: str, pad: str) -> list[str]:
    """Write a text of several lines as a field: a block where YAML lets it stand in one."""
    lines = text.split("\n")
    if all(_BLOCK.fullmatch(line) for line in lines):
        return [f"{pad}{name}: |", *(f"{pad}  {line}" if line else "" for line in lines)]
    return [f"{pad}{name}: {double_quoted(text)}"]


def own_whole(sheet: Sheet) -> Whole:
    """Return what a sheet says of takes of the whole song, without what they inherit."""
    whole = sheet.whole or Whole()
    inherited = sheet.generators or DEFAULT_GENERATORS
    return whole.model_copy(update={"generators": ()}) if whole.generators == inherited else whole


def own_options(segment: Segment | Whole, sheet: Sheet) -> dict[str, dict[str, Any]]:
    """Return the options that a segment, or the whole, doesn't have from the sheet."""
    own = {
        name: {
            key: value
            for key, value in settings.items()
            if key not in (given := sheet.options.get(name, {})) or not _same(given[key], value)
        }
        for name, settings in segment.options.items()
    }
    return {
        name: settings for name, settings in own.items() if settings or name not in sheet.options
    }


def _same(one: object, other: object) -> bool:
    # In Python 1 == 1.0 == True.
    return one == other and json.dumps(one) == json.dumps(other)


def own_layers(segment: Segment, sheet: Sheet) -> tuple[Layer, ...]:
    """Return the layers as their author would list them: without what they inherit, none where
    the segment would have the same by itself."""
    inherited = segment.generators or sheet.generators or DEFAULT_GENERATORS
    layers = tuple(
        layer.model_copy(update={"generators": ()}) if layer.generators == inherited else layer
        for layer in segment.layers
    )
    return () if layers == (Layer(role=segment.default_role),) else layers


class _Writer:
    def __init__(self, sheet: Sheet, comments: Comments) -> None:
        self._sheet, self._comments = sheet, comments
        self.lines: list[str] = []
        self._above((), "")
        self._part(sheet, "", ())
        self._above(("end",), "")

    def _part(self, part: BaseModel, pad: str, loc: Loc) -> None:
        for name, kind in schema_of(type(part)).items():
            value = getattr(part, name)
            if isinstance(part, Segment | Whole) and name == "options":
                value = own_options(part, self._sheet)
            elif isinstance(part, Segment) and name == "layers":
                value = own_layers(part, self._sheet)
            if not value or (isinstance(part, Sheet) and (name, value) == ("time", DEFAULT_TIME)):
                continue
            if name == "seconds" and getattr(part, "bars", None):
                continue  # bars say it exactly
            if isinstance(kind, tuple):
                self._entries(name, value, pad, loc)
            elif isinstance(kind, dict):
                self._mapping(name, own_whole(self._sheet), pad, loc)
            elif kind == "lyrics":
                self._lyrics(value, pad, loc)
            elif kind == "options":
                self._options(value, pad, loc)
            elif kind == "names":
                self._field(name, f"[{', '.join(map(quoted, value))}]", pad, loc)
            elif kind in ("text", "chords"):
                self._field(name, quoted(value), pad, loc)
            else:
                self._field(name, value if kind == "time" else number_text(value), pad, loc)

    def _mapping(self, name: str, part: BaseModel, pad: str, loc: Loc) -> None:
        self._field(name, "", pad, loc)
        first = len(self.lines)
        self._part(part, f"{pad}  ", (*loc, name))
        if len(self.lines) == first:
            self.lines.pop()
            self._field(name, "{}", pad, loc)

    def _entries(self, name: str, parts: Sequence[BaseModel], pad: str, loc: Loc) -> None:
        self._field(name, "", pad, loc)
        for index, part in enumerate(parts):
            place = (*loc, name, index)
            if index and name == "segments":
                self.lines.append("")
            self._above(place, f"{pad}  ")
            first = len(self.lines)
            self._part(part, f"{pad}    ", place)
            self.lines[first] = f"{pad}  - " + self.lines[first].lstrip()

    def _lyrics(self, lyrics: str, pad: str, loc: Loc) -> None:
        first, *lines = block_lines("lyrics", lyrics, pad)
        self._field("lyrics", first.partition(": ")[2], pad, loc)
        self.lines += lines

    def _options(self, options: Mapping[str, Mapping[str, Any]], pad: str, loc: Loc) -> None:
        self._field("options", "", pad, loc)
        for name, settings in options.items():
            listed = ", ".join(f"{double_quoted(k)}: {_setting(v)}" for k, v in settings.items())
            self.lines.append(f"{pad}  {quoted(name)}: {{{listed}}}")

    def _field(self, name: str, value: str, pad: str, loc: Loc) -> None:
        line = f"{pad}{name}: {value}".rstrip(" ")
        said = self._comments.get((*loc, name))
        self.lines.append(f"{line}  # {_comment('; '.join(said))}" if said else line)

    def _above(self, loc: Loc, pad: str) -> None:
        for comment in self._comments.get(loc, ()):
            self.lines.append(f"{pad}# {_comment(comment)}".rstrip() if comment else "")


def _setting(value: object) -> str:
    return "".join(
        c if c.isprintable() else _escaped(c) for c in json.dumps(value, ensure_ascii=False)
    )


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
