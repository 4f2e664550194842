"""What a table of takes shows: means of each condition, and differences between them, paired.

Two conditions are compared by takes of the same segment, layer and seed. Takes of one segment are
alike in much, so with six segments or more whole segments are the unit, and a finding holds for
segments like these; with fewer, pairs are, and it holds for these segments alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from milonga.analysis.statistics import (
    FEWEST_PAIRS,
    LEVEL,
    Interval,
    Test,
    mean_of,
    sign_flips,
)

Row = Mapping[str, Any]
"""One take: ``condition``, ``segment``, ``role``, ``seed``, and figures by name (None where one
isn't defined)."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A figure's mean over the takes of a condition; ``spread`` is None for a single segment and
    seed."""

    condition: str
    figure: str
    takes: int
    mean: float
    spread: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "condition": self.condition, "figure": self.figure, "takes": self.takes,
            "mean": self.mean,
            "interval": None if self.spread is None else [self.spread.low, self.spread.high],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Paired:
    """A figure of one condition less that of another, take by take.

    Attributes:
        pairs: of takes.
        segments: that they come from.
        p: chance of such a difference without any, corrected for all comparisons of the study; None
            where there are too few pairs.
        verdict: one sentence.
    """

    figure: str
    first: str
    second: str
    pairs: int
    segments: int
    difference: Interval
    p: float | None = None
    verdict: str = ""

    @property
    def of_segments(self) -> bool:
        """True where whole segments are the unit."""
        return self.segments >= FEWEST_PAIRS

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "figure": self.figure, "first": self.first, "second": self.second,
            "pairs": self.pairs, "segments": self.segments,
            "unit": "segment" if self.of_segments else "take",
            "difference": self.difference.to_dict(), "p": self.p, "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """What a study shows."""

    means: tuple[Mean, ...]
    differences: tuple[Paired, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "level": LEVEL,
            "means": [each.to_dict() for each in self.means],
            "differences": [each.to_dict() for each in self.differences],
        }


def summarise(rows: Sequence[Row], figures: Sequence[str]) -> Summary:
    """Summarise a table of takes.

    Args:
        rows: the takes.
        figures: names of the figures that are looked at; each one more makes findings harder.
    """
    conditions = list(dict.fromkeys(row["condition"] for row in rows))
    means = [
        mean
        for figure in figures
        for condition in conditions
        if (mean := _mean(rows, condition, figure)) is not None
    ]
    paired = [
        found
        for figure in figures
        for first, second in itertools.combinations(conditions, 2)
        if (found := _paired(rows, figure, first, second)) is not None
    ]
    corrected = iter(sign_flips([test for _, test in paired if test is not None]))
    tested = [replace(each, p=None if test is None else next(corrected)) for each, test in paired]
    return Summary(tuple(means), tuple(replace(each, verdict=_verdict(each)) for each in tested))


def _mean(rows: Sequence[Row], condition: str, figure: str) -> Mean | None:
    found = [row for row in rows if row["condition"] == condition and _defined(row, figure)]
    if not found:
        return None
    values = [float(row[figure]) for row in found]
    segments = [(row["segment"], row["role"]) for row in found]
    # One segment: its seeds are what varies.
    units = segments if len(set(segments)) > 1 else [row["seed"] for row in found]
    spread = mean_of(values, units) if len(set(units)) > 1 else None
    mean = spread.value if spread else math.fsum(values) / len(values)
    return Mean(condition, figure, len(values), mean, spread)


def _paired(
    rows: Sequence[Row], figure: str, first: str, second: str
) -> tuple[Paired, Test | None] | None:
    sides: dict[str, dict[tuple[Any, ...], float]] = {first: {}, second: {}}
    for row in rows:
        if row["condition"] in sides and _defined(row, figure):
            place = (row["segment"], row["role"], row["seed"])
            sides[row["condition"]][place] = float(row[figure])
    both = sorted(sides[first].keys() & sides[second].keys())
    if not both:
        return None
    differences = [sides[first][place] - sides[second][place] for place in both]
    segments = len({place[:2] for place in both})
    units = [place[:2] if segments >= FEWEST_PAIRS else place for place in both]
    # Where nothing differs at all, no test is needed and every sign gives the same.
    enough = len(set(units)) >= FEWEST_PAIRS
    test = (differences, units) if enough else None
    spread = mean_of(differences, units)
    return Paired(figure, first, second, len(both), segments, spread), test


def _defined(row: Row, figure: str) -> bool:
    value = row.get(figure)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _verdict(found: Paired) -> str:
    both = f"{found.first} and {found.second}"
    if found.p is None:
        return (
            f"Too few to say anything about {both}: {found.pairs} "
            f"pair{'s' if found.pairs != 1 else ''} of takes, it takes {FEWEST_PAIRS}."
        )
    if not any((found.difference.low, found.difference.value, found.difference.high)):
        return f"{found.figure} is the same for {both} in every pair."
    if found.p >= 1 - LEVEL:
        return f"No difference was found between {both}; that isn't proof that they are alike."
    more = "higher" if found.difference.value > 0 else "lower"
    where = "" if found.of_segments else ", in these segments"
    return f"{found.figure} is {more} for {found.first} than for {found.second}{where}."
