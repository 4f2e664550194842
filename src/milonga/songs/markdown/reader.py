"""Parts of a Markdown document: headings, labelled values, fences, and the rest, with lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from milonga.songs.markdown.marks import unescape, without_break
from milonga.songs.sheet.labels import field_of

MARKER = "<!-- milonga song sheet -->"
"""The first line of a file that ``song export`` wrote: nothing in it has to be guessed."""


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
class Labelled:
    """``**Label**: value``.

    ``field`` is the sheet's field, None for a label that means none. ``beside`` is the text behind
    the label where the value is a fenced block.
    """

    label: Line
    field: str | None
    values: tuple[Line, ...]
    fenced: bool = False
    beside: Line | None = None


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block without a label."""

    values: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Prose:
    """Any other line."""

    line: Line


Part = Heading | Labelled | Fence | Prose

_FENCE = re.compile(r"^(?P<pad>\s*)(?P<mark>`{3,}(?=[^`]*$)|~{3,})\s*(?P<info>.*)$")
_HEADING = re.compile(r"^ {0,3}(?P<marks>#{1,6})(?:[ \t]+(?P<text>.*?))?$")
_RULE = re.compile(r"^\s*(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,}|={3,}|(?=[^|]*\|)[|:\-\s]+)$")
_BULLET = r"(?:[-*+•]\s+(?:\[[ xX]\]\s+)?|\d{1,3}[.)]\s+)?"
_BOLD = re.compile(
    rf"^\s*{_BULLET}(?P<b>\*\*|__|\*|_)(?P<label>[^*\n:：]{{1,60}}?)"
    r"(?:\s*[:：]\s*(?P=b)|(?P=b)\s*[:：])(?P<value>.*)$"
)
_BOLD_ALONE = re.compile(r"^\s*(?:\*\*|__)([^*_]+)(?:\*\*|__)\s*$")
_SLANTED = re.compile(r"^\s*([*_])(?![*_\s])([^*_]+)\1\s*$")
_NEXT_LABEL = re.compile(r"\s*[|•·;,]?\s(?=\*\*[^*\n:：]{1,60}(?:[:：]\s*\*\*|\*\*\s*[:：]))|$")
_PLAIN = re.compile(rf"^\s*{_BULLET}(?P<label>[^\W\d_][\w /()-]{{0,40}}?)\s*[:：](?P<value>.*)$")
_ROW = re.compile(r"^\s*\|\s*\**(?P<label>[^|*]{1,60}?)[:：]?\**\s*\|(?P<value>[^|]*)\|?\s*$")
_SEGMENT = re.compile(r"^(?:segment|segmento)\s+#?\d+\b", re.IGNORECASE)
_INFO = ("", "text", "txt", "plaintext", "lyrics", "letra", "markdown", "md", "json", "yaml")
_ONE_VALUE = frozenset(
    ("title", "name", "artist", "tempo", "key", "seconds", "section", "language", "baseline",
     "generators", "number", "gain_db", "role")
)  # fmt: skip
_BY_HEADING = frozenset(
    ("title", "artist", "style", "negative", "mood", "voice", "tempo", "key", "seconds", "lyrics")
)


def is_exact(text: str) -> bool:
    """Tell if ``song export`` wrote the document."""
    return text.lstrip().startswith(MARKER)


def read_parts(text: str) -> tuple[list[Part], list[tuple[Line, str]]]:
    """Divide a document into parts; return also the lines that were fixed, each with how.

    Rules, table rules, fence marks and empty lines are no parts.
    """
    reader = _Reader(text)
    return list(reader.parts()), reader.mended


