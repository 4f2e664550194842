"""Parts of a Markdown document: headings, labelled values, lines of text, each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from milonga.songs.markdown.blocks import read_blocks
from milonga.songs.markdown.front_matter import front_matter
from milonga.songs.markdown.heading import read_heading
from milonga.songs.markdown.marks import plain_text, unescape, without_break
from milonga.songs.markdown.parts import (
    Block,
    Fence,
    Heading,
    Labelled,
    Left,
    Line,
    Part,
    Prose,
    Table,
)
from milonga.songs.markdown.tags import is_manner, section_tag
from milonga.songs.sheet.labels import field_of
from milonga.songs.sheet.sections import section_phrase

_BOLD = re.compile(
    r"^(?P<b>\*\*|__|\*|_)(?P<label>[^*\n:：]{1,60}?)"
    r"(?:\s*[:：]\s*(?P=b)|(?P=b)\s*[:：])(?P<value>.*)$"
)
_BOLD_ALONE = re.compile(r"^(?:\*\*|__)([^*_]+)(?:\*\*|__)$")
_CHORDS = re.compile(r"(?:(?:[A-G][#b]?[\w#/°ø+]*|N\.\s?C\.?|%)(?:\s+|$))+|[x×]\s?\d+")
_SLANTED = re.compile(r"^([*_])(?![*_\s])([^*_]+)\1$")
_NEXT_BOLD = re.compile(r"\s?[|•·;,]?\s(?=\*\*[^*\n:：]{1,60}(?:[:：]\s?\*\*|\*\*\s?[:：]))")
_PLAIN = re.compile(
    r"^(?P<label>[^\W\d_][\w /()'&-]{0,40}?)\s*(?:(?<!\d)[:：](?!//)|[:：](?=\s|$))(?P<value>.*)$"
)
_SETTING = re.compile(r"(?:[~<>]?\d[\d.,:/xX-]*\s*(?:%|k?hz|db|bpm|s|secs?|seconds?)?|on|off|true|"
                      r"false|yes|no|https?://\S+)", re.IGNORECASE)  # fmt: skip
_BEFORE_LABEL = re.compile(r"^[^\w\s*_\[\](){}<>|¿¡\"“«'`#~\\/!?.,;:：&$@+=-]+\s*")
_SEGMENT = re.compile(r"^(?:segment|segmento)\s+#?\d+\b", re.IGNORECASE)
_SONG = re.compile(r"(?:song|canci[oó]n|tema)\s*#?\d{1,3}\s*[:.–—-]+\s*\w", re.IGNORECASE)
_COMMENT = re.compile(r"^(?://|\[//\]:)")
_INFO = ("", "text", "txt", "plaintext", "lyrics", "letra", "markdown", "md", "json", "yaml")
_ONE_VALUE = frozenset(
    ("title", "name", "artist", "tempo", "key", "seconds", "section", "language", "baseline",
     "generators", "number", "gain_db", "role", "other")
)  # fmt: skip
_BY_HEADING = frozenset(
    ("title", "artist", "style", "negative", "mood", "voice", "tempo", "key", "seconds", "lyrics",
     "options")
)  # fmt: skip
_IN_HEADING = ("title", "artist", "style", "tempo", "key")
_LANGUAGES = (
    r"english|ingles|spanish|espanol|castellano|portugues\w*|frances|francais|french|german|deutsch|"
    r"aleman|italian\w*|japanese|japones|korean|coreano|chinese|chino|catala\w*|galego|original|"
    r"russian|русскии|日本語|中文|한국어"
)


def read_parts(text: str) -> list[Part]:
    """Divide a document into parts. Table rules, fence marks and empty lines are none."""
    parts, text = front_matter(text)
    text, comments = _without_comments(text)
    blocks, unclosed = read_blocks(text)
    parts += comments
    parts += [Left(line, "a fence that is never closed") for line in unclosed]
    return [*parts, *_Reader(blocks).parts()]


def _without_comments(text: str) -> tuple[str, list[Left]]:
    """Take out ``<!-- comments -->``."""
    kept: list[str] = []
    left: list[Left] = []
    at = 0
    while (begun := text.find("<!--", at)) >= 0 and (ended := text.find("-->", begun + 4)) >= 0:
        number = (left[-1].line.number if left else 1) + text.count("\n", at, begun)
        comment = text[begun + 4 : ended].split("\n")
        kept.append(text[at:begun] + "\n" * (len(comment) - 1))
        left += [Left(Line(n, line), "a comment") for n, line in enumerate(comment, number)]
        at = ended + 3
    return "".join(kept) + text[at:], left


class _Reader:
    def __init__(self, blocks: Sequence[Block]) -> None:
        self._blocks = [part for block in blocks for part in _divided(block)]
        self._at = 0
        self._in_section = self._fresh = False  # below a section's name; right below it
        self._tagged = self._below_sung = False  # behind a tag; right below a line that is sung

    def parts(self) -> Iterator[Part]:
        while (block := self._peek()) is not None:
            self._at += 1
            if isinstance(block, Heading):
                self._fresh = self._in_section = read_heading(block.line.text) is not None
                self._tagged = self._below_sung = False
                yield from self._heading(block)
            elif isinstance(block, Fence):
                yield from _info(block)
                if _is_bundle(block):
                    yield from _Reader(_as_prose(block)).parts()
                elif block.values:
                    yield block
            elif isinstance(block, Table):
                yield from self._table(block)
            elif isinstance(block, Prose):
                yield from self._line(block)
            else:
                yield block

    def _peek(self) -> Block | None:
        return self._blocks[self._at] if self._at < len(self._blocks) else None

    def _heading(self, block: Heading) -> Iterator[Part]:
        """Read a heading, or one that is a label: "### Lyrics", "# Title: My song"."""
        text = _bare_label(block.line.text)
        match = _PLAIN.match(text) or _BOLD.match(text)
        if match and field_of(match["label"]) in _IN_HEADING:
            yield from self._labelled(
                Line(block.line.number, match["label"]), match["value"], block.level
            )
            return
        text = plain_text(text).rstrip(":： ")
        if field_of(text) in _BY_HEADING:
            yield from self._labelled(Line(block.line.number, text), "", block.level)
        else:
            yield block

    def _line(self, prose: Prose) -> Iterator[Part]:
        line, text = prose.line, prose.line.text
        sung = self._is_sung(prose)
        self._tagged = self._tagged or section_tag(text, gap=prose.gap) is not None
        below, self._below_sung = self._below_sung and not prose.gap, False
        if _COMMENT.match(text):
            yield Left(line, "a comment")
        elif text.startswith("|"):
            yield from self._row(
                [Line(line.number, cell.strip()) for cell in text.strip("| ").split("|")]
            )
        elif prose.gap and _SONG.match(text):
            self._tagged = False
            yield Heading(line, 1)
        elif bold := _bold_section(text):
            yield Heading(Line(line.number, bold[0]), 7)
            if bold[1]:
                yield Prose(Line(line.number, bold[1]))
        elif (label := label_in(text)) and not (below and _may_be_sung(text, *label)):
            yield from self._labelled(Line(line.number, label[0]), label[1])
        elif (alone := _BOLD_ALONE.match(text)) and alone[1].startswith("["):
            yield Prose(Line(line.number, alone[1]), prose.gap)
        elif (alone and not sung) or _SEGMENT.match(text):
            yield Heading(Line(line.number, text.strip("*_ ")), 7)
        else:
            self._below_sung = self._tagged and section_tag(text, gap=prose.gap) is None
            yield prose

    def _is_sung(self, prose: Prose) -> bool:
        """Tell if a line belongs to a section because no empty line parts it from its name."""
        tag = section_tag(prose.line.text, gap=prose.gap)
        joined = not prose.gap or (self._fresh and self._is_stanza(prose))
        self._fresh = tag is not None
        self._in_section = tag is not None or (self._in_section and joined)
        return self._in_section

    def _is_stanza(self, prose: Prose) -> bool:
        """Tell if a line and the one right below it are in bold."""
        at = self._at + (self._peek() is prose)
        below = self._blocks[at] if at < len(self._blocks) else None
        return (
            isinstance(below, Prose)
            and not below.gap
            and all(_BOLD_ALONE.match(part.line.text) for part in (prose, below))
        )

    def _labelled(self, label: Line, value: str, level: int = 0) -> Iterator[Part]:
        field = field_of(unescape(label.text))
        inline = Line(label.number, without_break(value).strip())
        if not inline.text:
            yield from self._notes_above_fence(level > 0)
        block = self._peek()
        if isinstance(block, Fence) and (not inline.text or _continues(field, block)):
            self._at += 1
            yield from _info(block)
            if not inline.text:
                yield Labelled(label, field, block.values, True, level=level)
            elif field == "lyrics":
                yield Labelled(label, field, block.values, True, inline, level)
            else:
                yield Labelled(label, field, (inline, *block.values), True, level=level)
            return
        found = [inline] if inline.text else []
        if not inline.text or field not in _ONE_VALUE:
            found += self._following(field, bool(inline.text))
        yield Labelled(label, field, tuple(found), level=level)

    def _notes_above_fence(self, heading: bool) -> Iterator[Left]:
        """List the lines between a label and the block that holds its value."""
        end = self._at
        while end < len(self._blocks):
            block = self._blocks[end]
            if isinstance(block, Fence):
                yield from (Left(part.line, "stands above the value") for part in
                            self._blocks[self._at : end] if isinstance(part, Prose))  # fmt: skip
                self._at = end
                return
            if not isinstance(block, Prose) or not (heading or _COMMENT.match(block.line.text)):
                return
            if label_in(block.line.text) or section_tag(block.line.text, gap=block.gap):
                return
            end += 1

    def _following(self, field: str | None, begun: bool) -> Iterator[Line]:
        """Yield the lines below a label that belong to it."""
        while isinstance(block := self._peek(), Prose):
            # Right below a tag a label takes its own line: what follows is sung.
            if begun and field != "lyrics" and self._tagged and self._in_section:
                return
            if self._ends(block, field, begun):
                return
            self._at += 1
            if begun and block.gap:
                yield Line(block.line.number - 1, "")
            yield Line(block.line.number, without_break(block.line.text))
            begun = True
            if field in _ONE_VALUE:
                return

    def _ends(self, prose: Prose, field: str | None, begun: bool) -> bool:
        """Tell if a line doesn't belong to the value above it."""
        text = prose.line.text
        if prose.gap and _SONG.match(text):
            return True
        sung = self._is_sung(prose) and field == "lyrics" and not _bold_section(text)
        if text.startswith("|") or (_BOLD_ALONE.match(text) and not sung) or _SEGMENT.match(text):
            return True
        if field != "lyrics":
            tag = section_tag(text, gap=prose.gap)
            return (
                (prose.gap and begun)
                or _COMMENT.match(text) is not None
                or (tag is not None and (prose.gap or tag.section != "instrumental"))
                or label_in(text) is not None
                or _PLAIN.match(_bare_label(text)) is not None
            )
        if _BOLD.match(text):
            return True
        label = label_in(text)
        # In lyrics a word with a colon may be sung: only behind an empty line it is a label.
        return label is not None and (prose.gap or not begun or is_setting(label[1]))

    def _table(self, table: Table) -> Iterator[Part]:
        heads = [plain_text(cell.text) for cell in table.rows[0]]
        sung = next((at for at, head in enumerate(heads) if _is_lyrics(head)), None)
        if sung is None or len(heads) < 2:
            for row in table.rows:
                yield from self._row(row)
            return
        for at, row in enumerate(table.rows):
            for column, cell in enumerate(row):
                if at and column != sung and section_phrase(plain_text(cell.text)):
                    yield Prose(Line(cell.number, f"[{plain_text(cell.text)}]"), gap=True)
                elif column == sung and at:
                    yield Prose(cell)
                elif cell.text:
                    yield Left(
                        cell, "the heading of a column" if not at else "another column of the table"
                    )

    def _row(self, row: Sequence[Line]) -> Iterator[Part]:
        """Read the row of a table: a label and its value, labels with values, or anything else."""
        cells = [cell for cell in row if cell.text]
        labels = [label_in(cell.text) for cell in cells]
        if cells and all(labels):
            for cell, label in zip(cells, labels, strict=True):
                name, value = label or ("", "")
                yield Labelled(Line(cell.number, name), field_of(name), _values(cell.number, value))
        elif len(cells) == 2 and field_of(name := plain_text(cells[0].text).rstrip(":： ")):
            yield Labelled(Line(cells[0].number, name), field_of(name), (cells[1],))
        elif cells and all(_CHORDS.fullmatch(cell.text) for cell in cells):
            # An empty bar goes on with the one before.
            bars = row[row.index(cells[0]) : row.index(cells[-1]) + 1]
            chart = " | ".join(bar.text or "%" for bar in bars if bar.text[:1] not in ("x", "×"))
            yield Prose(Line(cells[0].number, f"| {chart} |"))
        elif cells and not all(re.fullmatch(r"[:\s-]*", cell.text) for cell in cells):
            yield Left(
                Line(cells[0].number, " | ".join(cell.text for cell in cells)), "a row of a table"
            )


