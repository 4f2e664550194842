"""Reading back the files of ``song export``: values mean what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from milonga.songs.markdown.draft import Unplaced
from milonga.songs.markdown.marks import unescape, without_break
from milonga.songs.markdown.parts import Fence, Heading, Labelled, Line, Prose
from milonga.songs.sheet.document import Document, Fault, Loc, schema_of
from milonga.songs.sheet.labels import field_of
from milonga.songs.sheet.load import validated
from milonga.songs.sheet.model import Layer, Segment, Sheet, Whole
from milonga.songs.sheet.quantities import exact_seconds, exact_tempo, number

MARKER = "<!-- milonga song sheet -->"
"""The first line of a file that ``song export`` wrote: nothing in it has to be guessed."""
WHOLE_HEADING = "The whole song"
"""The heading of what a sheet says of takes of the whole song."""
_HEADING = re.compile(r"(#{1,6})[ \t]+(.*)")
_LABEL = re.compile(r"\s*(?:- )?\*\*([^*:]{1,60})(?:\*\*:|:\*\*)(.*)")
_SEGMENT = re.compile(r"Segment (\d{1,9}) - (.*)")
_LAYER = re.compile(r"Layer (\S+)")


def is_exact(text: str) -> bool:
    """Tell if ``song export`` wrote the document."""
    return text.lstrip().startswith(MARKER)


def read_exact(text: str, source: Path | None) -> tuple[Sheet, list[Unplaced]]:
    """Return the sheet, and lines that somebody added and that have no field.

    Raises:
        SheetError: a value was changed to one that a sheet can't hold.
    """
    reader = _Reader()
    for part in _parts(text.split("\n")):
        if isinstance(part, Heading):
            reader.heading(part)
        elif isinstance(part, Labelled):
            reader.labelled(part)
        else:
            for line in part.values if isinstance(part, Fence) else (part.line,):
                reader.leave(line)
    return validated(reader.document, source), reader.unplaced


def _parts(lines: Sequence[str]) -> Iterator[Heading | Labelled | Fence | Prose]:
    at = 0
    label: Line | None = None  # one whose value is the block below it
    while at < len(lines):
        line = Line(at + 1, lines[at])
        at += 1
        fence = re.match(r"(`{3,})[^`]*$", line.text)
        heading, labelled = _HEADING.match(line.text), _LABEL.match(line.text)
        if not line.text.strip() or line.text.strip() == MARKER:
            continue
        if fence:
            end = at
            while end < len(lines) and lines[end].rstrip() != fence[1]:
                end += 1
            values = tuple(Line(n + 1, lines[n]) for n in range(at, end))
            at = end + 1
            if label is None:
                yield Fence(values, line)
            else:
                yield Labelled(label, field_of(label.text), values, fenced=True)
            label = None
            continue
        if label is not None:
            yield Labelled(label, field_of(label.text), ())
            label = None
        if heading:
            yield Heading(Line(line.number, heading[2].strip()), len(heading[1]))
        elif labelled and labelled[2].strip():
            name, value = labelled[1].strip(), without_break(labelled[2]).strip()
            yield Labelled(Line(at, name), field_of(name), (Line(at, value),))
        elif labelled:
            label = Line(at, labelled[1].strip())
        else:
            yield Prose(line)
    if label is not None:
        yield Labelled(label, field_of(label.text), ())


class _Reader:
    def __init__(self) -> None:
        self.document = Document({"segments": []}, {(): 1, ("segments",): 1})
        self.unplaced: list[Unplaced] = []
        self._target: dict[str, Any] = self.document.values
        self._loc: Loc = ()

    def leave(self, line: Line) -> None:
        if re.search(r"\w", line.text):
            self.unplaced.append(Unplaced(line.number, line.text.strip()))

    def heading(self, part: Heading) -> None:
        text, line = part.line.text, part.line.number
        segments = self.document.values["segments"]
        segment = _SEGMENT.fullmatch(text) if part.level == 2 else None
        layer = _LAYER.fullmatch(text) if part.level == 3 and segments else None
        if part.level == 1 and "title" not in self.document.values:
            self.document.values["title"] = unescape(text)
            self.document.lines["title",] = line
        elif part.level == 2 and text == WHOLE_HEADING and "whole" not in self.document.values:
            self._loc, self._target = ("whole",), {}
            self.document.values["whole"] = self._target
            self.document.lines[self._loc] = line
        elif segment:
            self._loc = ("segments", len(segments))
            self._target = {"number": int(segment[1]), "section": unescape(segment[2])}
            segments.append(self._target)
            self.document.lines[self._loc] = line
        elif layer:
            layers = segments[-1].setdefault("layers", [])
            self._loc = ("segments", len(segments) - 1, "layers", len(layers))
            self._target = {"role": layer[1]}
            layers.append(self._target)
            self.document.lines[self._loc] = line
        else:
            self.leave(part.line)

    def labelled(self, part: Labelled) -> None:
        name = part.field
        if name == "title" and self._loc:
            name = "name"
        kind = schema_of({0: Sheet, 1: Whole, 2: Segment, 4: Layer}[len(self._loc)]).get(name or "")
        if name is None or kind is None or name in self._target or not part.values:
            first = part.values[0].text if part.values and not part.fenced else ""
            self.leave(Line(part.label.number, f"{part.label.text}: {first}".rstrip(": ")))
            for value in part.values if part.fenced else part.values[1:]:
                self.leave(value)
            return
        loc = (*self._loc, name)
        self.document.lines[loc] = part.label.number
        value = self._value(name, kind, part, loc)
        if value is not None:
            self._target[name] = value

    def _value(self, name: str, kind: object, part: Labelled, loc: Loc) -> Any:
        text = "\n".join(value.text for value in part.values)
        if kind == "lyrics":
            return text
        if kind == "options":
            try:
                return json.loads(text)
            except (ValueError, RecursionError) as error:
                return self._fault(loc, f"This is not JSON: {error}.", part)
        if name == "baseline" and re.fullmatch(r"`[^`]+`", text):
            return text[1:-1]
        text = unescape(text)
        if kind == "names":
            return [part.strip() for part in text.split(",") if part.strip()]
        convert = {"seconds": exact_seconds, "tempo": exact_tempo, "number": number}.get(str(kind))
        if convert is None:
            return text
        read = convert(text.removesuffix("dB") if kind == "number" else text)
        if read is None:
            return self._fault(loc, f"{text!r} is no number here.", part)
        return read

    def _fault(self, loc: Loc, message: str, part: Labelled) -> None:
        self.document.faults.append(Fault(loc, message, part.label.number))
