"""From a request to a written score: which parts play, and what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from milonga.generators.base import Request
from milonga.generators.guide.band.drums import Grid, drum_parts
from milonga.generators.guide.band.harmony import bars_of, parse_key
from milonga.generators.guide.band.harmony_parts import bass_part, chords_part, pad_part
from milonga.generators.guide.band.styles import band_for
from milonga.generators.guide.score import Bar, Score, ScorePart
from milonga.generators.guide.tune.lead import (
    answer_part,
    lead_part,
    lead_range,
    second_part,
    sparkle_part,
)
from milonga.generators.guide.tune.melody import compose_melody
from milonga.generators.words.sections import section_kind

_SLIVER_S = 1e-6


def arrange(
    request: Request,
    *,
    lead: str = "",
    drums: bool | None = None,
    tune: bool | None = None,
    band: bool = True,
) -> Score:
    """Write the score of a request.

    Args:
        lead: plays the tune in place of what the style names (see ``instruments``).
        drums: overrules the style.
        tune: whether an instrument plays the tune. By default it does, save in a backing with
            lyrics, where it answers the singer.
        band: whether anything but the tune is played.

    Raises:
        GeneratorError: the key can't be read.
    """
    key, kind = parse_key(request.key), section_kind(request.section)
    players = band_for(request, lead, drums)
    bars = bars_of(request)
    melody = compose_melody(request, lead_range(players.lead))
    grid = Grid.of(request, players.groove)
    if tune is None:
        tune = not (request.role == "backing" and request.sung)
    parts: list[ScorePart | None] = []
    if request.role == "texture":
        parts += [
            pad_part(players, bars, key, kind, request.seed, texture=True),
            sparkle_part(players, melody),
        ]
        if players.pad is None:
            parts.append(chords_part(players, bars, key, grid, kind, request.seed))
    else:
        if tune:
            quiet = request.role == "backing"
            parts.append(lead_part(players, melody, -6.0 if quiet else -1.5))
            if request.role == "instrumental" and players.energy > 0.8:
                parts.append(second_part(players, melody, bars))
        elif band and request.sung:
            parts.append(answer_part(players, melody, bars, key, request, kind))
        if band:
            if players.drums:
                parts += drum_parts(players, bars, grid, kind, request.seed)
            parts += [
                _resting(bass_part(players, bars, grid, kind, request.seed), bars),
                _resting(chords_part(players, bars, key, grid, kind, request.seed), bars),
                _resting(pad_part(players, bars, key, kind, request.seed), bars),
            ]
    written = {part.name: part for part in parts if part is not None and part.notes}
    return Score(request.tempo, key.name, request.seconds, bars, melody, written)


def _resting(part: ScorePart | None, bars: Sequence[Bar]) -> ScorePart | None:
    """A part without notes where a bar has no chord, and without those that ring into it."""
    for bar in bars:
        if part is not None and bar.chord.silent:
            notes = (
                replace(note, end_s=min(note.end_s, bar.start_s))
                if note.start_s < bar.start_s else note
                for note in part.notes
                if not bar.start_s <= note.start_s < bar.end_s - _SLIVER_S
            )  # fmt: skip
            part = replace(part, notes=tuple(notes))
    return part
