"""Figures as a reader sees them: columns, rounding, signs, units, and why one is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from milonga.runtime.documents import read_table

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"

_TABLE = read_table(__package__, "figures.toml")


@dataclass(frozen=True, slots=True)
class YardstickName:
    """A yardstick for people: its name, its words where there is less room, what it is."""

    label: str
    text: str
    about: str


YARDSTICKS = {name: YardstickName(**entry) for name, entry in _TABLE["yardsticks"].items()}
"""The yardsticks in the order shown."""


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of the table.

    Attributes:
        label: its heading.
        about: what it tells, for a tooltip.
        difference: key among the differences.
        value: key among the features; empty for similarities.
        unit: of both, unless ``difference_unit`` says otherwise.
        decimals: of the value and its difference.
        percent: key of the difference in percent, where there is one.
        undefined: why the value can be missing.
        text: its name in the plain text, which has more room; empty where that leaves it out.
    """

    label: str
    about: str
    difference: str
    value: str = ""
    unit: str = ""
    decimals: int = 0
    difference_unit: str | None = None
    percent: str = ""
    undefined: str = "Not defined for this recording."
    text: str = ""


COLUMNS = tuple(Column(**entry) for entry in _TABLE["columns"])
"""The figures as published elsewhere: each recording at its own rate and level."""

COMMON_COLUMNS = tuple(Column(**entry) for entry in _TABLE["common"])
"""The figures on common ground, and what goes with them."""

OTHER = "Another recording"
"""The label of the best of the other recordings."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure: the value, its difference under it, and why it is missing (if it is)."""

    value: str = ""
    difference: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One recording or yardstick of the table."""

    label: str
    about: str
    kind: str
    cells: tuple[Cell, ...]


def number(value: float, decimals: int, *, signed: bool = False) -> str:
    """Write ``-1234.5`` as "−1,234.5". Zero has no sign; "+" only where ``signed``."""
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    if value < 0:
        return MINUS + text
    return f"+{text}" if signed else text


def cell(
    column: Column, features: Mapping[str, Any] | None, differences: Mapping[str, Any] | None
) -> Cell:
    """Write a figure from a document: an absent key leaves its line empty, null is a dash."""
    value = difference = missing = ""
    if features is not None and column.value in features:
        raw = features[column.value]
        value = DASH if raw is None else _with(number(raw, column.decimals), column.unit)
        missing = column.undefined if raw is None else ""
    if differences is not None and column.difference in differences:
        raw = differences[column.difference]
        if raw is None:
            difference, missing = DASH, missing or column.undefined
        elif not column.value:
            difference = number(raw, column.decimals)
        else:
            unit = column.unit if column.difference_unit is None else column.difference_unit
            difference = _with(number(raw, column.decimals, signed=True), unit)
            percent = differences.get(column.percent)
            if percent is not None:
                difference = f"{number(percent, 0, signed=True)} %"
    if not column.value:
        return Cell(difference, "", missing)
    if value == difference == DASH:
        difference = ""
    return Cell(value, difference, missing)


def figures_of(entry: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return values and differences of a recording's entry in a document, by the columns' keys.

    Figures on common ground have the prefix ``common.``, those of ``Measured`` ``measured.``.
    """
    values = dict(entry.get("features") or {})
    if isinstance(entry.get("tempo"), Mapping):
        values["measured.tempo_bpm"] = entry["tempo"].get("bpm")
        image = entry.get("image") or {}
        values["measured.width"] = image.get("width")
    changes = dict(entry.get("differences") or {})
    common = entry.get("common")
    if isinstance(common, Mapping):
        changes |= {f"common.{name}": value for name, value in common.items()}
        ratio = common.get("tempo_ratio")
        if ratio is not None:
            changes["common.speed_diff_pct"] = 100 * (ratio - 1)
    return values, changes


def yardstick_parts(yardsticks: Mapping[str, Any] | None, name: str) -> Mapping[str, Any]:
    """Return the entry of a yardstick; empty where it could not be made."""
    yardstick = (yardsticks or {}).get(name)
    if not isinstance(yardstick, Mapping):
        return {}
    return yardstick if yardstick.get("differences") or yardstick.get("common") else {}


def yardstick_rows(yardsticks: Mapping[str, Any] | None, columns: Sequence[Column]) -> list[Row]:
    """Make rows of the yardsticks that have these columns; one that could not be made has its
    reason."""
    rows = []
    for name, known in YARDSTICKS.items():
        if name not in (yardsticks or {}):
            continue
        entry = yardstick_parts(yardsticks, name)
        if not entry:
            reason = str((yardsticks or {})[name].get("reason") or "It could not be made.")
            cells: tuple[Cell, ...] = (Cell(DASH),) * len(columns)
            rows.append(Row(known.label, reason.rstrip("."), "yardstick", cells))
            continue
        values, changes = figures_of(entry)
        if any(column.difference in changes for column in columns):
            cells = tuple(cell(column, values, changes) for column in columns)
            rows.append(Row(known.label, known.about, "yardstick", cells))
    return rows


def match_gains(loudness: Sequence[float | None]) -> list[float | None]:
    """Find gains in dB, none above 0, that bring recordings to one loudness.

    A page can only turn players down, so all come down to the quietest; one that is more than
    30 LU under the loudest is left out, or all would become inaudible. None where a recording
    can't be matched.
    """
    known = [lufs for lufs in loudness if lufs is not None]
    if not known:
        return [None] * len(loudness)
    within = [lufs for lufs in known if lufs >= max(known) - 30.0]
    target = min(within)
    return [None if lufs is None or lufs < target else target - lufs for lufs in loudness]


def _with(text: str, unit: str) -> str:
    return f"{text}\N{NO-BREAK SPACE}{unit}" if unit else text
