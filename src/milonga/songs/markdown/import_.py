"""Lyrics and prompts as people keep them, as a song sheet: ``import_markdown``."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from milonga.errors import Problem, SheetError
from milonga.generators.measures import (
    DEFAULT_TIME,
    METRES,
    Change,
    Metre,
    bars_of,
    chords_text,
    parse_chords,
)
from milonga.runtime.words import counted, plain
from milonga.songs.markdown.draft import Draft, Guess, Unplaced
from milonga.songs.markdown.exact import is_exact, read_exact
from milonga.songs.markdown.forms.others import read_chordpro, read_json
from milonga.songs.markdown.forms.timed import read_timed
from milonga.songs.markdown.gather import gather
from milonga.songs.markdown.lyrics import sing_again, take_lyrics
from milonga.songs.markdown.parts import Line
from milonga.songs.markdown.reader import read_parts
from milonga.songs.markdown.songs import only_song, song_name, songs_in
from milonga.songs.sheet.fields import BARS, NUMBERS, SECONDS, TEMPO, TEXTS
from milonga.songs.sheet.lyrics import has_words, word_count
from milonga.songs.sheet.model import DEFAULT_TEMPO, Layer, Segment, Sheet
from milonga.songs.sheet.quantities import find_tempo
from milonga.songs.sheet.text import number_text
from milonga.songs.sheet.text_file import read_any_source
from milonga.songs.sheet.yaml_writer import write_yaml

WORDS_PER_SECOND = 1.5
"""Speed of singing, pauses included, for segments whose length isn't given."""
INSTRUMENTAL_BARS = 8
_TIME = re.compile(r"(?<![\d/])(?:3/4|2/4|6/8|12/8)(?![\d/])")
_BLANKS = re.compile(r"[^\S\n]{64,}")
_SINGER = re.compile(
    r"\b(?:(?:fe)?males?|wom[ae]n|m[ae]n|girl|boy|femenina|masculina|mujer|hombre|"
    r"baritone|tenor|soprano|alto)\b"
)
_SINGING = re.compile(r"\b(?:vocals?|vocalists?|vox|voices?|singers?|sung|voz|voces|duet)\b")
_KEY = re.compile(r"\b[A-G][#b♯♭]? (?:major|minor|mayor|menor|dorian|mixolydian)\b")


