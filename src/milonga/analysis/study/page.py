"""The page of a study: its means with intervals, its differences, every take."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import Any

from milonga._version import __version__
from milonga.analysis.intervals_picture import intervals_svg, round_ticks
from milonga.analysis.statistics import LEVEL, Interval
from milonga.analysis.study.summary import Row, Summary
from milonga.runtime import html

MARK = "milonga study"


def study_page(
    title: str, rows: Sequence[Row], figures: Sequence[str], summary: Summary, about: dict[str, Any]
) -> str:
    """Return the page, which needs no other file.

    Args:
        title: of the study.
        rows: every take.
        figures: those that the summary looks at.
        summary: of the rows.
        about: facts for the end of the page, such as the command.
    """
    units = "paired by segment, layer and seed; p corrected for all of these comparisons"
    differences = html.table(
        ("figure", "first", "second", "difference", f"{LEVEL:.0%} interval", "p", "pairs", "says"),
        (
            (
                each.figure, each.first, each.second, f"{each.difference.value:.3g}",
                f"{each.difference.low:.3g} to {each.difference.high:.3g}",
                "" if each.p is None else f"{each.p:.3f}", each.pairs, each.verdict,
            )
            for each in summary.differences
        ),
    )  # fmt: skip
    columns = ("condition", "segment", "role", "seed", "take", "findings", *figures)
    takes = html.table(columns, ([_cell(row.get(name)) for name in columns] for row in rows))
    facts = html.table(("", ""), ({"milonga": __version__} | about).items())
    style = files("milonga.analysis.study").joinpath("page.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    pictures = "".join(_picture(figure, summary) for figure in figures)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="generator" content="{MARK}">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} – milonga study</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
<h2>Means of each condition</h2>
<p class="note">Dots are means over segments, lines intervals of {LEVEL:.0%} (whole segments drawn
anew; of a single segment, its seeds). They can overlap where paired differences, below, are
clear.</p>
{pictures}
<h2>Differences</h2>
<p class="note">{escape(units)}</p>
<div class="wide differences">{differences}</div>
<h2>Every take</h2>
<div class="wide takes">{takes}</div>
<h2>How it was made</h2>
<div class="wide">{facts}</div>
</main>
</body>
</html>
"""


def _picture(figure: str, summary: Summary) -> str:
    rows = [
        (f"{m.condition} ({m.takes})", m.spread or Interval(m.mean, m.mean, m.mean))
        for m in summary.means
        if m.figure == figure
    ]
    if not rows:
        return ""
    ends = [end for _, each in rows for end in (each.low, each.high)]
    return intervals_svg(figure.replace("_", " "), rows, round_ticks(min(ends), max(ends)))


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    return f"{value:.4g}" if isinstance(value, float) else str(value)
