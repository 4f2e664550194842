"""The time of a song in bars and beats: a tempo map in which every segment begins a bar.

A workstation counts quarter notes, a sheet gives seconds. Where a segment is no whole number of
bars its last bar is stretched a little, or one of fewer beats follows, so that what comes after
stands on a bar line. A pickup stands on the last beats of the bar before it, where that lacks them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from milonga.generators.measures import DEFAULT_TIME, METRES, Metre

_SLOWEST, _FASTEST = 5.0, 960.0
"""Quarter notes a minute that workstations take."""
_SAMPLE_S = 1.2e-5
"""Segments start on samples, half a sample of 44.1 kHz beside their bar at most."""


@dataclass(frozen=True, slots=True)
class Place:
    """A segment in the song: ``start_s`` to ``end_s``, with its tempo in beats a minute."""

    number: int
    name: str
    section: str
    start_s: float
    end_s: float
    tempo: float
    metre: Metre = METRES[DEFAULT_TIME]
    key: str = "C major"
    pickup: float = 0.0
    """Beats before its first bar."""

    @property
    def label(self) -> str:
        """Its text as a marker."""
        return f"{self.number} {self.name}"


@dataclass(frozen=True, slots=True)
class TempoPoint:
    """From here on: ``bpm`` quarter notes a minute, bars of ``numerator``/``denominator``.

    ``quarters`` counts from the start of the song, ``bar`` from 0; only a tempo changes within one.
    """

    at_s: float
    quarters: float
    bar: float
    bpm: float
    numerator: int
    denominator: int

    @property
    def begins_bar(self) -> bool:
        """False where only the tempo changes, within a bar."""
        return float(self.bar).is_integer()


@dataclass(frozen=True, slots=True)
class TempoMap:
    """The points where tempo or time signature change, the first at 0 s."""

    points: tuple[TempoPoint, ...]

    def quarters(self, at_s: float) -> float:
        """Return the quarter notes from the start of the song to a time."""
        point = self.points[max(0, bisect_right([p.at_s for p in self.points], at_s) - 1)]
        return point.quarters + (at_s - point.at_s) * point.bpm / 60

    def on_grid(self, at_s: float) -> float:
        """Return the same, moved to the half beat that lies within half a sample."""
        quarters = self.quarters(at_s)
        near = round(2 * quarters) / 2
        return near if abs(self.seconds(near) - at_s) <= _SAMPLE_S else quarters

    def seconds(self, quarters: float) -> float:
        """Return the time that lies so many quarter notes after the start of the song."""
        found = bisect_right([p.quarters for p in self.points], quarters + 1e-9) - 1
        point = self.points[max(0, found)]
        return point.at_s + (quarters - point.quarters) * 60 / point.bpm

    @property
    def steady(self) -> bool:
        """True where tempo and time signature never change."""
        return len(self.points) == 1


@dataclass(frozen=True, slots=True)
class _Run:
    """Bars alike, or a part of one: their number, quarter notes, seconds, time signature."""

    bars: float
    quarters: float
    seconds: float
    signature: tuple[int, int]


def tempo_map(places: Sequence[Place]) -> TempoMap:
    """Make the tempo map of segments that follow one another.

    Args:
        places: in order of time; the first starts the song.
    """
    points: list[TempoPoint] = []
    at_s, quarters, bar = 0.0, 0.0, 0.0
    begun: Metre | None = None
    for place, after in zip(places, [*places[1:], None], strict=True):
        ends = place.end_s if after is None else after.start_s
        runs = _runs(ends - at_s, place, _lent(place, after), begun)
        begun = None if runs[-1].bars.is_integer() else place.metre
        for run in runs:
            bpm = min(max(60 * run.quarters / run.seconds, _SLOWEST), _FASTEST)
            new = TempoPoint(at_s, quarters, bar, bpm, *run.signature)
            if not points or not _same(points[-1], new):
                points.append(new)
            at_s, quarters, bar = at_s + run.seconds, quarters + run.quarters, bar + run.bars
            # Parts of a bar sum to it, but for rounding.
            bar = float(round(bar)) if abs(bar - round(bar)) < 1e-6 else bar
    return TempoMap(tuple(points) or (TempoPoint(0.0, 0.0, 0.0, 120.0, 4, 4),))


def _same(before: TempoPoint, new: TempoPoint) -> bool:
    return (
        (before.numerator, before.denominator) == (new.numerator, new.denominator)
        and abs(before.bpm - new.bpm) < 1e-9 * new.bpm
    )  # fmt: skip


def _signature(quarters: float, metre: Metre) -> tuple[int, int]:
    """The time signature of a bar of so many quarter notes, in the metre's notes or shorter."""
    under = int(metre.name.partition("/")[2])
    while quarters * under / 4 % 1 and under < 64:
        under *= 2
    return max(1, round(quarters * under / 4)), under


def _pickup_s(place: Place) -> float:
    """The seconds of a segment's pickup; 0 where it has none, or hardly more."""
    pickup_s = place.pickup * 60 / place.tempo
    longest = place.end_s - place.start_s - 30 / place.tempo
    return pickup_s if 0 < pickup_s < longest else 0.0


def _lent(place: Place, after: Place | None) -> float:
    """The beats that a segment's last bar leaves to the pickup behind it."""
    if after is None or not _pickup_s(after):
        return 0.0
    return after.pickup * after.metre.beat_quarters / place.metre.beat_quarters % place.metre.beats


def _runs(seconds: float, place: Place, lent: float, begun: Metre | None) -> list[_Run]:
    """Divide a segment: its pickup, the bars in the sheet's tempo, then what leads on.

    Args:
        seconds: of the segment.
        place: where it lies.
        lent: beats that the next pickup takes of its last bar.
        begun: the metre of the bar that its pickup completes; None where that is one of its own.
    """
    beat_s, metre = 60 / place.tempo, place.metre
    runs = []
    if pickup_s := _pickup_s(place):
        quarters = place.pickup * metre.beat_quarters
        bars = quarters / begun.quarters if begun else 1.0
        signature = _signature(begun.quarters, begun) if begun else _signature(quarters, metre)
        runs.append(_Run(bars, quarters, pickup_s, signature))
        seconds -= pickup_s
    bar_s = metre.beats * beat_s
    full = int((seconds + _SAMPLE_S) / bar_s)
    rest = seconds - full * bar_s
    whole = _signature(metre.quarters, metre)
    beats = max(1, round(rest / beat_s))
    last = _Run(
        1.0, beats * metre.beat_quarters, rest, _signature(beats * metre.beat_quarters, metre)
    )
    left = metre.beats - lent
    if lent and abs(rest - left * beat_s) <= _SAMPLE_S:
        last = _Run(left / metre.beats, left * metre.beat_quarters, left * beat_s, whole)
    elif full and abs(rest) <= _SAMPLE_S:
        return [*runs, _Run(float(full), full * metre.quarters, full * bar_s, whole)]
    elif full and rest < beat_s / 2:
        # Too little for a beat: the last bar takes it.
        full, last = full - 1, _Run(1.0, metre.quarters, bar_s + rest, whole)
    if full:
        runs.append(_Run(float(full), full * metre.quarters, full * bar_s, whole))
    return [*runs, last]