@dataclass(frozen=True, slots=True)
class Imported:
    """A sheet from Markdown.

    ``unplaced`` lists the text that has no field, ``guesses`` what was concluded by segment
    number (None for the song); both in the order of the lines.
    """

    sheet: Sheet
    unplaced: tuple[Unplaced, ...]
    guesses: tuple[tuple[int | None, Guess], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the sheet, what was not placed and the guesses as plain values."""
        return {
            "sheet": self.sheet.to_dict(),
            "unplaced": [asdict(left) for left in self.unplaced],
            "guesses": [{"segment": number, **asdict(guess)} for number, guess in self.guesses],
        }

    def to_yaml(self) -> str:
        """Write the sheet as YAML, with comments at guesses and on the text that was not placed."""
        at = {segment.number: index for index, segment in enumerate(self.sheet.segments)}
        comments: dict[tuple[str | int, ...], list[str]] = {}
        for number, guess in self.guesses:
            loc: tuple[str | int, ...] = () if number is None else ("segments", at[number])
            comments.setdefault((*loc, guess.field), []).append(guess.text)
        if self.unplaced:
            comments["end",] = ["", "Not placed:"] + [
                f"  line {left.line}: {left.text}" for left in self.unplaced
            ]
        return write_yaml(self.sheet, comments)


def import_file(path: Path, *, song: int = 1) -> Imported:
    """Read a song from a file, whose name is the title where the text has none.

    See ``import_markdown`` for what it may hold.

    Raises:
        SheetError: the file can't be read, or holds no song.
    """
    text, encoding = read_any_source(path)
    imported = import_markdown(text, path, song=song)
    if encoding:
        note = (None, Guess("title", f"the file is read as {encoding}"))
        imported = replace(imported, guesses=(note, *imported.guesses))
    return imported


def import_markdown(text: str, source: Path | None = None, *, song: int = 1) -> Imported:
    """Read the song that a document describes: Markdown or plain text with sections, LRC, SubRip or
    WebVTT, ChordPro, or the JSON of a service.

    Args:
        text: the document.
        source: its file.
        song: which of several songs in it.

    Raises:
        SheetError: it describes none.

    Example:
        >>> found = import_markdown("# Uno\\n\\n## Verse 1\\n\\nla la la\\n")
        >>> found.sheet.title, found.sheet.segments[0].section
        ('Uno', 'verse 1')
    """
    if is_exact(text):
        sheet, left = read_exact(text, source)
        return Imported(sheet, tuple(left), ())
    text = _BLANKS.sub(" " * 64, text.removeprefix("\ufeff"))
    try:
        whole, drafts = read_timed(text) or _document(text, source, song)
        if not drafts:
            raise SheetError(
                "No song was found in it.",
                where=source,
                step="A segment begins with a heading such as '## Segment 10 - Chorus' or "
                "'## Verse 2', or its lyrics with a marker such as [Chorus]. Lyrics without any "
                "need short lines, in stanzas with an empty line between them.",
            )
        _number(drafts)
        imported = _built(whole, drafts, source)
    except ValidationError as error:
        problems = [
            Problem(found["msg"].removeprefix("Value error, "), ", ".join(map(str, found["loc"])))
            for found in error.errors(include_url=False)
        ]
        raise SheetError("No sheet can be made of it.", problems, where=source) from None
    except ValueError as error:  # a character that no text has
        raise SheetError(
            "No sheet can be made of it.", [Problem(str(error))], where=source
        ) from None
    return replace(imported, unplaced=tuple(_as_written(imported.unplaced, text.split("\n"))))


def _document(text: str, source: Path | None, number: int) -> tuple[Draft, list[Draft]]:
    parts = read_json(text) or read_chordpro(text) or read_parts(text)
    songs = songs_in(parts)
    if not 1 <= number <= max(len(songs), 1):
        raise SheetError(f"It has no song {number}.", where=source,
                         step=f"It holds {max(len(songs), 1)}.")  # fmt: skip
    if not songs:
        return gather(parts)
    song, drafts = gather(only_song(parts, songs, number))
    names = ", ".join(f"{n} {song_name(parts[one[0]])!r}" for n, one in enumerate(songs, 1))
    song.guess("title", f"song {number} of {len(songs)}: {names}; another one with --song")
    return song, drafts


def _as_written(unplaced: Sequence[Unplaced], lines: Sequence[str]) -> Iterator[Unplaced]:
    """Yield what was not placed; the entry of a list with its mark, as it stands in the file."""
    for left in unplaced:
        written = lines[left.line - 1].strip()
        mark = written.removesuffix(left.text)
        listed = mark != written and re.fullmatch(r"(?:[-*+]|\d+[.)])\s+(?:\[[ xX]\]\s+)?", mark)
        yield replace(left, text=written) if listed else left


def _built(song: Draft, drafts: Sequence[Draft], source: Path | None) -> Imported:
    title = song.values.get("name")
    if title is None:
        title = drafts[0].values.get("name", "") if len(drafts) == 1 else ""
        title = title or (source.stem if source else "Untitled")
        song.guess("title", "none was given")
    found = [take_lyrics(draft, bilingual=song.bilingual) for draft in drafts]
    lyrics = sing_again(drafts, found)
    for draft in (song, *drafts):
        _implied(draft)
    tempo = song.numbers.get("tempo")
    if tempo is None:
        tempi = Counter(d.numbers["tempo"] for d in drafts if "tempo" in d.numbers)
        tempo = tempi.most_common(1)[0][0] if tempi else DEFAULT_TEMPO
        song.guess("tempo", "that of most segments" if tempi else "none was given")
    metre = METRES[song.values.get("time", DEFAULT_TIME)]
    segments = [
        _segment(draft, words, draft.numbers.get("tempo", tempo), metre)
        for draft, words in zip(drafts, lyrics, strict=True)
    ]
    _leave_song_fields(song)
    sheet = Sheet.model_validate(
        {
            "title": title,
            "artist": song.values.get("artist", ""),
            "tempo": tempo,
            "time": metre.name,
            "language": song.values.get("language"),
            "key": song.values.get("key"),
            "generators": song.generators,
            "segments": tuple(segments),
            **_joined(song),
        }
    )
    unplaced = sorted(
        (left for draft in (song, *drafts) for left in draft.unplaced), key=lambda left: left.line
    )
    guesses = [(None, guess) for guess in song.guesses]
    named = [(d.number, guess) for d in drafts for guess in d.guesses]
    return Imported(sheet, tuple(unplaced), (*guesses, *named))


def _segment(draft: Draft, lyrics: str | None, tempo: float, metre: Metre) -> Segment:
    metre = METRES[draft.values.get("time", metre.name)]
    chords = _chords(draft)
    words = has_words(lyrics)
    section = draft.values.get("section")
    if section is None:
        section = "verse" if words and not draft.instrumental else "instrumental"
        draft.guess("section", "none was given")
    layers: tuple[Layer, ...] = ()
    if draft.instrumental is not None:
        if words:
            draft.leave(draft.instrumental, "there are lyrics")
        elif not any(repr(draft.instrumental.text) in guess.text for guess in draft.guesses):
            draft.guess("section", f"instrumental, from {draft.instrumental.text!r}",
                        draft.instrumental.number)  # fmt: skip
    if draft.with_backing is not None:
        if words:
            layers = (Layer(role="vocals"), Layer(role="backing"))
            draft.guess("layers", f"from {draft.with_backing.text!r}", draft.with_backing.number)
        else:
            draft.leave(draft.with_backing, "there are no lyrics")
    return Segment.model_validate(
        {
            "number": draft.number or 1,
            "name": _name(draft, section),
            "section": section,
            **_length(draft, lyrics, tempo, metre, bars_of(chords)),
            "pickup": draft.numbers.get("pickup", 0.0),
            "time": draft.values.get("time"),
            "chords": chords_text(chords) or None,
            "tempo": draft.numbers.get("tempo"),
            "key": draft.values.get("key"),
            "language": draft.values.get("language"),
            "baseline": draft.values.get("baseline"),
            "generators": draft.generators,
            "lyrics": lyrics,
            "layers": layers,
            **_joined(draft),
        }
    )


def _joined(draft: Draft) -> dict[str, Any]:
    return {
        name: re.sub(r"(?<=[.!?:]), ", " ", ", ".join(draft.joined[name]))
        for name in TEXTS
        if draft.joined.get(name)
    }


def _name(draft: Draft, section: str) -> str:
    given, heading = draft.values.get("name"), draft.values.get("heading")
    if given and heading and plain(given) != plain(heading):
        draft.guess("name", f"the heading says {heading!r}", draft.line)
    name = given or heading or draft.values.get("fallback")
    if name is None:
        name = section.capitalize()
        draft.guess("name", "none was given")
    return name


def _implied(draft: Draft) -> None:
    """Take a tempo and a key that only the style mentions."""
    for text in draft.joined.get("style", ()):
        found = find_tempo(text, need_unit=True)
        usable = found is not None and TEMPO[0] <= found.value <= TEMPO[1]
        if found is not None and usable and "tempo" not in draft.numbers:
            draft.numbers["tempo"] = found.value
            draft.guess("tempo", f"from the style {text!r}")
        key = _KEY.search(text)
        if key is not None and "key" not in draft.values:
            draft.values["key"] = key[0]
            draft.guess("key", f"from the style {text!r}")
        if voices := _voices(text) if not draft.joined.get("voice") else []:
            draft.add("voice", ", ".join(voices))
            draft.guess("voice", f"from the style {text!r}")
        time = _TIME.search(text)
        if time is not None and "time" not in draft.values:
            draft.values["time"] = time[0]
            draft.guess("time", f"from the style {text!r}")


def _voices(style: str) -> list[str]:
    """Return the parts of a style that say who sings: "airy female vocal"."""
    pieces = [piece.strip() for piece in re.split(r"[,;.|]", style) if len(piece) <= 80]
    return [p for p in pieces if _SINGER.search(plain(p)) and _SINGING.search(plain(p))]


def _chords(draft: Draft) -> tuple[Change, ...]:
    """Join the chords of a segment: those between bar lines share a bar, else each has one."""
    found: list[Change] = []
    for line in draft.chords:
        text = re.sub(r"\(.*?\)|[x×]\s?\d+|\*", " ", line.text)
        # An empty bar goes on with the one before.
        text = re.sub(r"(?<=\|)\s+(?=\|)", " % ", text)
        try:
            text = text if "|" in text else text.replace("-", " ")
            found += parse_chords(text, found[-1].chord if found else None)
        except ValueError:
            draft.leave(line, "chords")
    if found:
        first = draft.chords[0].number
        draft.guess("chords", "from the chords over the words; one a bar without bar lines", first)
    return tuple(found)


def _length(
    draft: Draft, lyrics: str | None, tempo: float, metre: Metre, chords: Fraction
) -> dict[str, float]:
    """The length of a segment, as seconds or as bars; ``chords`` in bars are a unit of a guess."""
    given = draft.numbers.get("seconds")
    bar = metre.bar_s(tempo)
    if given is not None:
        if draft.bars is not None:
            draft.leave(draft.bars[1], "the length is given in seconds already")
        return {"seconds": given}
    if draft.bars is not None:
        bars = draft.bars[0]
        if BARS[0] <= bars <= BARS[1] and SECONDS[0] <= bars * bar <= SECONDS[1]:
            return {"bars": bars}
        draft.guess("seconds", f"from {draft.bars[1].text!r}", draft.bars[1].number)
        return {"seconds": _clamped(bars * bar)}
    count = word_count(lyrics or "")
    if count:
        bars = math.ceil(count / WORDS_PER_SECOND / bar)
        said = f"none were given; estimated from {counted(count, 'word')}"
    else:
        bars, said = INSTRUMENTAL_BARS, f"none were given; {INSTRUMENTAL_BARS} bars"
    if chords and SECONDS[0] <= (whole := math.ceil(bars / chords) * chords) * bar <= SECONDS[1]:
        times = whole / chords
        said = f"none was given; its chords{'' if times == 1 else f', {times} times'}"
        draft.guess("bars", said)
        return {"bars": float(whole)}
    draft.guess("seconds", said)
    return {"seconds": _clamped(bars * bar)}


def _clamped(seconds: float) -> float:
    return round(min(max(seconds, SECONDS[0]), SECONDS[1]), 2)


def _leave_song_fields(song: Draft) -> None:
    """List values of the whole song that only a segment can have."""
    for line in song.chords:
        song.leave(line, "chords are a segment's")
    if "pickup" in song.numbers:
        text = f"{number_text(song.numbers['pickup'])} beats"
        song.leave(Line(song.line, text), "a pickup is a segment's")
    for name in ("section", "baseline"):
        if name in song.values:
            song.leave(Line(song.lines[name], song.values[name]), f"a {name} is a segment's")
    if "seconds" in song.numbers:
        text = f"{number_text(song.numbers['seconds'])} s"
        song.leave(Line(song.lines["seconds"], text), "each segment has a length of its own")
    if song.instrumental is not None:
        song.leave(song.instrumental, "belongs to a segment")
    if song.bars is not None:
        song.leave(song.bars[1], "belongs to a segment")


def _number(drafts: Sequence[Draft]) -> None:
    """Give every segment a number of its own, in order where it has none."""
    taken = {draft.number for draft in drafts if draft.number is not None}
    seen: set[int] = set()
    last = 0
    for draft in drafts:
        given = draft.number
        if given is not None and given not in seen and NUMBERS[0] <= given <= NUMBERS[1]:
            last = given
        else:
            last += 1
            while last in taken or last in seen:
                last += 1
            draft.number = last
            if given is not None:
                draft.guess("number", f"{given} is taken or out of range", draft.line)
        seen.add(last)
