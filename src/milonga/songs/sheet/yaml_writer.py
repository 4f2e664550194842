"""A sheet as YAML that people like to read, with comments where somebody should look."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from milonga.songs.sheet.document import Loc
from milonga.songs.sheet.model import DEFAULT_GENERATORS, Layer, Segment, Sheet
from milonga.songs.sheet.text import number_text

Comments = Mapping[Loc, Sequence[str]]
"""By place in the document: a field's stand behind it, those of an entry above it, and those
of ``()`` at the top."""

_PLAIN = re.compile(r"[^\W\d_][\w '’(),.;!?/+&–—-]*")
# Without U+2028 and U+2029, which end a line in YAML, and without byte order marks.
_BLOCK = re.compile("[ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
_NOT_TEXT = re.compile(r"(?:true|false|yes|no|on|off|y|n|null)", re.IGNORECASE)


def write_yaml(sheet: Sheet, comments: Comments | None = None) -> str:
    """The sheet as YAML; reading it gives an equal sheet.

    What a segment or layer would inherit anyway is left out.
    """
    writer = _Writer(comments or {})
    writer.sheet(sheet)
    return "\n".join(writer.lines) + "\n"


def quoted(text: str) -> str:
    """A text as a YAML scalar on one line, without quotes where none are needed."""
    if _PLAIN.fullmatch(text) and not text.endswith(" ") and not _NOT_TEXT.fullmatch(text):
        return text
    return _double(text)


def _double(text: str) -> str:
    # JSON's strings are YAML's but for characters that YAML wants escaped.
    written = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in written)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def own_options(segment: Segment, sheet: Sheet) -> dict[str, dict[str, Any]]:
    """The options that the segment doesn't have from the sheet."""
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
    """The layers as their author would list them: without what they inherit, none where the
    segment would have the same by itself."""
    inherited = segment.generators or sheet.generators or DEFAULT_GENERATORS
    layers = tuple(
        layer.model_copy(update={"generators": ()}) if layer.generators == inherited else layer
        for layer in segment.layers
    )
    return () if layers == (Layer(role=segment.default_role),) else layers


class _Writer:
    def __init__(self, comments: Comments) -> None:
        self._comments = comments
        self.lines: list[str] = []

    def sheet(self, sheet: Sheet) -> None:
        self._above((), "")
        self._texts(sheet, ("title", "artist"), "", ())
        self._field("tempo", number_text(sheet.tempo), "", ())
        self._texts(sheet, ("key", "style", "mood", "voice", "negative", "language"), "", ())
        self._names(sheet.generators, "", ())
        self._options(sheet.options, "", ())
        self.lines.append("segments:")
        for index, segment in enumerate(sheet.segments):
            if index:
                self.lines.append("")
            self._segment(segment, sheet, ("segments", index))
        self._above(("end",), "")

    def _segment(self, segment: Segment, sheet: Sheet, loc: Loc) -> None:
        self._above(loc, "  ")
        first = len(self.lines)
        pad = "    "
        self._field("number", str(segment.number), pad, loc)
        self._texts(segment, ("name", "section"), pad, loc)
        self._field("seconds", number_text(segment.seconds), pad, loc)
        if segment.tempo is not None:
            self._field("tempo", number_text(segment.tempo), pad, loc)
        self._texts(segment, ("key", "style", "mood", "voice", "negative", "language"), pad, loc)
        self._lyrics(segment.lyrics, pad, loc)
        self._names(segment.generators, pad, loc)
        self._options(own_options(segment, sheet), pad, loc)
        layers = own_layers(segment, sheet)
        if layers:
            self._field("layers", "", pad, loc)
        for index, layer in enumerate(layers):
            self._layer(layer, (*loc, "layers", index))
        self._texts(segment, ("baseline",), pad, loc)
        self.lines[first] = "  - " + self.lines[first].lstrip()

    def _layer(self, layer: Layer, loc: Loc) -> None:
        first = len(self.lines)
        pad = "        "
        self._field("role", layer.role, pad, loc)
        self._names(layer.generators, pad, loc)
        if layer.gain_db:
            self._field("gain_db", number_text(layer.gain_db), pad, loc)
        self._texts(layer, ("style", "mood", "voice", "negative"), pad, loc)
        self._lyrics(layer.lyrics, pad, loc)
        self.lines[first] = "      - " + self.lines[first].lstrip()

    def _texts(
        self, part: Sheet | Segment | Layer, names: Sequence[str], pad: str, loc: Loc
    ) -> None:
        for name in names:
            value = getattr(part, name)
            if value:
                self._field(name, quoted(value), pad, loc)

    def _lyrics(self, lyrics: str | None, pad: str, loc: Loc) -> None:
        if not lyrics:
            return
        lines = lyrics.split("\n")
        if all(_BLOCK.fullmatch(line) for line in lines):
            self._field("lyrics", "|", pad, loc)
            self.lines += [f"{pad}  {line}" if line else "" for line in lines]
        else:
            self._field("lyrics", _double(lyrics), pad, loc)

    def _names(self, names: Sequence[str], pad: str, loc: Loc) -> None:
        if names:
            self._field("generators", f"[{', '.join(map(quoted, names))}]", pad, loc)

    def _options(self, options: Mapping[str, Mapping[str, Any]], pad: str, loc: Loc) -> None:
        if not options:
            return
        self._field("options", "", pad, loc)
        for name, settings in options.items():
            listed = ", ".join(f"{_double(k)}: {_setting(v)}" for k, v in settings.items())
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
