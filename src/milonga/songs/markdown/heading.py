"""Headings of segments: number, section, name, and more in brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from milonga.runtime.words import plain
from milonga.songs.markdown.draft import Draft
from milonga.songs.markdown.marks import bare, plain_text, shown, unescape
from milonga.songs.markdown.parts import Line
from milonga.songs.markdown.tags import MOST_TIMES, described_section, is_cue, section_tag, times_of
from milonga.songs.sheet.quantities import find_duration, find_tempo
from milonga.songs.sheet.sections import section_phrase

_NUMBERED = re.compile(
    r"^(?:segment|segmento|clip|track|part|parte|section|seccion|sección|pista|take|toma)"
    r"\s*(?:n[.ºo°]\s*)?#?\s*(\d{1,4})\b(?![.,]\d)\s*[.:)|–—-]*\s*(.*)$",
    re.IGNORECASE,
)
_LISTED = re.compile(r"^#?(\d{1,4})\s*(?:[.:)|–—-]+\s+|[.)](?=\w))(.*)$")
_SEPARATOR = re.compile(r"\s+[-–—|/·]+\s+|\s*:\s+|\s*—\s*")
_PARTS = frozenset(
    ("", "and", "with", "y", "con", "vocal", "vocals", "voz", "voces", "instrumental",
     "instrumentals", "backing", "base")
)  # fmt: skip
_BEFORE_TITLE = re.compile(
    r"^(?:(?:song|track|cancion|canción|tema)\s*#?\d{1,3}\s*[:.–—-]+\s*|#?\d{1,3}\s*[.):]\s+)",
    re.IGNORECASE,
)
_AFTER_TITLE = re.compile(
    r"\s+[-–—|(]\s*[^-–—|()]*\b(?:suno|udio|ready|version|prompts?|template|lyrics|letra)\b.*$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class SegmentHeading:
    """The parts of a heading; ``rest`` has no place in a sheet."""

    number: int | None = None
    section: str | None = None
    section_text: str = ""
    name: str | None = None
    instrumental: str = ""
    with_backing: str = ""
    seconds: float | None = None
    tempo: float | None = None
    seconds_from: str = ""
    bars: str = ""
    played_by: str = ""
    times: int = 1
    again: bool = False
    directions: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)


def song_title(song: Draft) -> None:
    """Take the title from the song's first heading, unless a label gives it."""
    text = song.values.pop("heading", "")
    line = Line(song.lines.pop("heading", 1), text)
    if "name" in song.values:
        if plain(shown(text)) != plain(song.values["name"]):
            song.leave(line, "the title is given below")
        return
    written = bare(re.sub(r"^[^\w\"“«'(\[*_`¿¡]+", "", plain_text(text)))
    title = bare(_AFTER_TITLE.sub("", _BEFORE_TITLE.sub("", written))) or written
    if title:
        song.once("name", Line(line.number, title))
        if title != written:
            song.guess("title", f"from {written!r}", line.number)


def read_heading(text: str, *, numbered_only: bool = False) -> SegmentHeading | None:
    """Read the heading of a segment; None for any other heading.

    "Segment 10 - Chorus (Vocal + Instrumental)", "7. Instrumental: Digital Bandoneón",
    "Verso 2 – Caos y Suerte". With ``numbered_only`` a bare section is none.
    """
    text = re.sub(r"^[^\w\"“«'(\[*_`]+", "", bare(" ".join(text.split())))
    found = SegmentHeading()
    tag = section_tag(text) if unescape(text).startswith("[") else None
    if tag is not None:
        found.section, found.section_text = tag.section, tag.written
        found.times, found.again = tag.times, tag.again
        found.directions, found.rest = list(tag.directions), list(tag.unclear)
        return found
    text = bare(re.sub(r"^\[(.*)\]$", r"\1", text))
    explicit, listed = _NUMBERED.match(text), _LISTED.match(text)
    if explicit and _segment_word(text, explicit):
        found.number, text = int(explicit[1]), explicit[2]
    elif listed:
        found.number, text = int(listed[1]), listed[2]
    _read_rest(text, found)
    if explicit and found.number is not None and listed is None:
        return found
    return None if numbered_only or found.section is None else found


def _segment_word(text: str, match: re.Match[str]) -> bool:
    # "Part 2" and "Take 2" alone are too vague; a segment says so or names its section.
    certain = re.match(r"segment|clip|track|pista", text, re.IGNORECASE) is not None
    return certain or any(section_phrase(part) for part in _SEPARATOR.split(match[2]))


def _read_rest(text: str, found: SegmentHeading) -> None:
    asides = re.findall(r"[(\[]([^()\[\]]*)[)\]]", text)
    names = []
    for part in _SEPARATOR.split(re.sub(r"[(\[][^()\[\]]*[)\]]", " ", text)):
        part = part.strip(" -–—|/:·")
        section = section_phrase(part)
        if section and found.section is None:
            found.section, found.section_text = section, shown(part)
        elif part:
            names.append(shown(part))
            described = described_section(part)
            if described and found.section is None:
                found.section = described
                found.section_text = found.played_by = names[-1]
    found.name = " - ".join(names) or None
    for aside in asides:
        _read_aside(aside.strip(), found)


def _read_aside(text: str, found: SegmentHeading) -> None:
    words = plain(text)
    section = section_phrase(text)
    times = times_of(text)
    if re.search(r"\bvoc|\bvoz|\bvoces", words) and re.search(r"instr|backing|base", words):
        if set(re.split(r"[\s+&,/]+", words)) <= _PARTS:
            found.with_backing = text
        else:
            found.rest.append(text)
    elif re.fullmatch(r"instrumental(?: only)?|no vocals?|sin voz|solo instrumental", words):
        found.instrumental = text
    elif times and times <= MOST_TIMES:
        found.times = times
    elif is_cue(text):
        found.directions.append(text)
    elif section and found.section is None:
        found.section, found.section_text = section, text
    elif not _read_quantity(text, found) and text:
        found.rest.append(text)


def _read_quantity(text: str, found: SegmentHeading) -> bool:
    tempo = find_tempo(text, need_unit=True)
    if tempo and found.tempo is None and not _words(text[: tempo.start] + text[tempo.end :]):
        found.tempo = tempo.value
        return True
    span = re.fullmatch(r"~?(\d+):([0-5]\d)\s*[-–—]\s*(\d+):([0-5]\d)", text)
    if span and found.seconds is None:
        # In a heading this is a place in the song, so its length is the difference.
        begun, ended = (int(span[n]) * 60 + int(span[n + 1]) for n in (1, 3))
        found.seconds, found.seconds_from = float(ended - begun), text
        return ended > begun
    length = find_duration(text)
    if length and length.unit == "bars" and not _words(text[: length.start] + text[length.end :]):
        found.bars = text
        return True
    if (
        length and length.unit == "seconds" and found.seconds is None
        and re.search(r"\d\s*[a-z:\"″]", plain(text))
        and not _words(text[: length.start] + text[length.end :])
    ):  # fmt: skip
        found.seconds, found.seconds_from = length.value, text
        return True
    return False


def _words(text: str) -> bool:
    return re.search(r"\w", text) is not None
