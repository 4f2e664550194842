"""The tune of a segment: one for the singer and for the instruments that play along.

A pure function of what the layers of a segment share: tempo, key, section, seed, seconds and
lyrics. Rhythm comes from the words (``rhythm``), pitch from a contour that the seed draws once
per section, so that a chorus has its tune wherever it comes back, also over words with a
syllable more or less. The contour is followed by the cheapest path through the notes of the key:
chord tones where notes are long or on strong beats, small steps between, no hard leaps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from milonga.generators.base import Request
from milonga.generators.guide.band.harmony import Key, bars_of, parse_key
from milonga.generators.guide.score import Bar, MelodyLine, MelodyNote, dice, within
from milonga.generators.guide.sections import SHAPES
from milonga.generators.guide.tune.phrasing import Breath, Placed, Slot, set_lines
from milonga.generators.guide.tune.rhythm import favoured_places, place
from milonga.generators.words.sections import SectionKind, section_kind

SUSTAINED_S = 0.45


class VoiceRange(NamedTuple):
    """Lowest and highest note of a voice, MIDI."""

    low: int
    high: int


FEMALE = VoiceRange(57, 74)
MALE = VoiceRange(45, 62)
"""Chest voice with a little head, where untrained singers sit: A2 to D4, a woman's an octave
above. Both are the same tune, an octave apart."""

_CENTRE = 63.0


def compose_melody(request: Request, voice_range: VoiceRange = FEMALE) -> tuple[MelodyLine, ...]:
    """The tune of a segment, sung lines in order, or instrumental phrases where there are none.

    Lines start on bars (an ``answer``, words in round brackets, follows its line), one note a
    syllable, every phrase leaves a breath. Lyrics that are too long for the seconds come out
    squeezed; ``Guide.assess`` refuses them for a singer beforehand.

    Args:
        request: role, style, voice, negative and options make no difference.
        voice_range: the tune is moved by octaves to lie in it.

    Raises:
        GeneratorError: the key can't be read.
    """
    key = parse_key(request.key)
    kind = section_kind(request.section)
    slots = set_lines(request).slots
    if not slots:
        slots = _phrases(request, kind)
    tune = _Tune(key, kind, request, bars_of(request), len(slots))
    lines: list[MelodyLine] = []
    for number, slot in enumerate(slots):
        lines += tune.line(number, slot)
    shift = _octave(lines, voice_range)
    return tuple(_moved(line, shift, voice_range) for line in lines)


def _phrases(request: Request, kind: SectionKind) -> tuple[Slot, ...]:
    """Instrumental phrases of two bars (one where bars are long or few), in the pattern A A B A."""
    beat_s = 60.0 / request.tempo
    beats = request.metre.beats
    total = (request.seconds - 0.05) / beat_s - request.pickup
    length = beats * (1 if beat_s * beats > 3.2 else 2 if beat_s * beats > 1.4 else 4)
    slots: list[Slot] = []
    start = 0.0
    while start < total - 0.25 or not slots:
        end = min(start + length, total)
        letter = "AABA"[len(slots) % 4]
        draw = dice(request.seed, "phrase", kind, letter)
        share = (end - start) / length
        wanted = draw.integers(*SHAPES[kind].notes) * length * beat_s / 4.0 * share
        count = max(1, min(round(wanted), int((end - start) * 2), 20))
        stressed = tuple(bool(b) for b in draw.random(20) < 0.5)[:count]
        breath = Breath("", (), stressed)
        # All phrases have the pickup of the first.
        early, late = start - request.pickup, end - request.pickup
        slots.append(Slot(len(slots), early, late, (Placed(breath, early, late),)))
        start += length
    return tuple(slots)


@dataclass(frozen=True)
class _Event:
    """A note without its pitch; ``along`` is how far in its breath it starts, 0 to 1."""

    onset: float
    end: float
    along: float
    last: bool


@dataclass(frozen=True)
class _Tune:
    key: Key
    kind: SectionKind
    request: Request
    bars: tuple[Bar, ...]
    count: int

    @property
    def seed(self) -> int:
        return self.request.seed

    @property
    def beat_s(self) -> float:
        return 60.0 / self.request.tempo

    @cached_property
    def starts(self) -> list[float]:
        """Where each bar begins, in seconds."""
        return [bar.start_s for bar in self.bars]

    def at_s(self, beat: float) -> float:
        """Return the time of a beat, counted from the first whole bar."""
        return (beat + self.request.pickup) * self.beat_s

    def line(self, number: int, slot: Slot) -> list[MelodyLine]:
        """The line's own words and each of its answers, by their starts."""
        metre = self.request.metre
        favoured = favoured_places(self.seed, self.kind, metre)
        hold_s = 2.0 if self.kind in ("chorus", "outro") else 1.3
        main: list[MelodyNote] = []
        answers: list[MelodyLine] = []
        first_index = 0
        words = [p for p in slot.breaths if not p.breath.answer]
        own: list[Placed] = []
        for order, placed in enumerate(slot.breaths):
            timing = place(
                placed.breath.stressed,
                placed.start,
                placed.end,
                self.request.tempo,
                favoured,
                metre=metre,
                hold_s=hold_s,
            )
            events = _events(timing.onsets, timing.ends, placed)
            closing = placed is slot.breaths[-1] or placed in words[-1:]
            pitches = self._pitches(number, order, events, closing)
            index = 0 if placed.breath.answer else first_index
            notes = self._notes(events, pitches, index)
            if placed.breath.answer:
                answers.append(self._whole(slot, notes, (placed,), answer=True))
            else:
                own.append(placed)
                main += notes
                first_index += len(notes)
        lines = [self._whole(slot, main, own, answer=False)] if main else []
        return sorted(lines + answers, key=lambda line: line.start_s)

    def _whole(
        self, slot: Slot, notes: Sequence[MelodyNote], placed: Sequence[Placed], answer: bool
    ) -> MelodyLine:
        return MelodyLine(
            line_index=slot.line,
            text=" ".join(p.breath.text for p in placed),
            start_s=notes[0].start_s,
            end_s=notes[-1].end_s,
            bar=max(0, int(placed[0].start / self.request.metre.beats + 1e-6)),
            notes=tuple(notes),
            answer=answer,
            words=tuple(word for p in placed for word in p.breath.words),
        )

    def _notes(
        self, events: Sequence[_Event], pitches: Sequence[int], index: int
    ) -> list[MelodyNote]:
        return [
            MelodyNote(
                self.at_s(event.onset),
                self.at_s(event.end),
                pitch,
                index + i,
                event.last or (event.end - event.onset) * self.beat_s >= SUSTAINED_S,
            )
            for i, (event, pitch) in enumerate(zip(events, pitches, strict=True))
        ]

    def _pitches(
        self, number: int, order: int, events: Sequence[_Event], closing: bool
    ) -> list[int]:
        """Viterbi over the notes of the key, between A3 and D5."""
        letter = ("AABA" if self.kind == "chorus" else "ABAC")[number % 4]
        tag = f"{letter}{order}"
        contour = _contour(self.seed, self.kind, tag)
        taste = dice(self.seed, "taste", self.kind, tag).random((16, 128))
        final = closing and number == self.count - 1
        ends_home = final or (closing and letter in "AC" and number % 2 == 1)
        notes = np.arange(FEMALE.low, FEMALE.high + 1)
        total: NDArray[np.float64] = np.zeros(0)
        back: list[NDArray[np.intp]] = []
        leaps = _leaps(notes)
        for position, event in enumerate(events):
            height = _CENTRE + SHAPES[self.kind].height + np.interp(event.along, *contour)
            cost = 0.3 * np.abs(notes - height) + self._harmony(notes, event)
            cost += 0.8 * taste[int(event.along * 15), notes]
            if event.last:
                # Home where the line closes, elsewhere anything but; never against the chord.
                wish = (6.0 if final else 3.0) if ends_home else -1.0
                away = notes % 12 != self.key.tonic
                cost += np.where(away, wish, 0.0) * (
                    self.key.tonic in self._bar_at(event.onset).chord.pitch_classes
                )
            if position:
                steps = total[:, np.newaxis] + leaps
                source = steps.argmin(axis=0)
                back.append(source)
                cost = cost + steps.min(axis=0)
            total = cost
        at = int(total.argmin())
        path = [at]
        for source in reversed(back):
            path.append(int(source[path[-1]]))
        return [int(notes[i]) for i in reversed(path)]

    def _bar_at(self, beat: float) -> Bar:
        return self.bars[max(0, bisect_right(self.starts, self.at_s(beat) + 1e-6) - 1)]

    def _harmony(self, notes: NDArray[np.int_], event: _Event) -> NDArray[np.float64]:
        bar = self._bar_at(event.onset)
        tones = np.isin(notes % 12, bar.chord.pitch_classes)
        scale = np.isin(notes % 12, sorted(bar_scale(self.key, bar)))
        length = (event.end - event.onset) * 60.0 / self.request.tempo
        beats = self.request.metre.beats
        beat = event.onset % beats
        strong = abs(beat - round(beat)) < 1e-6 and round(beat) % (2 if beats == 4 else beats) == 0
        long = event.last or length >= SUSTAINED_S
        outside = 9.0 if long else 2.5 if strong else 0.5
        cost: NDArray[np.float64] = np.where(tones, 0.0, np.where(scale, outside, 40.0))
        # A note held over a bar line should suit the next chord as well.
        after = self._bar_at(event.end - 0.08)
        if after is not bar and length >= SUSTAINED_S:
            cost = cost + np.where(np.isin(notes % 12, after.chord.pitch_classes), 0.0, 4.0)
        return cost


