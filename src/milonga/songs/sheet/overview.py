"""Overview of a sheet as plain values, with notes: for ``song check``."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from milonga import audio
from milonga.errors import MilongaError
from milonga.generators.measures import bars_of, parse_chords
from milonga.songs.sheet.fields import TEXTS
from milonga.songs.sheet.lyrics import has_words, parse_lyrics, word_count
from milonga.songs.sheet.model import Layer, Segment, Sheet
from milonga.songs.sheet.sections import SECTIONS, section_named

FASTEST_WORDS_PER_S = 5.0
OFF_GRID = 0.01
"""In bars: seconds with two decimals are on the grid."""


def overview(sheet: Sheet, known: Collection[str]) -> dict[str, Any]:
    """Describe a sheet: everything filled in, totals, and notes on what will not go as written.

    Args:
        sheet: the song.
        known: names of the generators that this version has.
    """
    segments = [_segment(segment, sheet, known) for segment in sheet.segments]
    texts = [text for segment in sheet.segments for text in _texts(segment)]
    lines = [line for text in texts for line in parse_lyrics(text)]
    return {
        "path": str(sheet.source) if sheet.source else None,
        "title": sheet.title,
        "artist": sheet.artist or None,
        "segments": segments,
        "whole": _whole(sheet, known),
        "totals": {
            "segments": len(segments),
            "layers": sum(len(segment["layers"]) for segment in segments),
            "seconds": round(sheet.seconds, 3),
            "lines": sum(1 for line in lines if line.text),
            "directions": sum(len(line.directions) for line in lines),
            "words": sum(word_count(text) for text in texts),
        },
        "notes": list(dict.fromkeys(_notes(sheet))),
    }


def _texts(segment: Segment) -> Iterator[str]:
    """Yield every text of lyrics once: the segment's, and those that layers have instead."""
    if segment.lyrics:
        yield segment.lyrics
    for layer in segment.layers:
        if layer.lyrics:
            yield layer.lyrics


def _segment(segment: Segment, sheet: Sheet, known: Collection[str]) -> dict[str, Any]:
    return {
        "number": segment.number,
        "name": segment.name,
        "section": segment.section,
        "seconds": round(segment.seconds, 3),
        "bars": round(sheet.bars_of(segment), 3),
        "pickup": segment.pickup,
        "tempo": sheet.tempo_of(segment),
        "time": sheet.time_of(segment),
        "key": sheet.key_of(segment),
        "chords": segment.chords,
        "layers": [_layer(segment, layer, sheet, known) for layer in segment.layers],
        "options": segment.options,
        "baseline": _baseline(sheet.baseline_path(segment)),
    }


def _whole(sheet: Sheet, known: Collection[str]) -> dict[str, Any] | None:
    if sheet.whole is None:
        return None
    request = sheet.whole_request(seed=0)
    return {
        "seconds": request.seconds,
        "tempo": request.tempo,
        "time": request.time,
        "key": request.key,
        "generators": [{"name": n, "available": n in known} for n in sheet.whole.generators],
        "gain_db": sheet.whole.gain_db,
        **{name: getattr(request, name) for name in TEXTS},
        "options": sheet.whole.options,
    }


def _layer(segment: Segment, layer: Layer, sheet: Sheet, known: Collection[str]) -> dict[str, Any]:
    request = sheet.request(segment, layer, seed=0)
    return {
        "role": layer.role,
        "generators": [{"name": n, "available": n in known} for n in layer.generators],
        "gain_db": layer.gain_db,
        **{name: getattr(request, name) for name in TEXTS},
        "lyrics": [
            {"text": line.text, "language": line.language, "directions": list(line.directions)}
            for line in request.lyrics
        ],
    }


def _baseline(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    found: dict[str, Any] = {"path": str(path), "seconds": None, "problem": None}
    if not path.exists():
        return {**found, "problem": "is not there."}
    try:
        return {**found, "seconds": round(audio.probe(path).seconds, 3)}
    except MilongaError as error:
        return {**found, "problem": f"can't be used: {error.message}"}


def _notes(sheet: Sheet) -> Iterator[str]:
    for segment, following in zip(sheet.segments, (*sheet.segments[1:], None), strict=True):
        where = f"segment {segment.number}"
        yield from (f"{where}: {note}" for note in _lyric_notes(segment))
        yield from (f"{where}: {note}" for note in _bar_notes(segment, following, sheet))
        if section_named(segment.section) is None:
            yield (
                f"{where}: {segment.section!r} is no section that is known here "
                f"({', '.join(SECTIONS)}); generators may take it for a verse."
            )


def _bar_notes(segment: Segment, following: Segment | None, sheet: Sheet) -> Iterator[str]:
    bars, metre, tempo = sheet.bars_of(segment), sheet.metre_of(segment), sheet.tempo_of(segment)
    near = max(1, round(bars))
    # Where seconds are given, the pickup of the next segment may fill the last bar.
    after = following.pickup if following and segment.bars is None else 0.0
    filled = bars + after / metre.beats
    if following and after and abs(bars - round(bars)) <= OFF_GRID:
        yield (
            f"the pickup of segment {following.number} comes after its last bar. To have it on the "
            f"last beats of that bar write bars: {near} instead of seconds."
        )
    if all(abs(each - round(each)) > OFF_GRID for each in (bars, filled)):
        seconds = (near * metre.beats + segment.pickup) * 60.0 / tempo
        yield (
            f"{segment.seconds:.4g} s are {bars:.3g} bars of {metre.name} at {tempo:g} BPM, off "
            f"the grid. The nearest whole length: {seconds:.4g} s, bars: {near}."
        )
    chords = bars_of(parse_chords(segment.chords)) if segment.chords else 0
    if chords > math.ceil(bars - OFF_GRID):
        yield f"its chords are for {float(chords):g} bars; it has {bars:.3g}."


def _lyric_notes(segment: Segment) -> Iterator[str]:
    roles = [layer.role for layer in segment.layers]
    vocals = segment.voice_layer
    text = (vocals.lyrics if vocals else None) or segment.lyrics or ""
    if vocals is not None and not has_words(text):
        yield f"it has a {vocals.role} layer and no words to sing."
    if vocals is None and has_words(text):
        yield f"its words are not sung: it has only {', '.join(roles)}."
    speed = word_count(text) / segment.seconds
    if vocals is not None and speed > FASTEST_WORDS_PER_S:
        yield f"{word_count(text)} words in {segment.seconds:.4g} s are more than anybody sings."