def label_in(text: str) -> tuple[str, str] | None:
    """Return the label and the value of a line; None if there is none, or one that may be sung.

    Labels in bold may say anything; others are known, or their value is a setting.
    """
    match = _BOLD.match(text)
    if match:
        return None if is_manner(match["label"]) else (match["label"].strip(), match["value"])
    text = _bare_label(text)
    alone = _BOLD_ALONE.match(text)
    if alone and field_of(alone[1]) in _BY_HEADING:
        return alone[1], ""
    text = _bare_line(text)
    match = _PLAIN.match(text)
    if match and (field_of(match["label"]) is not None or is_setting(match["value"])):
        return match["label"].strip(), match["value"]
    return None


def _bare_label(text: str) -> str:
    """Return a line without bullets and pictures before its first word."""
    return _BEFORE_LABEL.sub("", text)


def _bare_line(text: str) -> str:
    """Return a line without the emphasis that encloses all of it."""
    slanted = _SLANTED.match(text)
    text = slanted[2] if slanted else text
    alone = _BOLD_ALONE.match(text)
    return alone[1] if alone else text


def _may_be_sung(text: str, label: str, value: str) -> bool:
    """Tell if a line with a label may be words of a song: "Time: the thief of all"."""
    return (
        not text.startswith(("*", "_"))
        and " " not in label
        and field_of(label) != "negative"
        and bool(value.strip())
        and not is_setting(value)
    )


