"""The blocks of a document, by CommonMark: headings, lines, fences, tables, rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from milonga.songs.markdown.parts import Block, Fence, Heading, Line, Prose, Rule, Table

if TYPE_CHECKING:
    from markdown_it.token import Token

_FENCE = re.compile(r"^\s*(?:>\s?)*\s*(?P<mark>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)$")
_TASK = re.compile(r"^\[[ xX]\]\s+")
_NESTED = 40
"""Deepest nesting of quotes and lists that is followed; deeper lines are read as they stand."""


def read_blocks(text: str) -> tuple[list[Block], list[Line]]:
    """Divide a document into blocks; return also the fences that are never closed.

    Those are left out: what stands below them is read as if they weren't there. Indented text,
    HTML and link definitions are lines as others are.
    """
    from markdown_it import MarkdownIt

    lines = text.split("\n")
    unclosed = list(_without_unclosed(lines))
    parser = MarkdownIt("commonmark", {"maxNesting": _NESTED}).enable("table")
    parser.disable(["code", "reference", "html_block"]).core.ruler.enableOnly(["block"])
    reader = _Reader(lines)
    reader.read(parser.parse("\n".join(lines)))
    return reader.blocks(), unclosed


def _without_unclosed(lines: list[str]) -> Iterator[Line]:
    """Empty the lines that open a fence which nothing closes; yields them."""
    found = [(at, m) for at, line in enumerate(lines) if (m := _FENCE.match(line))]
    longest: dict[str, list[int]] = {"`": [0], "~": [0]}
    after: list[int] = []  # of each mark, the longest one below it that could close a fence
    for _, match in reversed(found):
        char, length = match["mark"][0], len(match["mark"])
        after.append(longest[char][-1])
        if not match["info"].strip():
            longest[char].append(max(length, longest[char][-1]))
    opened = None
    for (at, match), below in zip(found, reversed(after), strict=True):
        mark = match["mark"]
        if opened is not None:
            if mark.startswith(opened) and not match["info"].strip():
                opened = None
        elif below >= len(mark):
            opened = mark
        else:
            yield Line(at + 1, lines[at])
            lines[at] = match["info"] if match["info"].strip().startswith("[") else ""


class _Reader:
    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._found: dict[int, Block] = {}
        self._covered: set[int] = set()

    def blocks(self) -> list[Block]:
        """Return the blocks in the order of their lines; a line that none holds is one of text."""
        for number, text in enumerate(self._lines, 1):
            if number not in self._covered and re.search(r"\w", text):
                self._found[number] = self._prose(number, text.strip())
        return [self._found[number] for number in sorted(self._found)]

    def read(self, tokens: Sequence[Token]) -> None:
        marker, numbered = "", False
        for at, token in enumerate(tokens):
            if token.type in ("ordered_list_open", "bullet_list_open"):
                # Numbers that don't begin at 1 may be words: "24. December".
                numbered = token.attrGet("start") is not None
            elif token.type == "list_item_open":
                marker = f"{token.info}{token.markup} " if numbered else ""
            if token.map is None:
                continue
            first, end = token.map
            if token.type == "heading_open":
                self._heading(token, tokens[at + 1])
            elif token.type == "paragraph_open":
                self._paragraph(tokens[at + 1], marker)
                marker = ""
            elif token.type == "fence":
                self._fence(token)
            elif token.type == "hr":
                self._put(first, Rule(Line(first + 1, self._lines[first].strip())), end)
            elif token.type == "table_open":
                self._table(tokens, at)

    def _put(self, first: int, block: Block, end: int) -> None:
        self._found[first + 1] = block
        self._covered.update(range(first + 1, end + 1))

    def _heading(self, token: Token, inline: Token) -> None:
        first, end = token.map or (0, 0)
        if token.markup.startswith("#"):
            self._put(first, Heading(Line(first + 1, inline.content), int(token.tag[1])), end)
            return
        # An underlined paragraph: a title if it has one line, else text with a rule below it.
        underline = self._lines[end - 1].strip()
        sure = token.markup == "=" or not self._found or len(underline) > 3
        if "\n" not in inline.content and sure and re.match(r"\w", inline.content):
            self._put(first, Heading(Line(first + 1, inline.content), int(token.tag[1])), end)
        else:
            self._paragraph(inline, "")
            self._put(end - 1, Rule(Line(end, underline)), end)

    def _paragraph(self, inline: Token, marker: str) -> None:
        first = (inline.map or (0, 0))[0]
        for at, text in enumerate(inline.content.split("\n"), first):
            text = marker + _TASK.sub("", text.strip()) if at == first else text.strip()
            self._put(at, self._prose(at + 1, text), at + 1)

    def _prose(self, number: int, text: str) -> Prose:
        above = self._lines[number - 2].strip("> \t") if number > 1 else ""
        return Prose(Line(number, text), gap=not above)

    def _fence(self, token: Token) -> None:
        first, end = token.map or (0, 0)
        values = token.content.removesuffix("\n").split("\n") if token.content else []
        lines = tuple(Line(number, text) for number, text in enumerate(values, first + 2))
        self._put(first, Fence(lines, Line(first + 1, token.info.strip())), end)

    def _table(self, tokens: Sequence[Token], at: int) -> None:
        first, end = tokens[at].map or (0, 0)
        rows: list[list[Line]] = []
        while tokens[at].type != "table_close":
            if tokens[at].type == "tr_open":
                rows.append([])
            elif tokens[at].type == "inline":
                number = (tokens[at].map or (first, end))[0] + 1
                rows[-1].append(Line(number, tokens[at].content.strip()))
            at += 1
        self._put(first, Table(tuple(map(tuple, rows))), end)