def bar_scale(key: Key, bar: Bar) -> frozenset[int]:
    """The pitch classes that sound well in a bar: the key's, bent where its chord bends them."""
    outside = frozenset(bar.chord.pitch_classes) - key.pitch_classes
    near = {(tone + d) % 12 for tone in outside for d in (1, -1)}
    kept = {pc for pc in key.pitch_classes if pc not in near or pc in bar.chord.pitch_classes}
    return frozenset(kept | outside)


def _events(onsets: Sequence[float], ends: Sequence[float], placed: Placed) -> list[_Event]:
    span = max(onsets[-1] - onsets[0], 1e-6)
    return [
        _Event(onset, min(end, placed.end), (onset - onsets[0]) / span, i == len(onsets) - 1)
        for i, (onset, end) in enumerate(zip(onsets, ends, strict=True))
    ]


_ARCS = (
    (0.0, 4.0, 2.0, -1.0),
    (3.0, 1.0, 4.0, 0.0),
    (4.0, 2.0, 1.0, -2.0),
    (-2.0, 2.0, 5.0, 2.0),
    (0.0, 0.0, 5.0, 3.0),
    (-1.0, 3.0, -1.0, 1.0),
    (4.0, 5.0, 0.0, -3.0),
)


def _contour(seed: int, section: str, tag: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of a phrase's height in semitones: an arc from the repertoire, bent by the seed."""
    draw = dice(seed, "contour", section, tag)
    arc = np.array(_ARCS[int(draw.integers(len(_ARCS)))])
    return np.linspace(0.0, 1.0, len(arc)), arc + draw.normal(0.0, 1.2, len(arc))


def _leaps(notes: NDArray[np.int_]) -> NDArray[np.float64]:
    """Cost of going from each note to each other: steps are free, tritones and wide leaps dear."""
    table = np.array([0.7, 0.1, 0.0, 0.4, 0.5, 0.9, 6.0, 1.6, 3.0, 3.5, 6.0, 7.0, 3.5])
    distance = np.abs(notes[:, np.newaxis] - notes[np.newaxis, :])
    cost: NDArray[np.float64] = np.where(distance > 12, 12.0, table[np.minimum(distance, 12)])
    return cost


def _octave(lines: Sequence[MelodyLine], voice: VoiceRange) -> int:
    """The shift by octaves that leaves the fewest notes outside a range."""
    pitches = [note.pitch for line in lines for note in line.notes]
    middle = (voice.low + voice.high) / 2

    def misfit(shift: int) -> tuple[int, float]:
        moved = [p + shift for p in pitches]
        outside = sum(not voice.low <= p <= voice.high for p in moved)
        return outside, abs(sum(moved) / len(moved) - middle)

    return min(range(-36, 49, 12), key=misfit)


def _moved(line: MelodyLine, shift: int, voice: VoiceRange) -> MelodyLine:
    notes = (replace(note, pitch=note.pitch + shift) for note in line.notes)
    if voice.high - voice.low >= 12:
        notes = (replace(note, pitch=within(note.pitch, *voice)) for note in notes)
    return replace(line, notes=tuple(notes))
