"""A comparison as a small HTML table, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from milonga.analysis.figures import COLUMNS, Cell, cell, yardstick_parts, yardstick_rows
from milonga.analysis.scales import MEASURES, verdict

_SHOWN = ("Length", "Tempo", "MFCC", "Timbre", "Harmony", "Centroid", "Loudness")
_COLUMNS = tuple(column for column in COLUMNS if column.label in _SHOWN)
_JUDGED = "timbre_similarity"


def comparison_html(document: Mapping[str, Any]) -> str:
    """Show the document of a comparison: candidates above yardsticks, and a verdict on timbre."""
    baseline, yardsticks = document["baseline"], document["yardsticks"]
    rows = []
    if baseline is not None:
        rows.append(_row(baseline["path"], _cells(baseline), "baseline"))
    for candidate in document["candidates"]:
        if "error" in candidate:
            rows.append(_row(candidate["path"], (), candidate["error"]))
        else:
            judged = _verdict(candidate.get("differences"), yardsticks)
            rows.append(_row(candidate["path"], _cells(candidate), judged))
    rows += [_row(r.label, r.cells, r.about) for r in yardstick_rows(yardsticks, _COLUMNS)]
    heads = [
        "",
        *(column.label for column in _COLUMNS),
        f"{MEASURES[_JUDGED][0]}: what it is worth",
    ]
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cells(recording: Mapping[str, Any]) -> tuple[Cell, ...]:
    return tuple(
        cell(column, recording["features"], recording.get("differences")) for column in _COLUMNS
    )


def _verdict(differences: Mapping[str, Any] | None, yardsticks: Mapping[str, Any] | None) -> str:
    noise, shuffled = (
        (yardstick_parts(yardsticks, name)[1] or {}).get(_JUDGED) for name in ("noise", "shuffled")
    )
    return verdict((differences or {}).get(_JUDGED), noise, shuffled)


def _row(path: str, cells: Sequence[Cell], remark: str) -> str:
    name = escape(Path(path).name or path)
    figures = (
        "".join(
            f'<td title="{escape(one.missing)}">{escape(one.value)}'
            + (f"<br><small>{escape(one.difference)}</small>" if one.difference else "")
            + "</td>"
            for one in cells
        )
        or f'<td colspan="{len(_COLUMNS)}"></td>'
    )
    return f'<tr><th title="{escape(path)}">{name}</th>{figures}<td>{escape(remark)}</td></tr>'
