"""A picture of a listening test's result: estimates with their intervals, as SVG."""

from __future__ import annotations

from milonga.analysis.intervals_picture import intervals_svg
from milonga.analysis.listening.results import ListeningResult
from milonga.analysis.statistics import LEVEL, Interval


def result_svg(result: ListeningResult) -> str:
    """Draw ratings, or shares of answers, each as a dot with its interval."""
    kind = result.key.kind
    people = f"{len(result.listeners)} listener{'s' if len(result.listeners) != 1 else ''}"
    about = f"({people}, intervals of {LEVEL:.0%})"
    if kind == "mushra":
        rows, ticks = list(result.ratings.items()), (0, 20, 40, 60, 80, 100)
        return intervals_svg(f"Mean rating {about}", rows, ticks)
    rows = [(_name(kind, p.first, p.second), p.share) for p in result.pairs if p.share]
    shares = [(name, Interval(*(100 * x for x in (i.value, i.low, i.high)))) for name, i in rows]
    title = "Answers for the first, %" if kind == "ab" else "Right answers, %"
    return intervals_svg(f"{title} {about}", shares, (0, 25, 50, 75, 100), mark=50)


def _name(kind: str, first: str, second: str) -> str:
    return f"{first} over {second}" if kind == "ab" else f"{first} / {second}"
