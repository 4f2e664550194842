"""Forms of lyrics beside Markdown: ChordPro, and the JSON of services."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from milonga.songs.markdown.parts import Heading, Labelled, Left, Line, Part, Prose
from milonga.songs.markdown.tags import section_tag
from milonga.songs.sheet.labels import field_of

_DEPTH = 4
_DIRECTIVE = re.compile(r"\{\s*([a-z_]{1,30})(?:-\w+)?\s*(?:[:\s]\s*(.*?))?\s*\}", re.IGNORECASE)
_FIELDS = {
    "title": "title", "t": "title", "artist": "artist", "key": "key", "tempo": "tempo",
    "duration": "seconds", "time": "time",
}  # fmt: skip
_SHORT = {"sov": "verse", "soc": "chorus", "sob": "bridge", "sot": "tab", "sog": "grid"}
_SCORES = ("tab", "grid", "abc", "ly", "svg", "textblock")
_COMMENTS = ("comment", "c", "comment_italic", "ci", "comment_box", "cb", "highlight")


def read_chordpro(text: str) -> list[Part] | None:
    """Read ChordPro as the parts of a document; None for a text that has none of its directives."""
    lines = text.split("\n")
    found = [m for line in lines if (m := _DIRECTIVE.fullmatch(line.strip()))]
    known = (*_FIELDS, *_SHORT, *_COMMENTS)
    if not any(m[1].lower() in known or m[1].lower().startswith("start_of_") for m in found):
        return None
    return list(_chordpro(lines))


def _chordpro(lines: list[str]) -> Iterator[Part]:
    inside = implied = score = grid = False
    for number, text in enumerate(lines, 1):
        line = Line(number, text.strip())
        match = _DIRECTIVE.fullmatch(line.text)
        if match is None:
            if grid and "|" in line.text:
                # A dot is a beat on which the chord goes on.
                yield Prose(Line(number, re.sub(r"(?<=\s)\.(?=\s)", "/", line.text)))
            elif score or line.text.startswith("#"):
                yield Left(line, "not sung")
            elif line.text:
                if not inside:
                    yield Prose(Line(number, "[Verse]"), gap=True)
                    inside = implied = True
                yield Prose(line)
            elif implied:  # lines outside of an environment are a stanza
                inside = implied = False
            continue
        name, value = match[1].lower(), match[2] or ""
        if name == "meta":
            name, _, value = value.partition(" ")
        environment = _SHORT.get(name) or (name[9:] if name.startswith("start_of_") else "")
        if environment:
            score, inside = environment in _SCORES, environment not in _SCORES
            implied = False
            grid = environment == "grid"
            label = re.sub(r'^label\s*=\s*"?(.*?)"?$', r"\1", value)
            if not score:
                named = section_tag(f"[{label}]") is not None
                yield Prose(
                    Line(number, f"[{label}]" if named else f"[{environment}: {label}]"), gap=True
                )
        elif name.startswith(("end_of_", "eo")):
            score = inside = grid = False
        elif name == "chorus" or (name in _COMMENTS and section_tag(f"[{value}]")):
            yield Prose(Line(number, "[Chorus]" if name == "chorus" else f"[{value}]"), gap=True)
            inside, implied = name != "chorus", False
        elif name in _FIELDS and value:
            yield Labelled(Line(number, name), _FIELDS[name], (Line(number, value),))
        else:
            yield Left(Line(number, f"{name}: {value}".strip(": ")))


def read_json(text: str) -> list[Part] | None:
    """Read the JSON of a song, or of a list of songs, as the parts of a document; else None."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    songs = document if isinstance(document, list) else [document]
    if not songs or not all(isinstance(song, dict) for song in songs):
        return None
    reader = _JsonReader(text)
    parts: list[Part] = []
    for song in songs:
        if len(songs) > 1:
            parts.append(
                Heading(Line(reader.line_of("title"), str(song.pop("title", "Untitled"))), 1)
            )
        parts += reader.parts(song, _DEPTH)
    return parts


class _JsonReader:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._line = text, 0, 1

    def line_of(self, key: str) -> int:
        """Return the line of the next such key; keys are asked for in their order."""
        found = self._text.find(f"{json.dumps(key, ensure_ascii=False)}", self._at)
        if found >= 0:
            self._line += self._text.count("\n", self._at, found)
            self._at = found
        return self._line

    def parts(self, values: dict[str, Any], depth: int) -> Iterator[Part]:
        for key, value in values.items():
            label = Line(self.line_of(key), key)
            if isinstance(value, dict) and depth:
                yield from self.parts(value, depth - 1)
            elif (
                isinstance(value, list)
                and value
                and all(isinstance(v, dict) for v in value)
                and depth
            ):
                for entry in value:
                    name = next(
                        (str(entry[k]) for k in ("section", "type", "name", "title") if k in entry),
                        key,
                    )
                    yield Heading(Line(label.number, name), 2)
                    yield from self.parts(entry, depth - 1)
            elif value not in (None, "", [], {}):
                if isinstance(value, list):
                    joint = "\n" if field_of(key) == "lyrics" else ", "
                    value = joint.join(v if isinstance(v, str) else json.dumps(v) for v in value)
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                yield self._labelled(label, text, values)

    def _labelled(self, label: Line, text: str, beside: dict[str, Any]) -> Labelled:
        lines = text.split("\n")
        field = field_of(label.text)
        # A service calls the words of a song its prompt where the tags are its style.
        words = any(section_tag(line) for line in lines) or "tags" in beside
        if label.text == "prompt" and words and "lyrics" not in beside:
            field = "lyrics"
        return Labelled(label, field, tuple(Line(label.number, line) for line in lines), True)