def is_setting(value: str) -> bool:
    """Tell if a value is a number, a switch or an address, which nobody sings."""
    return _SETTING.fullmatch(value.strip("*_ ")) is not None


def _values(number: int, text: str) -> tuple[Line, ...]:
    return (Line(number, text.strip()),) if text.strip() else ()


def _bold_section(text: str) -> tuple[str, str] | None:
    """Return the section of a line in bold, and what is sung behind it: "**Chorus (x2)**"."""
    if not text.startswith(("**", "__")):
        return None
    tag = section_tag(text)
    if tag is None:
        return None
    return (tag.written, tag.sung) if tag.sung else (plain_text(text), "")


def _is_lyrics(head: str) -> bool:
    from milonga.runtime.words import plain

    return re.fullmatch(_LANGUAGES, plain(head)) is not None or field_of(head) == "lyrics"


def _is_bundle(fence: Fence) -> bool:
    """Tell if a block holds a whole prompt: its first line has a label."""
    first = next((line.text for line in fence.values if line.text.strip()), "")
    label = label_in(first)
    return label is not None and field_of(label[0]) not in (None, "lyrics")


def _as_prose(fence: Fence) -> list[Block]:
    blocks: list[Block] = []
    gap = True
    for line in fence.values:
        if line.text.strip():
            blocks.append(Prose(Line(line.number, line.text.strip()), gap))
        gap = not line.text.strip()
    return blocks