class _Reader:
    def __init__(self, text: str) -> None:
        self._exact = is_exact(text)
        self._lines = [Line(n, line) for n, line in enumerate(text.split("\n"), 1)]
        if not self._exact:
            self._lines = [part for line in self._lines for part in _divided(line)]
        self._at = 0
        self._unclosed: set[str] = set()
        self.mended: list[tuple[Line, str]] = []

    def parts(self) -> Iterator[Part]:
        while (line := self._peek()) is not None:
            if not line.text.strip() or line.text.strip() == MARKER or _RULE.match(line.text):
                self._at += 1
            elif _FENCE.match(line.text):
                yield from self._loose_fence()
            else:
                yield self._part(line)

    def _peek(self) -> Line | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _part(self, line: Line) -> Part:
        heading = self._heading(line)
        if heading is not None:
            self._at += 2 if self._underlined(line.text) else 1
            return self._heading_label(heading) or heading
        label = self._label(line.text)
        self._at += 1
        if label is None:
            return Prose(line)
        name, value = label
        return self._labelled(Line(line.number, name), value)

    def _heading(self, line: Line) -> Heading | None:
        text = line.text
        match = _HEADING.match(text)
        if match:
            inner = match["text"] or ""
            return Heading(
                Line(line.number, inner.strip() if self._exact else _opened(inner)),
                len(match["marks"]),
            )
        if self._exact:
            return None
        if self._underlined(text):
            level = 1 if self._lines[self._at + 1].text.strip().startswith("=") else 2
            return Heading(Line(line.number, text.strip()), level)
        bold = _BOLD_ALONE.match(text)
        if bold and field_of(bold[1]) not in _BY_HEADING:
            return Heading(Line(line.number, bold[1].strip()), 7)
        if _SEGMENT.match(text.strip()):
            return Heading(Line(line.number, text.strip()), 7)
        return None

    def _underlined(self, text: str) -> bool:
        """Tell if the next line makes this one a heading."""
        if self._exact or self._at + 1 >= len(self._lines) or not re.match(r"^ {0,3}\w", text):
            return False
        if self._at and self._lines[self._at - 1].text.strip():
            return False  # a rule below a paragraph, meant as one
        below = self._lines[self._at + 1].text
        return bool(re.match(r"^ {0,3}(?:=+|-{2,})\s*$", below)) and self._label(text) is None

    def _heading_label(self, heading: Heading) -> Labelled | None:
        """Read a heading that is a label: "### Lyrics", "# Title: My song"."""
        if self._exact:
            return None
        text = heading.line.text
        match = _PLAIN.match(text) or _BOLD.match(text)
        if match and field_of(match["label"]) in ("title", "artist", "style", "tempo", "key"):
            return self._labelled(Line(heading.line.number, match["label"]), match["value"])
        text = text.strip("*_ ").rstrip(":")
        if field_of(text) not in _BY_HEADING:
            return None
        labelled = self._labelled(Line(heading.line.number, text), "")
        return labelled if labelled.values else None

    def _label(self, text: str) -> tuple[str, str] | None:
        match = _BOLD.match(text)
        if match:
            return match["label"].strip(), match["value"]
        if self._exact:
            return None
        slanted = _SLANTED.match(text)
        text = slanted[2] if slanted else text
        match = _BOLD_ALONE.match(text)
        if match and field_of(match[1]) in _BY_HEADING:
            return match[1], ""
        for pattern in (_PLAIN, _ROW):
            match = pattern.match(text)
            if match and field_of(match["label"]) is not None:
                return match["label"].strip(), match["value"]
        return None

    def _labelled(self, label: Line, value: str) -> Labelled:
        field = field_of(unescape(label.text))
        inline = Line(label.number, without_break(value).strip())
        following = self._following(inline, field)
        if not inline.text:
            return Labelled(label, field, tuple(following[0]), following[1])
        if following[1] and field == "lyrics":
            return Labelled(label, field, tuple(following[0]), True, inline)
        return Labelled(label, field, (inline, *following[0]), following[1])

    def _following(self, inline: Line, field: str | None) -> tuple[list[Line], bool]:
        """Return the lines below a label that belong to it, and True if they are fenced."""
        start = self._at
        if not inline.text:
            while (line := self._peek()) is not None and not line.text.strip():
                self._at += 1
        line = self._peek()
        if line is not None and _FENCE.match(line.text):
            if field not in _ONE_VALUE or not inline.text:
                return self._fence(), True
            return [], False
        if inline.text and (field in _ONE_VALUE or self._exact):
            return [], False
        found: list[Line] = []
        while (line := self._peek()) is not None and not self._ends(line, field, bool(found)):
            found.append(Line(line.number, without_break(line.text).strip()))
            self._at += 1
            if field in _ONE_VALUE:
                break
        while found and not found[-1].text:
            found.pop()
        if not found and not inline.text:
            self._at = start
        return found, False

    def _ends(self, line: Line, field: str | None, begun: bool) -> bool:
        """Tell if a line does not belong to the unfenced value before it."""
        text = line.text
        if not text.strip():
            return field != "lyrics"
        if _RULE.match(text) or _FENCE.match(line.text) or self._heading(line):
            return True
        label = self._label(text)
        if label is None:
            return False
        # In lyrics a word with a colon may be sung: only behind an empty line it is a label.
        spoken = field == "lyrics" and not _BOLD.match(text) and begun
        return not (spoken and self._lines[self._at - 1].text.strip())

    def _loose_fence(self) -> Iterator[Part]:
        values = self._fence()
        if values:
            yield Fence(tuple(values))

    def _fence(self) -> list[Line]:
        opening = self._lines[self._at]
        match = _FENCE.match(opening.text)
        mark, pad = (match["mark"], match["pad"]) if match else ("```", "")
        info = match["info"].strip() if match else ""
        self._at += 1
        found: list[Line] = []
        end = self._closing(mark)
        if end is None:
            self.mended.append((opening, "a fence that is never closed ends at the next heading"))
        while (line := self._peek()) is not None and self._at != end:
            if end is None and _HEADING.match(line.text):
                break
            found.append(Line(line.number, line.text.removeprefix(pad)))
            self._at += 1
        if end is not None:
            self._at += 1
        if info.casefold() not in _INFO:
            self.mended.append((Line(opening.number, info), "the fence's name has no meaning"))
        return found

    def _closing(self, mark: str) -> int | None:
        """Find the line that closes a fence; None without one."""
        if mark in self._unclosed:
            return None
        closing = re.compile(rf"^\s*{re.escape(mark[0])}{{{len(mark)},}}\s*$")
        for at in range(self._at, len(self._lines)):
            if closing.match(self._lines[at].text):
                return at
        self._unclosed.add(mark)
        return None


def _divided(line: Line) -> Iterator[Line]:
    """Return a line without quote marks; one for each bold label where it holds several."""
    text = _unquoted(line.text)
    if text.count("**") < 4 or not _BOLD.match(text):
        yield Line(line.number, text)
        return
    at = 0
    for match in _NEXT_LABEL.finditer(" ".join(text.split())):
        yield Line(line.number, " ".join(text.split())[at : match.start()])
        at = match.end()


def _opened(heading: str) -> str:
    """Return a heading's text without the marks that may close it."""
    text = heading.strip()
    bare = text.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else text


def _unquoted(text: str) -> str:
    """Return a line without the marks of a block quote."""
    return re.sub(r"^\s{0,3}(?:>\s?)+", "", text)
