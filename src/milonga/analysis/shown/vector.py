"""A vector picture of a comparison for papers: each similarity of each candidate among what isn't
the baseline."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from milonga.analysis.shown.scales import MEASURES

_ROW, _TOP, _BOTTOM, _WIDTH, _LEFT = 34, 56, 62, 520, 110
_LINE_PX, _CHARACTERS, _GAP = 17, 92, 6
"""Of the key under the picture: height and length of a line, and the gap between two takes."""
_LOWEST = -0.2
_COLOURS = ("#8f1d3f", "#1d5f8f", "#3f7d2a", "#b3640a", "#5b3a8f", "#12807a", "#6b5a17", "#333333")
_READING = "Grey: what scores best and isn't the baseline. Filled: the figure says something."
_INK, _SOFT, _LINE = "#1f1a1b", "#685d5f", "#e2dbd7"


def comparison_svg(document: Mapping[str, Any]) -> str:
    """Draw a document of ``milonga compare --json`` as SVG, text as text.

    A row for each similarity; a grey band up to the best impostor, a mark for each candidate, full
    where the figure counts; colours, then shapes tell them apart. Values under -0.2 stand at the
    left edge. Under it stands what each candidate is worth, in words.
    """
    takes = [one for one in document["candidates"] if one.get("common")]
    rows = [name for name in MEASURES if any(one["common"].get(name) is not None for one in takes)]
    bottom = _TOP + _ROW * len(rows)
    keys = [_key_lines(take) for take in takes]
    height = bottom + _BOTTOM + sum(_LINE_PX * len(lines) + _GAP for lines in keys)
    baseline = Path((document.get("baseline") or {}).get("path", "")).name
    title = f"Likeness to {baseline}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 40} {height}" '
        'font-family="sans-serif" font-size="13" role="img">',
        f"<title>{escape(title)}</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" fill="{_INK}">{escape(title)}</text>',
    ]
    for tick in (-0.2, 0, 0.2, 0.4, 0.6, 0.8, 1):
        text = f"{tick:g}".replace("-", "\N{MINUS SIGN}")
        parts.append(
            f'<path d="M{_x(tick)} {_TOP}V{bottom}" stroke="{_LINE}"/>'
            f'<text x="{_x(tick)}" y="{bottom + 18}" text-anchor="middle" fill="{_SOFT}">'
            f"{text}</text>"
        )
    for index, name in enumerate(rows):
        y = _TOP + _ROW * (index + 0.5)
        parts.append(
            f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end" fill="{_INK}">'
            f"{escape(MEASURES[name][0])}</text>"
        )
        best = _best_impostor(takes, name)
        if best is not None:
            parts.append(
                f'<rect x="{_x(_LOWEST)}" y="{y - 9}" width="{_x(best) - _x(_LOWEST):.1f}" '
                f'height="18" fill="{_LINE}"><title>best impostor: {best:.3f}</title></rect>'
            )
        for number, take in enumerate(takes):
            parts.append(_dot(take, name, number, len(takes), y))
    parts.append(
        f'<text x="{_LEFT}" y="{bottom + 38}" font-size="12" fill="{_SOFT}">{_READING}</text>'
    )
    y = float(bottom + _BOTTOM)
    for number, lines in enumerate(keys):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(_mark(number, 24, y, f'fill="{colour}"'))
        for index, line in enumerate(lines):
            ink = _SOFT if index else _INK
            parts.append(f'<text x="38" y="{y + 4:g}" fill="{ink}">{escape(line)}</text>')
            y += _LINE_PX
        y += _GAP
    return "\n".join([*filter(None, parts), "</svg>\n"])


def _key_lines(take: Mapping[str, Any]) -> list[str]:
    """Return the name of a take, and what it is worth in lines that fit."""
    found = " ".join(one["message"] for one in take.get("findings", ()))
    words = " ".join(filter(None, (take.get("sentence"), found)))
    return [Path(take["path"]).name, *textwrap.wrap(words, _CHARACTERS)]


def _mark(number: int, x: float, y: float, style: str, content: str = "") -> str:
    """Draw a circle, from the ninth take on a square, from the 17th on a square on its tip."""
    kind = number // len(_COLOURS)
    if not kind:
        return f'<circle cx="{x}" cy="{y:g}" r="4.5" {style}>{content}</circle>'
    turned = f' transform="rotate(45 {x} {y:g})"' if kind > 1 else ""
    return (
        f'<rect x="{x - 4:g}" y="{y - 4:g}" width="8" height="8"{turned} {style}>{content}</rect>'
    )


def _x(value: float) -> float:
    share = (max(value, _LOWEST) - _LOWEST) / (1 - _LOWEST)
    return round(_LEFT + _WIDTH * share, 1)


def _best_impostor(takes: list[Mapping[str, Any]], name: str) -> float | None:
    scores = [
        one["verdicts"][name]["impostor_value"] for one in takes if name in one.get("verdicts", {})
    ]
    return max(scores, default=None)


def _dot(take: Mapping[str, Any], name: str, number: int, count: int, y: float) -> str:
    value = take["common"].get(name)
    if value is None:
        return ""
    colour = _COLOURS[number % len(_COLOURS)]
    counts = take.get("verdicts", {}).get(name, {}).get("counts", False)
    # Equal values would hide each other.
    at = y + (0 if count == 1 else 16 * (number / (count - 1) - 0.5))
    style = f'stroke="{colour}" stroke-width="1.5" fill="{colour if counts else "#ffffff"}"'
    return _mark(number, _x(value), round(at, 1), style, f"<title>{value:.3f}</title>")
