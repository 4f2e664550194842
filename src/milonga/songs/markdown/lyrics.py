"""Lyrics from Markdown: tags and section markers among the sung lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from milonga.runtime.words import plain
from milonga.songs.markdown.draft import Draft
from milonga.songs.markdown.heading import DESCRIBED, section_phrase
from milonga.songs.markdown.place import put
from milonga.songs.markdown.reader import Line
from milonga.songs.sheet.fields import TEXTS
from milonga.songs.sheet.labels import field_of
from milonga.songs.sheet.lyrics import has_words, unbalanced
from milonga.songs.sheet.text import lyrics_text

_NO_LYRICS = re.compile(
    r"\W*(?:instrumental(?: only)?|none|n/?a|no lyrics|no vocals|without lyrics|sin letra|sin voz|"
    r"ninguna)\W*"
)
_MARKER = re.compile(r"^\s*\**\[([^\[\]]+)\]:?\**:?\s*$")
_SPLIT = re.compile(r"\s*[:：,(;|]\s*|\s+[-–—]+\s*|\s*[–—]+\s*")
_OPENING_FIELDS = ("tempo", "key", *TEXTS)
_BRACKET_LINES = 6
"""Longest stage direction, in lines."""


def marker(line: Line) -> tuple[str, str, str] | None:
    """Read the section marker of a line such as ``[Chorus - layered vocals]``.

    Returns:
        Its name, the words for it, and the rest of the marker; None for any other line.
    """
    match = _MARKER.match(line.text)
    if match is None:
        return None
    head, *rest = _SPLIT.split(" ".join(match[1].split()), maxsplit=1)
    section = section_phrase(head)
    tail = rest[0].strip() if rest else ""
    if section is None:
        kind = DESCRIBED.fullmatch(plain(head))
        section = section_phrase(kind[1] or kind[2]) if kind else None
        if section is None:
            return None
        tail = match[1].strip()  # what it is besides a solo or an intro matters
    if "(" in match[1] and tail.endswith(")") and tail.count(")") > tail.count("("):
        tail = tail[:-1]
    return section, head.strip(), tail


def split_song(lines: Sequence[Line]) -> list[tuple[Line | None, list[Line]]]:
    """Divide the lyrics of a song by their section markers; lines before the first have None."""
    parts: list[tuple[Line | None, list[Line]]] = [(None, [])]
    for line in lines:
        if marker(line) is not None:
            parts.append((line, [line]))
        else:
            parts[-1][1].append(line)
    return [part for part in parts if any(line.text.strip() for line in part[1])]


def take_lyrics(draft: Draft) -> str | None:
    """Return the draft's lyrics as a sheet has them; tags for other fields go there.

    Before the first sung line, tags such as ``[Mood: dark]`` and the marker of the segment's
    own section are taken out; later ones stay, as stage directions.
    """
    lines = [line for line in _balanced(draft) if line.text.strip() or draft.lyrics]
    whole = " ".join(line.text for line in lines).strip()
    if whole and _NO_LYRICS.fullmatch(plain(whole)):
        first = next(line for line in lines if line.text.strip())
        draft.instrumental = draft.instrumental or first
        draft.guess("lyrics", f"none, from {whole!r}", first.number)
        return None
    kept: list[str] = []
    # A marker further down is a change within the segment.
    sung = marked = False
    for line in lines:
        sung = sung or has_words(line.text)
        match = _MARKER.match(line.text)
        if sung or match is None:
            if kept or line.text.strip():
                kept.append(line.text)
            continue
        found = marker(line)
        if found is not None and not marked and not kept and _agrees(draft, found):
            marked = True
            _set_section(draft, found, line)
            if found[2]:
                kept.append(f"[{found[2]}]")
        elif not _opening_tag(draft, line, match[1]):
            kept.append(line.text)
    return lyrics_text("\n".join(kept)) or None


def _agrees(draft: Draft, found: tuple[str, str, str]) -> bool:
    section, written, _ = found
    there = draft.values.get("section")
    if there is None:
        return True
    # Within music alone a solo or a drop is an event.
    event = re.fullmatch(r"solo|drop", plain(written)) is not None
    return there.split(" ")[0] == section.split(" ")[0] and not event


def _set_section(draft: Draft, found: tuple[str, str, str], line: Line) -> None:
    section, written, _ = found
    there = draft.values.get("section")
    if there is None or there == section.split(" ")[0]:
        draft.values["section"] = section
    draft.values.setdefault("fallback", written)
    if plain(written) not in (section, there):
        draft.guess("section", f"from {written!r}", line.number)


def _opening_tag(draft: Draft, line: Line, inner: str) -> bool:
    label, colon, value = inner.partition(":")
    name = field_of(label) if colon and value.strip() else None
    if name not in _OPENING_FIELDS:
        return False
    put(draft, name, Line(line.number, value.strip()))
    return True


def _balanced(draft: Draft) -> Iterable[Line]:
    """Yield the lines, with stage directions over several lines joined and brackets fixed."""
    lines, at = draft.lyrics, 0
    while at < len(lines):
        line, wrong = lines[at], unbalanced(lines[at].text)
        at += 1
        if wrong and "not closed" in wrong:
            for end in range(at, min(at + _BRACKET_LINES, len(lines))):
                joined = " ".join(part.text.strip() for part in lines[at - 1 : end + 1])
                if not lines[end].text.strip():
                    break
                if unbalanced(joined) is None:
                    line, wrong, at = Line(line.number, joined), None, end + 1
                    break
        if wrong:
            draft.guess("lyrics", f"a square bracket fixed in {line.text.strip()!r}", line.number)
            line = Line(line.number, _mended(line.text))
        yield line


def _mended(text: str) -> str:
    kept, depth = [], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth < 0:
            depth = 0
        else:
            kept.append(character)
    return "".join(kept) + "]" * depth
