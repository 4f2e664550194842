"""The time of a song in bars and beats: a tempo map in which every segment begins a bar.

A workstation counts quarter notes, a sheet gives seconds. Where a segment is no whole number of
bars its last bar is stretched a little, or one of fewer beats follows, so that what comes after
stands on a bar line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from milonga.generators.measures import DEFAULT_TIME, METRES, Metre

_SLOWEST, _FASTEST = 5.0, 960.0
"""Quarter notes a minute that workstations take."""


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

    ``quarters`` counts from the start of the song, ``bar`` from 0.
    """

    at_s: float
    quarters: float
    bar: int
    bpm: float
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class TempoMap:
    """The points where tempo or time signature change, the first at 0 s."""

    points: tuple[TempoPoint, ...]

    def quarters(self, at_s: float) -> float:
        """Return the quarter notes from the start of the song to a time."""
        point = self.points[max(0, bisect_right([p.at_s for p in self.points], at_s) - 1)]
        return point.quarters + (at_s - point.at_s) * point.bpm / 60

    def seconds(self, quarters: float) -> float:
        """Return the time that lies so many quarter notes after the start of the song."""
        found = bisect_right([p.quarters for p in self.points], quarters + 1e-9) - 1
        point = self.points[max(0, found)]
        return point.at_s + (quarters - point.quarters) * 60 / point.bpm

    @property
    def steady(self) -> bool:
        """True where tempo and time signature never change."""
        return len(self.points) == 1


def tempo_map(places: Sequence[Place]) -> TempoMap:
    """Make the tempo map of segments that follow one another.

    Args:
        places: in order of time; the first starts the song.
    """
    points: list[TempoPoint] = []
    at_s, quarters, bar = 0.0, 0.0, 0
    for place, after in zip(places, [*places[1:], None], strict=True):
        ends = place.end_s if after is None else after.start_s
        for bars, size, seconds in _bars(ends - at_s, place):
            bpm = min(max(60 * bars * size / seconds, _SLOWEST), _FASTEST)
            new = TempoPoint(at_s, quarters, bar, bpm, *_signature(size, place.metre))
            if not points or not _same(points[-1], new):
                points.append(new)
            at_s, quarters, bar = at_s + seconds, quarters + bars * size, bar + bars
    return TempoMap(tuple(points) or (TempoPoint(0.0, 0.0, 0, 120.0, 4, 4),))


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


def _bars(seconds: float, place: Place) -> list[tuple[int, float, float]]:
    """Divide a segment into runs of bars: their number, the quarter notes of each, the seconds of
    all. Those of the pickup come first, then those in the sheet's tempo, then what leads on."""
    beat_s = 60 / place.tempo
    metre = place.metre
    pickup_s = place.pickup * beat_s
    if 0 < pickup_s < seconds - beat_s / 2:
        first = (1, place.pickup * metre.beat_quarters, pickup_s)
        return [first, *_bars(seconds - pickup_s, replace(place, pickup=0.0))]
    bar_s = metre.beats * beat_s
    full = int(seconds / bar_s + 1e-6)
    rest = seconds - full * bar_s
    left = round(rest / beat_s)
    if full and abs(rest) < 1e-6 * bar_s:
        return [(full, metre.quarters, seconds)]
    if full and left == 0:
        # Too little for a beat: the last bar takes it.
        last = (1, metre.quarters, bar_s + rest)
        return [(full - 1, metre.quarters, (full - 1) * bar_s), last] if full > 1 else [last]
    last = (1, max(1, left) * metre.beat_quarters, rest)
    return [(full, metre.quarters, full * bar_s), last] if full else [last]
