"""The notes and words of a song, from those of the takes that play it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from milonga.analysis.words.lrc import TimedLine
from milonga.generators.notation import Notation, WrittenLine, WrittenNote, WrittenPart
from milonga.songs.export.stems import SongMix
from milonga.songs.export.timeline import Place, TempoMap, tempo_map
from milonga.songs.output.mix import MIX_RATE
from milonga.songs.output.mixing import PlayedTake
from milonga.songs.rendering.cuts import find_cuts
from milonga.songs.sheet.model import Sheet

NotationOf = Callable[[PlayedTake], Notation | None]
"""What is known of the notes and words of a take, in the time of its sound as it plays."""


@dataclass(frozen=True, slots=True)
class SongScore:
    """A song as notes and words, in the song's own time.

    Attributes:
        places: the segments that sound, in order.
        tempo: bars and beats.
        parts: one an instrument.
        lines: of lyrics, in order of time.
    """

    title: str
    artist: str
    seconds: float
    places: tuple[Place, ...]
    tempo: TempoMap
    parts: tuple[WrittenPart, ...]
    lines: tuple[WrittenLine, ...]

    @property
    def sources(self) -> list[str]:
        """What heard the lines whose times were measured, each once."""
        return [*dict.fromkeys(line.source for line in self.lines if line.source)]


def song_score(sheet: Sheet, mix: SongMix, notation_of: NotationOf) -> SongScore:
    """Gather the notes and words of what plays.

    Args:
        sheet: the song.
        mix: what plays, and where.
        notation_of: what is known of a take.
    """
    places = places_of(sheet, mix)
    parts: dict[tuple[str, int, bool, str], WrittenPart] = {}
    lines: list[WrittenLine] = []
    for segment, start in zip(mix.segments, mix.starts, strict=True):
        begun: set[tuple[str, int, bool, str]] = set()
        for take in segment:
            found = notation_of(take)
            if found is None:
                continue
            at_s = start / MIX_RATE
            for part in found.parts:
                key = part.name, part.program, part.drums, ""
                if key in begun:
                    # Two layers with the same instrument are two players.
                    key = (*key[:3], take.role)
                    part = replace(part, name=f"{part.name} ({take.role})")
                begun.add(key)
                moved = part.moved(at_s)
                parts[key] = parts[key].with_more(moved.notes) if key in parts else moved
            lines += [line.moved(at_s) for line in found.lines]
    return SongScore(
        sheet.title,
        sheet.artist or "",
        mix.joined.seconds,
        tuple(places),
        tempo_map(places),
        tuple(parts.values()),
        tuple(sorted(lines, key=lambda line: line.start_s)),
    )


def places_of(sheet: Sheet, mix: SongMix) -> list[Place]:
    """Return where each segment that sounds lies in the song."""
    by_number = {segment.number: segment for segment in sheet.segments}
    places = []
    for takes, start, length in zip(mix.segments, mix.starts, mix.lengths, strict=True):
        numbers = takes[0].numbers
        cuts = [start + cut for cut in _cuts(takes[0])]
        if len(cuts) != len(numbers) - 1:
            numbers, cuts = numbers[:1], []
        edges = [start, *cuts, start + length]
        for number, (begin, end) in zip(numbers, pairwise(edges), strict=True):
            segment = by_number[number]
            places.append(
                Place(
                    number, segment.name, segment.section, begin / MIX_RATE, end / MIX_RATE,
                    sheet.tempo_of(segment), sheet.metre_of(segment), sheet.key_of(segment),
                    segment.pickup,
                )
            )  # fmt: skip
    return places


def _cuts(take: PlayedTake) -> list[int]:
    """Where the second and later segments of a take begin, in samples of the mix."""
    rate = take.input.clip.sample_rate
    if take.cuts or len(take.numbers) == 1:
        return [round(cut * MIX_RATE / rate) for cut in take.cuts]
    parts = take.take.receipt.answers.parts
    if len(parts) != len(take.numbers):
        return []
    return [round(cut.time_s * MIX_RATE) for cut in find_cuts(take.input.clip, take.take.receipt)]


def within(notation: Notation, start_s: float, end_s: float) -> Notation:
    """Return what begins in a range of a take, in the time of the range."""

    def inside(at_s: float) -> bool:
        return start_s - 1e-6 <= at_s < end_s - 1e-6

    def kept(note: WrittenNote) -> WrittenNote:
        return replace(note, end_s=min(note.end_s, end_s))

    parts = (
        replace(part, notes=tuple(kept(note) for note in part.notes if inside(note.start_s)))
        for part in notation.parts
    )
    return Notation(
        end_s - start_s,
        tuple(part.moved(-start_s) for part in parts if part.notes),
        tuple(line.moved(-start_s) for line in notation.lines if inside(line.start_s)),
    )


def timed(lines: Sequence[WrittenLine]) -> list[TimedLine]:
    """Return lines as writers of LRC and SRT take them."""
    return [
        TimedLine(
            line.text, line.start_s, line.end_s, tuple((word, at) for word, at, _ in line.words)
        )
        for line in lines
    ]
