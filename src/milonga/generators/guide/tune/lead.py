"""The lead instrument, and the answers where the singer breathes."""

from __future__ import annotations

from collections.abc import Sequence

from milonga.generators.base import Request
from milonga.generators.guide.band.harmony import Key
from milonga.generators.guide.band.instruments import Instrument
from milonga.generators.guide.band.styles import Band
from milonga.generators.guide.score import Bar, MelodyLine, MelodyNote, Note, ScorePart, dice
from milonga.generators.guide.tune.melody import VoiceRange, bar_scale
from milonga.generators.measures import Metre
from milonga.generators.words.sections import SectionKind

_LEAST_GAP_BEATS = 1.8
_BRACKETS_VELOCITY = 66


def lead_range(instrument: Instrument) -> VoiceRange:
    """Choose an instrument's range for a tune, above the chords where it can."""
    return VoiceRange(max(instrument.low, min(62, instrument.high - 19)), instrument.high)


def lead_part(band: Band, melody: Sequence[MelodyLine], level_db: float = 0.0) -> ScorePart:
    """The tune, note for note; words in round brackets softer."""
    notes = [
        Note(note.start_s, note.end_s, note.pitch, _velocity(note, line.answer, band.energy))
        for line in melody
        for note in line.notes
    ]
    return band.lead.part("lead", notes, level_db)


def second_part(band: Band, melody: Sequence[MelodyLine], bars: Sequence[Bar]) -> ScorePart:
    """A voice under the tune's held notes: the nearest chord tone a third or more below."""
    notes = []
    for line in melody:
        for note in line.notes:
            bar = _bar_at(bars, note.start_s)
            under = next(
                (
                    note.pitch - d
                    for d in (3, 4, 5, 8, 9)
                    if (note.pitch - d) % 12 in bar.chord.pitch_classes
                ),
                None,
            )
            if note.sustained and under is not None and under >= band.lead.low:
                notes.append(Note(note.start_s, note.end_s, under, 74))
    return band.lead.part("second", notes, -8.0, pan=-0.35)


def answer_part(
    band: Band,
    melody: Sequence[MelodyLine],
    bars: Sequence[Bar],
    key: Key,
    request: Request,
    kind: SectionKind,
) -> ScorePart:
    """Write an instrument's part in the gaps of a singer: the last line's end, echoed on the
    chord of the moment, an octave that keeps out of the voice's way."""
    beat_s, metre = 60.0 / request.tempo, request.metre
    draw = dice(request.seed, "answer", kind)
    total_s = bars[-1].end_s
    first = melody[0].start_s if melody else total_s
    notes = _lead_in(band, bars, first, beat_s, metre)
    for index, line in enumerate(melody):
        if line.answer or not line.notes:
            continue
        following = melody[index + 1].start_s if index + 1 < len(melody) else total_s
        # The last syllable is still held while the echo begins.
        begin_s = _next_beat(line.notes[-1].start_s + beat_s, beat_s / (3 if metre.compound else 2))
        if following - begin_s < _LEAST_GAP_BEATS * beat_s or band.energy < 0.2:
            continue
        size = int(draw.integers(3, 6))
        notes += _echo(line.notes[-size:], begin_s, following - 0.1, bars, key, band.lead)
    return band.lead.part("answer", notes, -5.0, pan=0.3)


def sparkle_part(band: Band, melody: Sequence[MelodyLine]) -> ScorePart:
    """Single notes over a bed of sound: where the tune would rest."""
    notes = [
        Note(note.start_s, note.end_s + 0.5, note.pitch, 62)
        for line in melody
        for note in line.notes[-1:]
    ]
    return band.lead.part("lead", notes, -6.0)


def _echo(
    motif: Sequence[MelodyNote],
    begin_s: float,
    end_s: float,
    bars: Sequence[Bar],
    key: Key,
    instrument: Instrument,
) -> list[Note]:
    shift = begin_s - motif[0].start_s
    mean = sum(note.pitch for note in motif) / len(motif)
    middle = (lead_range(instrument).low + instrument.high) / 2
    octave = 12 * round((middle - mean) / 12)
    notes: list[Note] = []
    for position, note in enumerate(motif):
        start_s, stop_s = note.start_s + shift, min(note.end_s + shift, end_s)
        if start_s > end_s - 0.15:
            break
        bar = _bar_at(bars, start_s)
        last = position == len(motif) - 1
        allowed = bar.chord.pitch_classes if last or note.sustained else bar_scale(key, bar)
        pitch = _snap(note.pitch + octave, allowed)
        notes.append(Note(start_s, max(stop_s, start_s + 0.1), pitch, 76))
    return notes


def _lead_in(
    band: Band, bars: Sequence[Bar], until_s: float, beat_s: float, metre: Metre
) -> list[Note]:
    """Before the first line: the chord's notes upwards, one a beat, in every second bar."""
    notes: list[Note] = []
    middle = (lead_range(band.lead).low + band.lead.high) // 2
    for bar in bars:
        if bar.end_s > until_s + 1e-6 or bar.index % 2 == 0 or bar.hold:
            continue
        pitch = middle - 6
        for beat in range(metre.beats):
            pitch = _snap(pitch + 3, bar.chord.pitch_classes)
            start_s = bar.start_s + beat * beat_s
            notes.append(Note(start_s, start_s + 0.9 * beat_s, pitch, 72))
    return notes


def _snap(pitch: int, allowed: Sequence[int] | frozenset[int]) -> int:
    distances = (0, -1, 1, -2, 2, -3, 3, -4, 4, -5, 5, 6)
    return next(pitch + d for d in distances if (pitch + d) % 12 in allowed)


def _next_beat(at_s: float, beat_s: float) -> float:
    return round(at_s / beat_s + 0.499) * beat_s


def _bar_at(bars: Sequence[Bar], at_s: float) -> Bar:
    return next((bar for bar in reversed(bars) if bar.start_s <= at_s + 1e-6), bars[0])


def _velocity(note: MelodyNote, answer: bool, energy: float) -> int:
    if answer:
        return _BRACKETS_VELOCITY
    return int(84 + 18 * energy + (8 if note.sustained else 0))
