"""The drum parts of a segment: a kick, and everything else on the kit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from milonga.generators.base import Request
from milonga.generators.guide.band.grooves import STEPS, Groove, choose
from milonga.generators.guide.band.styles import Band
from milonga.generators.guide.score import Bar, Note, ScorePart, dice
from milonga.generators.words.sections import SectionKind

_FORCE = {"X": 118, "x": 100, "o": 74, "g": 50}
_KICK, _SNARE, _CLOSED, _OPEN, _CRASH, _RIDE = 36, 38, 42, 46, 49, 51
_TOMS = (50, 48, 45, 43)
_SHORT_S = 0.12
_FELT = 0.03
"""A change of tempo that is felt, as a part of the tempo."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Steps of a pattern: sixteenths, in 6/8 and 12/8 eighths.

    A pattern lasts a bar (in 2/4 and 6/8 two). In 4/4 it lasts two in fast music, half of one in
    slow: no drummer plays sixteenths at 220 BPM.

    Attributes:
        swing: delay of every second step, in steps.
        beat: steps of a beat.
        cycle: steps of a pattern.
        start_s: where the first bar begins.
        short: a pattern lasts more than a bar.
        leads: times of the last strokes, where they lead over to another tempo.
    """

    step_s: float
    seconds: float
    swing: float
    beat: int = 4
    cycle: int = STEPS
    start_s: float = 0.0
    short: bool = False
    leads: tuple[float, ...] = ()

    @classmethod
    def of(cls, request: Request, groove: Groove) -> Grid:
        tempo, metre = request.tempo, request.metre
        beat = 3 if metre.compound else 4
        stretch = 2.0 if tempo >= groove.halves_at else 0.5 if tempo < 60 else 1.0
        if metre.name != "4/4":
            stretch = 1.0
        cycle = 12 if metre.compound or metre.beats == 3 else STEPS
        start_s = request.pickup * 60.0 / tempo
        return cls(
            60.0 / beat / tempo * stretch, request.seconds, groove.swing, beat, cycle, start_s,
            short=metre.beats == 2, leads=_leads(request, beat),
        )  # fmt: skip

    @property
    def until_s(self) -> float:
        """Where the groove ends: what follows, if anything, leads over to another tempo."""
        return self.leads[0] - 1e-6 if self.leads else self.seconds

    @property
    def eighth(self) -> int:
        """Steps of an eighth."""
        return 2 if self.beat == 4 else 1

    @property
    def count(self) -> int:
        """Steps that begin early enough to be heard."""
        return max(1, int((self.seconds - self.start_s - 0.06) / self.step_s) + 1)

    def steps_of(self, bar: Bar) -> range:
        """Return the steps of a bar."""
        first, end = (self._step(at) for at in (bar.start_s, bar.end_s))
        return range(first, max(first + 1, min(end, self.count)))

    def _step(self, at_s: float) -> int:
        return round((at_s - self.start_s) / self.step_s)

    def weight(self, place: int) -> float:
        """Soften what lies off the beat where it comes fast, as hands do."""
        return 0.35 if self.step_s < 0.112 and place % self.beat else 1.0

    def time(self, step: float) -> float:
        late = self.swing if int(step) % 2 else 0.0
        return self.start_s + (step + late) * self.step_s


def _leads(request: Request, beat: int) -> tuple[float, ...]:
    """Strokes of the last two beats whose pace goes from a tempo to the next one."""
    tempo, after = request.tempo, request.next_tempo
    span_s = 120.0 / tempo
    if after is None or abs(after / tempo - 1) < _FELT or span_s > request.seconds / 2:
        return ()
    ratio = min(max(tempo / after, 0.5), 2.0)
    count = max(2, round(2 * beat / ((1 + ratio) / 2)))
    gaps = ratio ** np.linspace(0.0, 1.0, count)
    times = request.seconds - span_s + span_s * np.cumsum([0.0, *gaps[:-1]]) / gaps.sum()
    return tuple(times.tolist())


class _Kit:
    """Collects hits; velocities waver a little, as a drummer's do."""

    def __init__(self, grid: Grid, force: float, draw: np.random.Generator) -> None:
        self.grid, self.draw = grid, draw
        self._force = force
        self.kicks: list[Note] = []
        self.rest: list[Note] = []

    def hit(self, step: float, note: int, velocity: float) -> None:
        at = self.grid.time(step)
        self.strike(at, note, velocity)

    def strike(self, at: float, note: int, velocity: float) -> None:
        shaky = velocity * self._force * float(self.draw.uniform(0.92, 1.06))
        into = self.kicks if note == _KICK else self.rest
        into.append(Note(at, at + _SHORT_S, note, int(min(max(shaky, 8), 127))))

    def fill(self, step: int, place: int) -> None:
        if self.draw.random() < 0.8 or place % 2 == 0:
            at = place % self.grid.beat
            drum = _TOMS[at] if self.draw.random() < 0.6 else _SNARE
            self.hit(step, drum, 84 + 6 * at)

    def roll(self, step: int) -> None:
        """Triplets or thirty-seconds over an eighth, growing."""
        count = 3 + int(self.draw.integers(2))
        for i in range(1, count):
            self.hit(step + self.grid.eighth * i / count, _CLOSED, 52 + 10 * i)

    def build(self, steps: int) -> None:
        """A snare that doubles its pace over the last bar and grows."""
        cycle = self.grid.cycle
        for step in range(steps - cycle, steps):
            age = (step - steps + cycle) / cycle
            if step % self.grid.beat == 0 or (age >= 0.5 and step % 2 == 0) or age >= 0.75:
                self.hit(step, _SNARE, 44 + 60 * age)


