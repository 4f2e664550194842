"""A comparison as plain text that a musician can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from milonga.analysis.comparison import Candidate, Comparison, Reference
from milonga.analysis.differences import Differences, summarise
from milonga.analysis.figures import COLUMNS, DASH, MINUS, YARDSTICKS, Column

_DETAILED = 3
"""Up to as many candidates are shown figure by figure."""

_WIDEST_NAME = 40

_COLUMNS = (
    ("MFCC", "mfcc_similarity", 3, False),
    ("timbre", "timbre_similarity", 3, False),
    ("chroma", "chroma_similarity", 3, False),
    ("tempo", "tempo_diff_pct", 1, True),
    ("brightness", "spectral_centroid_diff_pct", 1, True),
    ("loudness", "loudness_diff_lu", 1, True),
    ("length", "duration_diff_s", 2, True),
)


def comparison_text(comparison: Comparison) -> str:
    """Write the text that ``milonga compare`` prints.

    Up to three candidates are shown figure by figure; then come all of them in one line each,
    above the yardsticks, and for three or more their mean and spread.
    """
    baseline = comparison.baseline
    if baseline is None:
        return ""
    read = [c for c in comparison.candidates if c.features is not None]
    names = _names([baseline.path, *(c.path for c in read)])
    parts = []
    if len(read) <= _DETAILED:
        parts = [
            _detail(baseline, candidate, names[0], name)
            for candidate, name in zip(read, names[1:], strict=True)
        ]
    parts.append(_overview(baseline, read, names))
    return "\n\n".join(parts)


def _detail(baseline: Reference, candidate: Candidate, first: str, second: str) -> str:
    lines = [["", first, second, "difference"]]
    for column in COLUMNS:
        if column.text:
            before = getattr(baseline.features, column.value)
            after = getattr(candidate.features, column.value)
            lines.append(
                [
                    column.text,
                    _number(before, column.decimals, column.unit),
                    _number(after, column.decimals, column.unit),
                    _change(column, candidate.differences),
                ]
            )
    return _aligned(lines)


def _change(column: Column, differences: Differences | None) -> str:
    value = getattr(differences, column.difference)
    unit = column.unit if column.difference_unit is None else column.difference_unit
    text = _number(value, column.decimals, unit, signed=True)
    # tempo_diff_bpm has a tempo_diff_pct beside it, duration_diff_s has none.
    percent = getattr(differences, column.difference.rpartition("_")[0] + "_pct", None)
    return f"{text} ({_number(percent, 1, '%', signed=True)})" if percent is not None else text


def _overview(baseline: Reference, read: Sequence[Candidate], names: Sequence[str]) -> str:
    lines = [[f"against {names[0]}", *(heading for heading, *_ in _COLUMNS)]]
    lines += [
        _figures(name, candidate.differences)
        for candidate, name in zip(read, names[1:], strict=True)
    ]
    if len(read) >= _DETAILED:
        lines += _summary(read)
    lines.append([])
    reasons = []
    for name, known in YARDSTICKS.items():
        yardstick = baseline.yardsticks[name]
        if yardstick.differences is None:
            reasons.append(f"No yardstick “{known.text}”: {yardstick.reason}")
        else:
            lines.append(_figures(known.text, yardstick.differences))
    decoders = [baseline.decoder, *(candidate.decoder for candidate in read)]
    reasons += [f"{n} was decoded by {by}." for n, by in zip(names, decoders, strict=True) if by]
    text = _aligned(lines)
    return "\n".join([text, *(["", *reasons] if reasons else []), "", _READING])


_READING = """\
MFCC, timbre and chroma: similarity of the means over time, 1 is equal. MFCC depends on the level,
timbre leaves it out. What the yardsticks reach is worth nothing: noise holds no music, silence no
sound. Tempo and brightness: difference in percent; loudness in LU; length in seconds."""


def _figures(name: str, differences: Differences | None) -> list[str]:
    return [
        name,
        *(
            _number(getattr(differences, key), decimals, "", signed=signed)
            for _, key, decimals, signed in _COLUMNS
        ),
    ]


def _summary(read: Sequence[Candidate]) -> list[list[str]]:
    found = summarise(c.differences for c in read if c.differences is not None)
    means, spreads = [f"mean of {len(read)}"], ["standard deviation"]
    for _, key, decimals, signed in _COLUMNS:
        summary = found[key]
        # A mean over fewer than all says so.
        fewer = f" (of {summary.n})" if summary.n < len(read) and summary.n else ""
        means.append(_number(summary.mean, decimals, "", signed=signed) + fewer)
        spreads.append(_number(summary.spread, decimals, "") + fewer)
    return [[], means, spreads]


def _names(paths: Sequence[str]) -> list[str]:
    """Choose file names, or whole paths where names repeat."""
    names = [Path(path).name or path for path in paths]
    if len(set(names)) < len(set(paths)):
        names = list(paths)
    return [n if len(n) <= _WIDEST_NAME else f"…{n[1 - _WIDEST_NAME :]}" for n in names]


def _number(value: float | None, decimals: int, unit: str, *, signed: bool = False) -> str:
    if value is None:
        return DASH
    text = f"{value:{'+' if signed else ''}.{decimals}f}"
    if float(text) == 0:
        text = text.replace("-", "").replace("+", "")
    return f"{text.replace('-', MINUS)}{' ' if unit else ''}{unit}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Align the first column to the left, the others to the right."""
    columns = max(len(line) for line in lines)
    widths = [max(len(line[i]) for line in lines if len(line) > i) for i in range(columns)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in lines
    )
