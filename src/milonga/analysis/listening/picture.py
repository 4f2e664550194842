"""A picture of a listening test's result: estimates with their intervals, as SVG."""

from __future__ import annotations

from html import escape

from milonga.analysis.listening.results import ListeningResult
from milonga.analysis.statistics import LEVEL, Interval

_ROW, _TOP, _BOTTOM, _SCALE, _CHARACTER = 28, 46, 44, 420, 7.2


def result_svg(result: ListeningResult) -> str:
    """Draw ratings, or shares of answers, each as a dot with its interval."""
    kind = result.key.kind
    if kind == "mushra":
        rows = list(result.ratings.items())
        title, ticks = "Mean rating", [0, 20, 40, 60, 80, 100]
    else:
        rows = [(_name(kind, p.first, p.second), p.share) for p in result.pairs if p.share]
        rows = [(name, Interval(*(100 * x for x in (i.value, i.low, i.high)))) for name, i in rows]
        title = "Answers for the first, %" if kind == "ab" else "Right answers, %"
        ticks = [0, 25, 50, 75, 100]
    left = 24 + _CHARACTER * max((len(name) for name, _ in rows), default=10)
    width, bottom = left + _SCALE + 40, _TOP + _ROW * len(rows)

    def x(value: float) -> float:
        return round(left + _SCALE * value / 100, 1)

    people = f"{len(result.listeners)} listener{'s' if len(result.listeners) != 1 else ''}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {bottom + _BOTTOM}" '
        'font-family="sans-serif" font-size="13" role="img">',
        f"<title>{escape(f'{title}, {people}')}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" fill="#1f1a1b">{escape(title)} '
        f"({people}, intervals of {LEVEL:.0%})</text>",
    ]
    for tick in ticks:
        stroke = "#958a8b" if tick == 50 and kind != "mushra" else "#e2dbd7"
        parts.append(
            f'<path d="M{x(tick)} {_TOP}V{bottom}" stroke="{stroke}"/>'
            f'<text x="{x(tick)}" y="{bottom + 18}" text-anchor="middle" fill="#685d5f">'
            f"{tick}</text>"
        )
    for index, (name, each) in enumerate(rows):
        y = _TOP + _ROW * (index + 0.5)
        parts.append(
            f'<text x="{left - 12}" y="{y + 4}" text-anchor="end" fill="#1f1a1b">'
            f"{escape(name)}</text>"
            f'<path d="M{x(each.low)} {y}H{x(each.high)}" stroke="#8f1d3f" stroke-width="3"/>'
            f'<circle cx="{x(each.value)}" cy="{y}" r="5.5" fill="#8f1d3f"/>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _name(kind: str, first: str, second: str) -> str:
    return f"{first} over {second}" if kind == "ab" else f"{first} / {second}"