def drum_parts(
    band: Band, bars: Sequence[Bar], grid: Grid, kind: SectionKind, seed: int
) -> list[ScorePart]:
    """Kick and kit for a section, with fills before every fourth bar line and at its end."""
    groove, draw, energy = band.groove, dice(seed, "drums", kind), band.energy
    kick, snare, hats = (choose(p, draw, energy) for p in (groove.kick, groove.snare, groove.hats))
    extras = {note: choose(patterns, draw, energy) for note, patterns in groove.extra.items()}
    if kind == "breakdown":
        kick, snare, extras = "." * grid.cycle, "." * grid.cycle, {}
        hats = "".join(mark if place % grid.beat == 0 else "." for place, mark in enumerate(hats))
    backbeat = groove.backbeat[1 if energy > 0.5 else 0]
    kit = _Kit(grid, 0.72 + 0.28 * energy, draw)
    steps = _playing_steps(bars, grid)
    if energy >= 0.6 and kind != "outro":
        kit.hit(0, _CRASH, 88)
    for step in range(steps):
        if grid.time(step) > grid.until_s:
            break
        place, cycle = step % grid.cycle, step // grid.cycle
        fill = _in_fill(step, steps, grid, energy)
        if energy >= 0.3 and not (fill and place % grid.beat) and (mark := _mark(kick, place)):
            kit.hit(step, _KICK, mark)
        if fill:
            kit.fill(step, place)
            continue
        if energy >= 0.4 and (mark := _mark(snare, place)):
            kit.hit(step, backbeat, mark)
        if energy >= 0.2 and (mark := _mark(hats, place)):
            ride = energy > 0.9 and groove.kit in (0, 16) and cycle % 2 == 1
            kit.hit(step, _RIDE if ride else _CLOSED, 0.85 * mark * grid.weight(place))
            if band.rolls and energy > 0.4 and place % 2 == 0 and draw.random() < 0.12:
                kit.roll(step)
        for note, pattern in extras.items():
            if energy >= (0.45 if note == _OPEN else 0.3) and (mark := _mark(pattern, place)):
                kit.hit(step, note, 0.75 * mark * grid.weight(place))
        if energy > 0.85 and place == 0 and cycle and cycle % 4 == 0:
            kit.hit(step, _CRASH, 84)
    for number, at_s in enumerate(grid.leads if energy >= 0.2 else ()):
        drum = _SNARE if energy >= 0.45 else _CLOSED
        kit.strike(at_s, drum, 64 + 40 * number / len(grid.leads))
        if number % grid.beat == 0 and energy >= 0.3:
            kit.strike(at_s, _KICK, 92)
    if kind == "pre-chorus" and not grid.leads and steps >= grid.cycle:
        kit.build(steps)
    _strike(bars, kit, energy)
    parts = [
        ScorePart("kick", groove.kit, tuple(kit.kicks), True, level_db=0.0, reverb=0.05),
        ScorePart("drums", groove.kit, tuple(kit.rest), True, level_db=1.5, reverb=0.15),
    ]
    return [part for part in parts if part.notes]


def _mark(pattern: str, place: int) -> int:
    return _FORCE.get(pattern[place % len(pattern)], 0)


def _playing_steps(bars: Sequence[Bar], grid: Grid) -> int:
    """Steps before the closing bar, in which the band only strikes once."""
    last = bars[-1]
    if last.hold and len(bars) > 1:
        return max(1, grid.steps_of(last).start)
    return grid.count


def _in_fill(step: int, steps: int, grid: Grid, energy: float) -> bool:
    """The last beat of every fourth pattern, and of the section."""
    if energy < 0.45 or steps < grid.cycle:
        return False
    closing = steps - grid.beat <= step
    turning = step % (4 * grid.cycle) >= 4 * grid.cycle - grid.beat
    return closing or (turning and step < steps - grid.cycle)


def _strike(bars: Sequence[Bar], kit: _Kit, energy: float) -> None:
    """One last blow at the start of the closing bar."""
    last = bars[-1]
    if last.hold and len(bars) > 1 and energy >= 0.3:
        at, end = last.start_s, max(last.start_s + _SHORT_S, last.end_s)
        kit.kicks.append(Note(at, at + _SHORT_S, _KICK, int(80 + 35 * energy)))
        if energy >= 0.45:
            kit.rest.append(Note(at, end, _CRASH, int(60 + 40 * energy)))
