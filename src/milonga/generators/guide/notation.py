"""The guide's score as notes and sung words that other programs read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from milonga.generators.base import Request
from milonga.generators.guide.playing.render import VOICE, group_of
from milonga.generators.guide.score import MelodyLine, Score
from milonga.generators.notation import Notation, WrittenLine, WrittenNote, WrittenPart
from milonga.generators.words.syllables import words_of

_OOHS = 53
"""General MIDI's program for a voice."""

_Word = tuple[str, float, float]


def notation_of(request: Request, score: Score, melody: Sequence[MelodyLine] = ()) -> Notation:
    """Return a score as notes, and with the tune that a voice sings as words.

    Args:
        request: that the score was written for.
        score: of the band.
        melody: what the voice sings; empty where there is none.
    """
    found: dict[tuple[str, int], WrittenPart] = {}
    for part in score.parts.values():
        played = tuple(WrittenNote(n.start_s, n.end_s, n.pitch, n.velocity) for n in part.notes)
        # A kit is one instrument, its kick included.
        name = "drums" if part.drums else part.name
        if (name, part.program) in found:
            found[name, part.program] = found[name, part.program].with_more(played)
            continue
        found[name, part.program] = WrittenPart(
            f"{name}: {part.instrument}" if part.instrument else name,
            group_of(part), part.program, played, part.drums, part.level_db, part.pan,
        )  # fmt: skip
    parts = [*found.values()]
    lines: list[WrittenLine] = []
    if melody:
        notes, lines = _sung(request, melody)
        parts.append(WrittenPart(VOICE, VOICE, _OOHS, tuple(notes)))
    return Notation(score.seconds, tuple(part for part in parts if part.notes), tuple(lines))


def joined_notation(segments: Sequence[Notation]) -> Notation:
    """Join the segments of a song in one take, one after the other.

    A part keeps its name where its instrument stays the same.
    """
    found: dict[tuple[str, int, bool], WrittenPart] = {}
    lines: list[WrittenLine] = []
    at = 0.0
    for segment in segments:
        for part in segment.parts:
            moved = part.moved(at)
            key = part.name, part.program, part.drums
            found[key] = found[key].with_more(moved.notes) if key in found else moved
        lines += [line.moved(at) for line in segment.lines]
        at += segment.seconds
    return Notation(at, tuple(found.values()), tuple(lines))


def _sung(
    request: Request, melody: Sequence[MelodyLine]
) -> tuple[list[WrittenNote], list[WrittenLine]]:
    from milonga.generators.guide.voice.casting import cast
    from milonga.generators.guide.voice.vocals import is_spoken, line_manners

    singers = cast(request.voice)
    manners = line_manners(request.lyrics, spoken=is_spoken(request))
    notes: list[WrittenNote] = []
    by_line: dict[int, list[tuple[MelodyLine, list[_Word]]]] = {}
    for line in melody:
        if not line.words:
            continue
        spoken = manners[line.line_index].spoken
        by_line.setdefault(line.line_index, []).append((line, [] if spoken else [*_words(line)]))
        if not spoken:
            singer = singers.singer_of(line.line_index, line.answer)
            notes += _notes(line, singer.range.low - singers.lead.range.low)
    lines = []
    for index, breaths in sorted(by_line.items()):
        begins = min(line.start_s for line, _ in breaths)
        ends = max(line.end_s for line, _ in breaths)
        words = tuple(sorted((word for _, own in breaths for word in own), key=lambda w: w[1]))
        lines.append(WrittenLine(request.sung[index].text, begins, ends, words))
    return sorted(notes, key=lambda note: note.start_s), lines


def _notes(line: MelodyLine, semitones: int) -> Iterator[WrittenNote]:
    syllables = [
        syllable + " " * (place == len(word) - 1)
        for word in line.words
        for place, syllable in enumerate(word)
    ]
    base = min((note.syllable_index for note in line.notes), default=0)
    before = None
    for note in line.notes:
        # Only the first of several notes of a syllable has its text.
        index = note.syllable_index - base
        text = syllables[index] if index != before and index < len(syllables) else ""
        before = index
        pitch = min(max(note.pitch + semitones, 0), 127)
        yield WrittenNote(note.start_s, note.end_s, pitch, 100, text)


def _words(line: MelodyLine) -> Iterator[_Word]:
    """The words with their punctuation, from their first note to the end of their last one."""
    base = min((note.syllable_index for note in line.notes), default=0)
    spelled = _with_marks(line.text)
    if len(spelled) != len(line.words):
        spelled = ["".join(word) for word in line.words]
    at = 0
    for place, (text, word) in enumerate(zip(spelled, line.words, strict=True)):
        span = range(base + at, base + at + len(word))
        at += len(word)
        own = [note for note in line.notes if note.syllable_index in span]
        if own:
            opens, closes = place == 0, place == len(spelled) - 1
            text = "(" * (opens and line.answer) + text + ")" * (closes and line.answer)
            yield text, own[0].start_s, own[-1].end_s


def _with_marks(text: str) -> list[str]:
    """Words with what stands around them: "love, and" gives "love," and "and"."""
    spelled, at = [], 0
    starts = []
    for word in words_of(text):
        at = text.index(word, at)
        starts.append(at)
        at += len(word)
    for place, start in enumerate(starts):
        end = starts[place + 1] if place + 1 < len(starts) else len(text)
        spelled.append(re.sub(r"\s+", " ", text[start if place else 0 : end]).strip())
    return spelled
