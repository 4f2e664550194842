"""A comparison as a small HTML table, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from milonga.analysis.shown.figures import (
    COLUMNS,
    COMMON_COLUMNS,
    Cell,
    Column,
    cell,
    figures_of,
    yardstick_rows,
)

_SHOWN = ("Sound", "Notes", "Rhythm", "Timbre", "Harmony", "Tempo", "Loudness", "Length")
_COMMON = tuple(column for column in COMMON_COLUMNS if column.label in _SHOWN)
_PUBLISHED_SHOWN = ("Length", "Tempo", "MFCC", "Timbre", "Harmony", "Centroid", "Loudness")
_PUBLISHED = tuple(column for column in COLUMNS if column.label in _PUBLISHED_SHOWN)


def comparison_html(document: Mapping[str, Any]) -> str:
    """Show the document of a comparison: candidates above yardsticks, and what they are worth."""
    baseline, yardsticks = document["baseline"], document.get("yardsticks")
    columns = _COMMON if document.get("format_version", 1) >= 3 else _PUBLISHED
    rows = []
    if baseline is not None:
        rows.append(_row(baseline["path"], _cells(baseline, columns), "baseline", columns))
    for candidate in document["candidates"]:
        if "error" in candidate:
            rows.append(_row(candidate["path"], (), candidate["error"], columns))
        else:
            remark = candidate.get("sentence") or ""
            rows.append(_row(candidate["path"], _cells(candidate, columns), remark, columns))
    rows += [_row(r.label, r.cells, r.about, columns) for r in yardstick_rows(yardsticks, columns)]
    heads = ["", *(column.label for column in columns), "What it is worth"]
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cells(recording: Mapping[str, Any], columns: Sequence[Column]) -> tuple[Cell, ...]:
    return tuple(cell(column, *figures_of(recording)) for column in columns)


def _row(path: str, cells: Sequence[Cell], remark: str, columns: Sequence[Column]) -> str:
    name = escape(Path(path).name or path)
    figures = (
        "".join(
            f'<td title="{escape(one.missing)}">{escape(one.value)}'
            + (f"<br><small>{escape(one.difference)}</small>" if one.difference else "")
            + "</td>"
            for one in cells
        )
        or f'<td colspan="{len(columns)}"></td>'
    )
    return f'<tr><th title="{escape(path)}">{name}</th>{figures}<td>{escape(remark)}</td></tr>'
