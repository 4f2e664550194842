"""Pictures of estimates with their intervals, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from milonga.analysis.statistics import Interval

_ROW, _TOP, _BOTTOM, _SCALE, _CHARACTER = 28, 46, 44, 420, 7.2


def intervals_svg(
    title: str,
    rows: Sequence[tuple[str, Interval]],
    ticks: Sequence[float],
    *,
    mark: float | None = None,
) -> str:
    """Draw each estimate as a dot on its interval.

    Args:
        title: above.
        rows: name and estimate, from the top.
        ticks: of the scale, in order; the first and the last are its ends.
        mark: a value whose line is stronger, such as that of no difference.
    """
    left = 24 + _CHARACTER * max((len(name) for name, _ in rows), default=10)
    width = max(left + _SCALE + 40, 32 + 8.4 * len(title))
    bottom = _TOP + _ROW * len(rows)
    low, high = ticks[0], ticks[-1]

    def x(value: float) -> float:
        share = (min(max(value, low), high) - low) / ((high - low) or 1.0)
        return round(left + _SCALE * share, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {bottom + _BOTTOM}" '
        'font-family="sans-serif" font-size="13" role="img">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" fill="#1f1a1b">{escape(title)}</text>',
    ]
    for tick in ticks:
        stroke = "#958a8b" if tick == mark else "#e2dbd7"
        parts.append(
            f'<path d="M{x(tick)} {_TOP}V{bottom}" stroke="{stroke}"/>'
            f'<text x="{x(tick)}" y="{bottom + 18}" text-anchor="middle" fill="#685d5f">'
            f"{tick:g}</text>"
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


def round_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Choose round values that cover a range, at most about ``count`` of them.

    Example:
        >>> round_ticks(0.03, 0.91)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / count))
    step = next(size * m for m in (1, 2, 5, 10) if size * m * count >= span)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(n * step, 12) for n in range(first, max(last, first + 1) + 1)]
