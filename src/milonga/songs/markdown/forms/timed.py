"""Lyrics with timings: LRC, SubRip (SRT) and WebVTT."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from milonga.songs.markdown.draft import Draft
from milonga.songs.markdown.parts import Line
from milonga.songs.markdown.place import put
from milonga.songs.markdown.tags import section_tag
from milonga.songs.sheet.fields import SECONDS
from milonga.songs.sheet.text import number_text

PAUSE = 10.0
"""Seconds from one line to the next that end a segment, where no end is given."""
LINE = 4.0
"""Seconds that a line lasts where nothing tells."""
_REST = 2.0
"""A shorter rest belongs to the segment before it."""

_HEAD = re.compile(r"\[([a-z#]{1,10})\s*:\s*(.*)\]", re.IGNORECASE)
_STAMP = re.compile(r"\[(\d{1,3}):([0-5]?\d(?:[.:]\d{1,3})?)\]\s*")
_WORD = re.compile(r"<\d{1,3}:\d{2}(?:[.:]\d{1,3})?>")
_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2}[.,]\d{1,3})"
_CUE = re.compile(rf"{_CLOCK}\s*-->\s*{_CLOCK}.*")
_MARK = re.compile(r"</?[a-z][^<>]{0,40}>|\{\\[^{}]{0,40}\}|[♩♪♫♬🎵🎶]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cue:
    """A line and when it begins and ends, in seconds; an empty one ends what was before it."""

    begins: float
    line: Line
    ends: float | None = None


def read_timed(text: str) -> tuple[Draft, list[Draft]] | None:
    """Read lyrics with timings, a segment for each run of lines and each rest; else None."""
    lines = [Line(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    filled = [line for line in lines if line.text]
    song = Draft(song=True)
    if any(_CUE.fullmatch(line.text) for line in filled[:10]):
        cues, length = list(_subtitles(lines, song)), 0.0
    elif _is_lrc(filled):
        cues, length = [], 0.0
        for line in filled:
            head = _HEAD.fullmatch(line.text)
            if head and not _STAMP.match(line.text):
                length = (
                    _lrc_head(head[1].lower(), Line(line.number, head[2].strip()), song) or length
                )
            else:
                cues += _lrc_line(line, song)
    else:
        return None
    cues.sort(key=lambda cue: cue.begins)
    return song, list(_segments(cues, length))


def _is_lrc(lines: Sequence[Line]) -> bool:
    stamped = sum(bool(_STAMP.match(line.text)) for line in lines)
    heads = sum(bool(_HEAD.fullmatch(line.text)) for line in lines)
    return stamped > 0 and (stamped + heads) * 2 > len(lines)


def _lrc_head(name: str, value: Line, song: Draft) -> float | None:
    if name in ("ti", "ar"):
        put(song, {"ti": "title", "ar": "artist"}[name], value)
        return None
    length = re.fullmatch(r"(\d{1,3}):(\d{2}(?:\.\d+)?)", value.text) if name == "length" else None
    if length:
        return int(length[1]) * 60 + float(length[2])
    song.leave(Line(value.number, f"{name}: {value.text}"))
    return None


def _lrc_line(line: Line, song: Draft) -> Iterator[Cue]:
    at, begins = 0, []
    while stamp := _STAMP.match(line.text, at):
        begins.append(int(stamp[1]) * 60 + float(stamp[2].replace(":", ".")))
        at = stamp.end()
    words = " ".join(_MARK.sub(" ", _WORD.sub(" ", line.text[at:])).split())
    if not begins:
        song.leave(line, "has no time")
    yield from (Cue(begun, Line(line.number, words)) for begun in begins)


def _subtitles(lines: Sequence[Line], song: Draft) -> Iterator[Cue]:
    cue: tuple[float, float] | None = None
    for line in lines:
        clock = _CUE.fullmatch(line.text)
        if clock:
            cue = (_seconds(clock[1], clock[2], clock[3]), _seconds(clock[4], clock[5], clock[6]))
        elif not line.text:
            cue = None
        elif cue is not None:
            words = " ".join(_MARK.sub(" ", line.text).split())
            if words:
                yield Cue(cue[0], Line(line.number, words), cue[1])
        elif not line.text.isdigit() and line.text != "WEBVTT":
            song.leave(line, "has no time")


def _seconds(hours: str | None, minutes: str, seconds: str) -> float:
    return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))


def _segments(cues: Sequence[Cue], length: float) -> Iterator[Draft]:
    steps = [b.begins - a.begins for a, b in pairwise(cues) if a.line.text]
    steps = [step for step in steps if 0 < step < PAUSE]
    usual, at, count = median(steps) if steps else LINE, 0.0, 0
    for run, following in _runs(cues):
        begins, last = run[0].begins, run[-1]
        ends = last.ends if last.ends is not None else last.begins + usual
        rest = PAUSE if last.ends is None else ends - last.begins + _REST
        if following is not None and following - last.begins < rest:
            ends = following
        if begins - at >= _REST or (begins > at and not count):
            yield _timed("interlude" if count else "intro", at, begins, run[0].line)
            at = begins
        count += 1
        draft = _timed("verse", at, max(ends, at + SECONDS[0]), run[0].line)
        if section_tag(run[0].line.text) is None:
            draft.values["fallback"] = f"Verse {count}"
        draft.lyrics = [cue.line for cue in run]
        at = max(ends, at + SECONDS[0])
        yield draft
    if count and length - at >= _REST:
        yield _timed("outro", at, length, cues[-1].line)


def _runs(cues: Sequence[Cue]) -> Iterator[tuple[list[Cue], float | None]]:
    """Yield the lines that follow one another, with the time of the next one."""
    run: list[Cue] = []
    for cue in cues:
        last = run[-1] if run else None
        ended = last is not None and (
            cue.begins - last.ends > PAUSE / 2
            if last.ends is not None
            else cue.begins - last.begins > PAUSE
        )
        if run and (ended or not cue.line.text or section_tag(cue.line.text)):
            yield run, cue.begins
            run = []
        if cue.line.text:
            run.append(cue)
    if run:
        yield run, None


def _timed(section: str, begins: float, ends: float, line: Line) -> Draft:
    draft = Draft(line=line.number)
    if section != "verse":
        draft.values.update(section=section, fallback=section.capitalize())
    seconds = round(ends - begins, 2)
    if seconds > SECONDS[1]:
        text = f"{number_text(seconds)} s"
        draft.leave(Line(line.number, text), "a segment lasts at most 600 seconds")
    draft.numbers["seconds"] = min(max(seconds, SECONDS[0]), SECONDS[1])
    draft.guess("seconds", f"from the timings, {begins:.2f} to {ends:.2f} s", line.number)
    return draft