def _continues(field: str | None, fence: Fence) -> bool:
    """Tell if a block below a value that has begun belongs to it, too."""
    sung = any(section_tag(line.text) for line in fence.values)
    return field == "lyrics" or (field not in _ONE_VALUE and not sung)


def _info(fence: Fence) -> Iterator[Left]:
    if fence.info.text.casefold() not in _INFO:
        yield Left(fence.info, "the fence's name has no meaning")


def _divided(block: Block) -> Iterator[Block]:
    """Yield a block; a line that holds several labels as one for each."""
    if not isinstance(block, Prose):
        yield block
        return
    line, gap = block.line, block.gap
    text = " ".join(line.text.split())
    pieces = [line.text]
    if text.count("**") >= 4 and _BOLD.match(text):
        pieces = _NEXT_BOLD.split(text)
    elif re.search(r"[|•·]", text) and not text.startswith("|") and label_in(text):
        text = _bare_line(text)
        groups: list[list[str]] = []
        for piece in re.split(r"\s?[|•·]\s?", text):
            if groups and label_in(piece) is None and not _PLAIN.match(piece):
                groups[-1].append(piece)
            else:
                groups.append([piece])
        pieces = [" | ".join(group) for group in groups]
    for piece in pieces:
        yield Prose(Line(line.number, piece), gap)
        gap = False
