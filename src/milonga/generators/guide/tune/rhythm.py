"""Places for the syllables of a phrase: the cheapest path through a grid of beats.

Dynamic programming over (syllable, grid position). A path costs less when stressed syllables
stand on strong beats, when the distances are near those of easy singing, and when it follows the
section's own rhythm, a set of favoured eighths that the seed draws once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from milonga.generators.guide.score import dice
from milonga.generators.guide.tune.phrasing import BREATH_S, FASTEST
from milonga.generators.measures import DEFAULT_TIME, METRES, Metre

_STEPS = (1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8)
_HALVES, _THIRDS = (1.0, 1 / 2, 1 / 4, 1 / 8), (1.0, 1 / 3, 1 / 6)
"""Grids by the length of a step in beats."""

_EASY_S = (0.20, 0.36)
"""A syllable's length when singing is unhurried: least and most."""

_FAVOURED = {
    "4/4": (
        (0, 3, 6),
        (0, 2, 3, 6),
        (0, 3, 4, 6),
        (0, 1, 4, 6),
        (0, 2, 4, 5),
        (0, 3, 5, 6),
        (0, 2, 4, 7),
    ),
    "2/4": ((0, 2), (0, 3), (0, 1, 2), (0, 1, 3)),
    "3/4": ((0, 4), (0, 2, 4), (0, 3, 4), (0, 2, 3, 4), (0, 4, 5)),
    "6/8": ((0, 3), (0, 2, 3), (0, 3, 5), (0, 2, 3, 5), (0, 3, 4, 5)),
    "12/8": ((0, 3, 6, 9), (0, 2, 3, 6, 9), (0, 3, 6, 8, 9), (0, 3, 5, 6, 9), (0, 3, 6, 9, 11)),
}
"""Sets of eighths of a bar that a tune leans on, by metre."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Onset and end of each syllable in beats, absolute."""

    onsets: tuple[float, ...]
    ends: tuple[float, ...]


def favoured_places(seed: int, section: str, metre: Metre) -> frozenset[int]:
    """The eighths of a bar that the tune of a section leans on."""
    sets = _FAVOURED[metre.name]
    return frozenset(sets[int(dice(seed, "rhythm", section).integers(len(sets)))])


def place(
    stressed: Sequence[bool],
    start: float,
    end: float,
    tempo: float,
    favoured: frozenset[int] = frozenset(),
    metre: Metre = METRES[DEFAULT_TIME],
    ideal_s: float | None = None,
    hold_s: float = 1.4,
) -> Timing:
    """Set a phrase into the beats from ``start`` to ``end``; its first syllable is at ``start``.

    Args:
        stressed: one entry a syllable.
        start, end: beats; the phrase leaves a breath before ``end``.
        tempo: beats per minute.
        favoured: eighths of the bar, from 0, that the tune leans on.
        ideal_s: distance of syllables to aim for; by default what fills two thirds of the span.
        hold_s: longest that the last syllable is held.
    """
    beat_s = 60.0 / tempo
    count, span = len(stressed), end - start
    breath = min(BREATH_S / beat_s, 0.25 * span)
    tail = min(max(BREATH_S / beat_s, min(1.0, 0.2 * span)), 0.4 * span)
    room = span - breath - tail
    if ideal_s is None:
        share = 0.66 * span * beat_s / max(count, 1)
        ideal_s = min(max(share, _EASY_S[0]), _EASY_S[1])
    step = _step(count, room, beat_s, ideal_s, _THIRDS if metre.compound else _HALVES)
    if step is None:
        # Too many words for any grid: even, as in recitation.
        gap = max(0.0, span - breath - BREATH_S / beat_s) / max(count - 1, 1)
        gap = gap or span / (count + 1)
        onsets = [start + i * gap for i in range(count)]
    else:
        spots = partial(_weight, metre=metre, favoured=favoured)
        onsets = _path(stressed, start, room, step, ideal_s / beat_s, spots)
    return Timing(tuple(onsets), _ends(onsets, end - breath, beat_s, ideal_s / beat_s, hold_s))


def _step(
    count: int, room: float, beat_s: float, ideal_s: float, natural: Sequence[float]
) -> float | None:
    """The coarsest grid that has places for all, finer where that leaves a rhythm to choose."""
    usable = [
        s
        for s in _STEPS
        if s * beat_s >= 1 / FASTEST - 1e-9 and math.floor(room / s + 1e-9) + 1 >= count
    ]
    if not usable:
        return None
    choice = [s for s in usable if s in natural] or usable
    return next((s for s in choice if s * beat_s <= 0.75 * ideal_s), choice[-1])


def _path(
    stressed: Sequence[bool],
    start: float,
    room: float,
    step: float,
    ideal: float,
    weight: Callable[[float], float],
) -> list[float]:
    places = math.floor(room / step + 1e-9) + 1
    count = len(stressed)
    far = max(2, math.ceil(2.5 * ideal / step))
    spots = [weight(start + p * step) for p in range(places)]
    gaps = [0.0] + [5.0 * math.log2(max(g * step, 1e-6) / ideal) ** 2 for g in range(1, far + 1)]
    infinite = math.inf
    costs = [0.0 if p == 0 else infinite for p in range(places)]
    back: list[list[int]] = []
    for syllable in range(1, count):
        last = syllable == count - 1
        fresh, source = [infinite] * places, [0] * places
        for p in range(syllable, places - (count - 1 - syllable)):
            metre = _metre(stressed[syllable], last, spots[p])
            for gap in range(1, min(far, p) + 1):
                cost = costs[p - gap] + gaps[gap] + metre
                if cost < fresh[p]:
                    fresh[p], source[p] = cost, p - gap
        costs = fresh
        back.append(source)
    position = min(range(places), key=costs.__getitem__) if count > 1 else 0
    path = [position]
    for source in reversed(back):
        path.append(source[path[-1]])
    return [start + p * step for p in reversed(path)]


def _weight(beat: float, metre: Metre, favoured: frozenset[int]) -> float:
    """Rate how strong a place in the bar is, from 0 to about 1.3."""
    each = 3 if metre.compound else 2
    at = beat % metre.beats * each
    eighth = round(at)
    if abs(at - eighth) > 1e-6:
        return 0.1
    eighth %= metre.beats * each
    weight = 1.0 if eighth == 0 else 0.6 if eighth % each == 0 else 0.35
    if metre.beats == 4 and eighth == 2 * each:
        weight = 0.85
    return weight + (0.45 if eighth in favoured else 0.0)


def _metre(stressed: bool, last: bool, weight: float) -> float:
    if last:
        return 2.0 * (1.3 - weight)
    return 1.6 * (1.3 - weight) if stressed else 0.9 * weight


def _ends(
    onsets: Sequence[float], limit: float, beat_s: float, ideal: float, hold_s: float
) -> tuple[float, ...]:
    """Notes are held to the next one, save for a small breath where that is far off."""
    ends = [min(b, a + max(2.0 * ideal, 0.5)) for a, b in pairwise(onsets)]
    hold = max(min(hold_s / beat_s, 4.0), BREATH_S / beat_s)
    last = min(limit, onsets[-1] + hold)
    return (*ends, max(last, onsets[-1] + 0.1))
