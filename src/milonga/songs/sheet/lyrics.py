"""Lyrics: sung words and stage directions.

Square brackets hold stage directions; round ones are sung. The label of a section ("Verse 2:") is
a direction, too.
"""

from __future__ import annotations

import re

from milonga.generators.base import LyricLine
from milonga.songs.sheet.sections import section_label


def unbalanced(line: str) -> str | None:
    """Describe the fault in the square brackets of a line; None if there is none."""
    depth = 0
    for bracket in re.findall(r"[\[\]]", line):
        depth += 1 if bracket == "[" else -1
        if depth < 0:
            return "a ']' has no '['"
    return "a '[' is not closed on its line" if depth else None


def split_line(line: str) -> tuple[str, tuple[str, ...]]:
    """Split a line into its sung text and its stage directions, without their brackets.

    Brackets within brackets belong to the outer direction. The line is balanced.
    """
    if "[" not in line:
        return _joined(line), ()
    sung, directions, depth, begun = [], [], 0, 0
    for at, character in enumerate(line):
        if character == "[":
            if not depth:
                begun = at + 1
            depth += 1
        elif character == "]" and depth:
            depth -= 1
            if not depth:
                directions.append(_joined(line[begun:at]))
                # Words on either side of a direction stay apart.
                sung.append(" ")
        elif not depth:
            sung.append(character)
    return _joined("".join(sung)), tuple(d for d in directions if d)


def parse_lyrics(text: str, language: str | None = None) -> tuple[LyricLine, ...]:
    """Read the lines of lyrics in order; empty lines and empty brackets are left out.

    Example:
        >>> (line,) = parse_lyrics("We whisper (susurra) [softly]")
        >>> line.text, line.directions
        ('We whisper (susurra)', ('softly',))
    """
    lines = []
    for line in text.splitlines():
        sung, directions = split_line(line)
        label = section_label(sung)
        if label is not None:
            sung, directions = label[1], (label[0], *directions)
        if sung or directions:
            lines.append(LyricLine(text=sung, language=language, directions=directions))
    return tuple(lines)


def has_words(text: str | None) -> bool:
    """Tell if anything in the lyrics is sung."""
    return any(re.search(r"\w", line.text) for line in parse_lyrics(text or ""))


def word_count(text: str) -> int:
    """Count the sung words; a script that writes without blanks counts a word each two letters."""
    count = 0
    for line in parse_lyrics(text):
        for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)*", line.text):
            unspaced = len(re.findall("[\u2e80-\u9fff\uf900-\ufaff]", word))
            count += max(1, (unspaced + 1) // 2)
    return count


def _joined(text: str) -> str:
    return " ".join(text.split())
