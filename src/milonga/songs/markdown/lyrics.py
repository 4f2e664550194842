"""Lyrics as a sheet has them: what isn't sung is taken out of the lines, or becomes a direction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from milonga.runtime.words import plain
from milonga.songs.markdown.draft import Draft
from milonga.songs.markdown.marks import plain_text
from milonga.songs.markdown.parts import Line
from milonga.songs.markdown.place import put
from milonga.songs.markdown.reader import is_setting, label_in
from milonga.songs.markdown.tags import (
    MOST_TIMES,
    Tag,
    is_cue,
    says_again,
    section_tag,
    squared,
    times_of,
)
from milonga.songs.sheet.fields import TEXTS
from milonga.songs.sheet.labels import field_of
from milonga.songs.sheet.lyrics import has_words, unbalanced
from milonga.songs.sheet.quantities import is_length
from milonga.songs.sheet.text import lyrics_text

_NO_LYRICS = re.compile(
    r"\W*(?:instrumental(?: only)?|none|n/?a|no lyrics|no vocals|without lyrics|sin letra|sin voz|"
    r"ninguna)\W*"
)
_OPENING_FIELDS = ("tempo", "key", *TEXTS)
_BRACKET_LINES = 6
"""Longest stage direction, in lines."""
_COMMENT = re.compile(r"(?:^//\s*|^#\s+|(?<=\s)\s#\s+)\S.*$")
_ASIDE = re.compile(r"([*_]{1,3})\s*\(([^()]+)\)\s*\1")
_CUE_BEFORE = re.compile(r"([*_]{1,3})([^*_]{1,40})\1:?\s+(?=\S)")
_NOTES = re.compile(r"\s*[♩♪♫♬🎵🎶]+\s*")
"""Pictures that subtitles put around what is sung."""
_ROOT = r"(?:[A-G]|Do|R[eé]|Mi|Fa|Sol|La|Si)[#b♯♭]?"
_CHORD = rf"{_ROOT}(?:min|maj|dim|aug|sus|add|m|M|\+|°|ø|\d{{1,2}}|[#b♯♭]\d{{1,2}})*(?:/{_ROOT})?"
_SUNG_CHORDS = re.compile(r"(?:(?:Do|R[eé]|Mi|Fa|Sol|La|Si|Dom|Rem|Mim|Sim)(?:[\s,-]+|$))+")
"""Names of notes that may be words: "La La La". Where they stand apart, they are chords."""
_CHORD_TAG = re.compile(rf"\[({_CHORD})\]")
_PLAYED = rf"(?:{_CHORD}|N\.\s?C\.?)"
_CHORDS = re.compile(
    rf"(?:\|:?\s*)?{_PLAYED}(?:\*?[\s|/%:-]+{_PLAYED})+\*?[\s|/%:]*(?:\s*\([^()]*\))?"
)
_CHART = re.compile(_PLAYED)
"""A chord alone, which beside lines of chords is played."""
_CHART_MARKS = re.compile(r"\[/?(?:ch|tab)\]")
_TABLATURE = re.compile(r"[A-Ga-g][#b]?\s?\|.*--.*")
_COUNTED = re.compile(r"(?:[(\[]([^()\[\]]{1,24})[)\]]|(?:(?<=\s)|^)([x×]\s?\d{1,9}))[.,]?$")
_SCRAPED = re.compile(
    r"\d*\.?\d*k?embed|you might also like|see .{1,60} live.*|get tickets as low as.*|"
    r"\d+ contributors?.*|\[(?:produced|written|mixed|mastered|composed|lyrics|music) by\b.*\]"
)
"""What pages of lyrics add to them."""
_NUMBERED = re.compile(r"^(?:(\d{1,3})[.)]|[-*+•])\s+(?=\S)")
_AGAIN = ("chorus", "pre-chorus", "post-chorus")


def split_song(lines: Sequence[Line]) -> list[tuple[Tag | None, list[Line]]]:
    """Divide the lyrics of a song by their section tags; lines before the first have None."""
    parts: list[tuple[Tag | None, list[Line]]] = [(None, [])]
    gap = True
    for at, line in enumerate(lines):
        tag = section_tag(line.text, gap=gap)
        gap = not line.text.strip()
        if tag is None or (parts[-1][0] and _ends_song(tag, parts[-1][0], lines[at + 1 :][:2])):
            parts[-1][1].append(line)
        else:
            parts.append((tag, [line]))
    return [part for part in parts if any(line.text.strip() for line in part[1])]


def _ends_song(tag: Tag, before: Tag, below: Sequence[Line]) -> bool:
    """Tell if a tag such as ``[End]`` only says that the section before it ends there."""
    if re.match(r"end\b|fin\b|fade", plain(tag.written)) is None:
        return False
    return before.section.startswith("outro") or not any(line.text.strip() for line in below)


def take_lyrics(draft: Draft, *, bilingual: bool = False) -> str | None:
    """Return the draft's lyrics as a sheet has them; tags for other fields go there.

    Before the first sung line, tags such as ``[Mood: dark]`` and the tag of the segment's own
    section are taken out; later ones stay, as stage directions. With ``bilingual`` the part of a
    line behind " / " is another language.
    """
    lines = _unnumbered(list(_balanced(draft, list(_unmarked(draft)))))
    whole = " ".join(line.text for line in lines).strip()
    if whole and _NO_LYRICS.fullmatch(plain(whole[:80])):
        first = next(line for line in lines if line.text.strip())
        draft.instrumental = draft.instrumental or first
        draft.guess("lyrics", f"none, from {whole!r}", first.number)
        return "\n".join(f"[{text}]" for text in draft.directions) or None
    taker = _Taker(draft, bilingual, any(map(_is_chords, (line.text for line in lines))))
    for line in lines:
        taker.take(line)
    return lyrics_text("\n".join(taker.kept)) or None


def sing_again(drafts: Sequence[Draft], lyrics: Sequence[str | None]) -> list[str | None]:
    """Return the lyrics with repeats sung out; an empty chorus has those of an earlier one, and its
    length and chords where it gives none."""
    found: list[str | None] = []
    earlier: dict[str, tuple[str, Draft]] = {}  # by section, with its number and without
    for draft, words in zip(drafts, lyrics, strict=True):
        section = draft.values.get("section", "")
        base = section.split(" ")[0]
        if not has_words(words) and not draft.instrumental and (base in _AGAIN or draft.again):
            again, first = earlier.get(section, earlier.get(base, ("", draft)))
            if again:
                if draft.bars is None and "seconds" not in draft.numbers:
                    draft.bars = first.bars
                draft.chords = draft.chords or first.chords
                # Its own directions first; those that come again with the words are not said twice.
                said = ("", *again.split("\n"))
                own = [line for line in (words or "").split("\n") if line not in said]
                words = "\n".join([*own, again])
                draft.guess("lyrics", f"the {base} again", draft.line)
        if words and has_words(words):
            earlier[section] = earlier[base] = words, draft
            if draft.times > 1:
                words = "\n\n".join([words] * draft.times)
                draft.guess("lyrics", f"sung {draft.times} times", draft.line)
        found.append(words)
    return found


class _Taker:
    """Takes the lines of a segment one by one; ``kept`` are those of the sheet."""

    def __init__(self, draft: Draft, bilingual: bool, chart: bool) -> None:
        self._draft, self._bilingual, self._chart = draft, bilingual, chart
        self.kept = [f"[{text}]" for text in draft.directions]
        self._sung = self._marked = False
        self._gap = True

    def take(self, line: Line) -> None:
        tag = section_tag(line.text, gap=self._gap)
        self._gap = not line.text.strip()
        opening = re.fullmatch(r"\[([^\[\]]+)\]:?", line.text.strip())
        aside = opening or re.fullmatch(r"\(([^()]+)\)", line.text.strip())
        if tag is not None:
            self._section(tag, line)
        elif aside is not None and not self._sung and self._length(aside[1], line):
            pass
        elif self._sung or opening is None or not _opening_tag(self._draft, line, opening[1]):
            self._words(line)

    def _section(self, tag: Tag, line: Line) -> None:
        draft = self._draft
        if self._sung or self._marked or self.kept or not _agrees(draft, tag):
            self.kept.append(tag.direction)
        else:
            self._marked = True
            _set_section(draft, tag, line)
            self.kept += [f"[{text}]" for text in tag.directions if not self._length(text, line)]
            draft.times, draft.again = max(draft.times, tag.times), tag.again
        for text in tag.behind:
            draft.guess("lyrics", f"a direction, from {text!r} behind [{tag.written}]", line.number)
        for text in tag.unclear:
            draft.leave(Line(line.number, text), f"more than {MOST_TIMES} times")
        if tag.sung:
            self._words(Line(line.number, tag.sung))

    def _length(self, text: str, line: Line) -> bool:
        """Take a text that only says how long the segment is: "8 bars"."""
        if not is_length(text):
            return False
        put(self._draft, "seconds", Line(line.number, text))
        return True

    def _words(self, line: Line) -> None:
        draft = self._draft
        text = line.text.strip()
        if _SCRAPED.fullmatch(plain(text[:120])):
            draft.leave(line, "not of the song")
            return
        if text and says_again(text):
            draft.again = draft.again or not self._sung
            draft.leave(line, "a repeat")
            return
        text = self._without_chords(Line(line.number, text))
        text, times = self._counted(Line(line.number, text))
        first, slash, second = text.partition(" / ")
        if self._bilingual and slash and has_words(first) and has_words(second):
            text = first.rstrip()
            draft.leave(Line(line.number, second), "the other language of the line")
        text = re.sub(r"\(([^()]{1,60})\)", self._cue(line), text)
        if text or (not line.text.strip() and self.kept):
            self.kept += [text] * times
        self._sung = self._sung or has_words(text)

    def _without_chords(self, line: Line) -> str:
        text = line.text
        tags = _CHORD_TAG.findall(text)
        if tags and (len(tags) > 1 or _CHORD_TAG.sub("", text).strip()):
            self._draft.chords.append(Line(line.number, " ".join(tags)))
            return " ".join(_CHORD_TAG.sub("", text).split())
        if _is_chords(text, self._chart) or (self._chart and _CHART.fullmatch(text)):
            self._draft.chords.append(line)
            return ""
        if _TABLATURE.fullmatch(text):
            self._draft.leave(line, "tablature")
            return ""
        return text

    def _counted(self, line: Line) -> tuple[str, int]:
        """Return a line without its "(x2)", and how often it is sung."""
        match = _COUNTED.search(line.text)
        times = times_of(match[1] or match[2]) if match else None
        if match is None or times is None:
            return line.text, 1
        text = line.text[: match.start()].rstrip(" ,")
        if not 1 <= times <= MOST_TIMES:
            self._draft.leave(Line(line.number, match[0]), f"more than {MOST_TIMES} times")
            return text, 1
        if has_words(text):
            self._draft.guess("lyrics", f"{times} times, from {line.text!r}", line.number)
        elif self._sung:
            at = max((n for n, kept in enumerate(self.kept) if not kept), default=-1)
            self.kept += ["", *self.kept[at + 1 :]] * (times - 1)
            self._draft.guess(
                "lyrics", f"the lines above {times} times, from {line.text!r}", line.number
            )
        else:
            self._draft.times = times
        return text, times

    def _cue(self, line: Line) -> Callable[[re.Match[str]], str]:
        def direction(match: re.Match[str]) -> str:
            if not is_cue(match[1]):
                return match[0]
            self._draft.guess("lyrics", f"a direction, from {match[0]!r}", line.number)
            return f"[{match[1]}]"

        return direction


def _is_chords(text: str, chart: bool = False) -> bool:
    """Tell if a line holds chords alone; ``chart``: other lines of the segment do."""
    text = text.strip()[:400]
    if _SUNG_CHORDS.fullmatch(text):
        apart = chart or re.search(r"\s{3}", text) is not None
        return apart and len(set(re.findall(r"\w+", text))) > 1
    return _CHORDS.fullmatch(_COUNTED.sub("", text).rstrip()) is not None


def _unmarked(draft: Draft) -> Iterator[Line]:
    """Yield the lines without comments, translations and marks of Markdown."""
    gap = True
    for line in draft.lyrics:
        text = _CHART_MARKS.sub("", line.text).strip().lstrip("> ")
        unlisted = _NUMBERED.sub("", text, count=1)
        label = label_in(unlisted)
        if label and (gap or unlisted.startswith(("*", "_")) or is_setting(label[1])):
            draft.leave(line, "a label among the lyrics")
            continue
        if text.startswith("|") and not _is_chords(text):
            draft.leave(line, "a row of a table")
            continue
        gap = not text
        comment = _COMMENT.search(text) if "#" in text or text.startswith("//") else None
        if comment and section_tag(text) is None:
            draft.leave(Line(line.number, comment[0]), "a comment")
            text = text[: comment.start()].rstrip()
            if not text:
                continue
        aside = _ASIDE.fullmatch(text)
        cue = _CUE_BEFORE.match(text)
        if aside and not is_cue(aside[2]):
            draft.leave(Line(line.number, f"({aside[2].strip()})"), "slanted and in round brackets")
            continue
        if cue and is_cue(cue[2]):
            text = f"({cue[2].strip('(): ')}) {text[cue.end() :]}"
        yield Line(line.number, _NOTES.sub(" ", squared(plain_text(text))).strip())


def _unnumbered(lines: list[Line]) -> list[Line]:
    """Return the lines without the numbers or bullets that all of them have."""
    sung = [line for line in lines if has_words(line.text) and section_tag(line.text) is None]
    marks = [_NUMBERED.match(line.text) for line in sung]
    numbers = [int(mark[1] or 0) for mark in marks if mark]
    counted = all(b == a + 1 for a, b in pairwise(numbers))
    if len(numbers) < max(len(sung), 2) or not (counted or not any(numbers)):
        return lines
    listed = {line.number for line in sung}
    return [
        Line(line.number, _NUMBERED.sub("", line.text, count=1)) if line.number in listed else line
        for line in lines
    ]


def _agrees(draft: Draft, tag: Tag) -> bool:
    there = draft.values.get("section")
    if there is None:
        return True
    # Within music alone a solo or a drop is an event.
    event = re.fullmatch(r"solo|drop", plain(tag.written)) is not None
    return there.split(" ")[0] == tag.section.split(" ")[0] and not event


def _set_section(draft: Draft, tag: Tag, line: Line) -> None:
    there = draft.values.get("section")
    if there is None or there == tag.section.split(" ")[0]:
        draft.values["section"] = tag.section
    draft.values.setdefault("fallback", tag.written)
    if plain(tag.written) not in (tag.section, there):
        draft.guess("section", f"from {tag.written!r}", line.number)


def _opening_tag(draft: Draft, line: Line, inner: str) -> bool:
    label, colon, value = inner.partition(":")
    name = field_of(label) if colon and value.strip() else None
    if name not in _OPENING_FIELDS:
        return False
    put(draft, name, Line(line.number, value.strip()))
    return True


def _balanced(draft: Draft, lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the lines, with stage directions over several lines joined and brackets fixed."""
    at = 0
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
