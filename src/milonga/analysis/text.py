"""A comparison as plain text that a musician can read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from milonga.analysis.comparing.conditions import conditions
from milonga.analysis.comparing.model import Candidate, Comparison, Reference
from milonga.analysis.differences import Differences, summarised
from milonga.analysis.measured import Measured
from milonga.analysis.pairs.figures import Common
from milonga.analysis.shown.figures import COLUMNS, DASH, MINUS, YARDSTICKS, Column

_DETAILED = 3
"""Up to as many candidates are shown figure by figure."""

_WIDEST_NAME = 40
_BROKEN = "*"
"""Stands behind the name of what the take checks found broken."""

_COMMON = (
    ("sound", "sound_similarity", 3, False),
    ("notes", "notes_similarity", 3, False),
    ("rhythm", "rhythm_similarity", 3, False),
    ("dynamics", "dynamics_similarity", 3, False),
    ("form", "form_similarity", 3, False),
    ("timbre", "timbre_similarity", 3, False),
    ("harmony", "harmony_similarity", 3, False),
    ("brightness", "centroid_diff_pct", 1, True),
    ("pitch", "pitch_shift_semitones", 2, True),
)
_PUBLISHED = (
    ("MFCC", "mfcc_similarity", 3, False),
    ("timbre", "timbre_similarity", 3, False),
    ("chroma", "chroma_similarity", 3, False),
    ("tempo", "tempo_diff_pct", 1, True),
    ("brightness", "spectral_centroid_diff_pct", 1, True),
    ("loudness", "loudness_diff_lu", 1, True),
    ("length", "duration_diff_s", 2, True),
)
_Columns = Sequence[tuple[str, str, int, bool]]


def comparison_text(comparison: Comparison) -> str:
    """Write the text that ``milonga compare`` prints.

    First what each candidate is worth in words, then the figures on common ground above what
    isn't the baseline, then the figures as published elsewhere; those of up to three candidates
    one by one. Means and intervals stand only under takes of one condition.
    """
    baseline = comparison.baseline
    if baseline is None:
        return ""
    read = [c for c in comparison.candidates if c.features is not None]
    names = _names([baseline.path, *(c.path for c in read)])
    parts = [_sentences(baseline, read, names), _on_common_ground(baseline, read, names)]
    if len(read) <= _DETAILED:
        parts += [
            _detail(baseline, candidate, names[0], name)
            for candidate, name in zip(read, names[1:], strict=True)
        ]
    parts += [_published(baseline, read, names), _remarks(baseline, read, names)]
    return "\n\n".join(part for part in parts if part)


def _sentences(baseline: Reference, read: Sequence[Candidate], names: Sequence[str]) -> str:
    lines = []
    said = {remark.code for remark in baseline.measured.remarks} if baseline.measured else set()
    for candidate, name in zip(read, names[1:], strict=True):
        lines.append(f"{name}: {candidate.sentence}")
        lines += _checked(candidate.measured, said)
        if candidate.common is not None and candidate.common.matched_s is not None:
            start, stop = candidate.common.matched_s
            lines.append(f"  Compared with {start:.1f} to {stop:.1f} s of the baseline.")
    own = _checked(baseline.measured)
    return "\n".join([*lines, f"{names[0]}, the baseline:", *own] if own else lines)


def _checked(measured: Measured | None, said: Collection[str] = ()) -> list[str]:
    """List what the take checks found, and what may be meant but for what was said before."""
    if measured is None:
        return []
    found = () if measured.broken else measured.findings
    lines = [f"  {finding.message}" for finding in found]
    noted = [remark.message for remark in measured.remarks if remark.code not in said]
    return [*lines, f"  May be meant: {' '.join(noted)}"] if noted else lines


def _on_common_ground(baseline: Reference, read: Sequence[Candidate], names: Sequence[str]) -> str:
    lines = [["on common ground", *(heading for heading, *_ in _COMMON), "tempo"]]
    lines.append([names[0], *([""] * len(_COMMON)), _tempo(baseline.measured)])
    lines += [
        [*_figures(_marked(candidate, name), candidate.common, _COMMON), _tempo(candidate.measured)]
        for candidate, name in zip(read, names[1:], strict=True)
        if candidate.common is not None
    ]
    for group, members in conditions(read).items():
        lines += _summary(group, [m.common for m in members if m.common is not None])
    lines.append([])
    for name, known in YARDSTICKS.items():
        held = baseline.yardsticks[name].common
        if held is not None:
            lines.append(_figures(known.text, held, _COMMON))
    if baseline.worth is not None:
        best = [
            max(
                (
                    s
                    for who, c in baseline.worth.impostors.items()
                    if who.startswith("another") and (s := getattr(c, key)) is not None
                ),
                default=None,
            )
            if not signed
            else None
            for _, key, _, signed in _COMMON
        ]
        shown = [_number(value, 3, "") if value is not None else "" for value in best]
        lines.append(["best of 16 other recordings", *shown])
    return f"{_aligned(lines)}\n\n{_READING}"


def _tempo(measured: Measured | None) -> str:
    if measured is None or measured.tempo.bpm is None:
        return DASH
    found = measured.tempo
    others = ", ".join(f"{bpm:.0f}" for bpm in found.alternatives_bpm[:2])
    return f"{found.bpm:.1f} ±{found.resolution_bpm:.1f}" + (f" (or {others})" if others else "")


_READING = """\
Similarities: 1 is the same, 0 nothing in common; both recordings in one band, at one level, in one
tuning, aligned in time. Brightness in percent, pitch in semitones, tempo in BPM. A figure says
something only where it is clear of all that isn't the baseline."""


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


def _published(baseline: Reference, read: Sequence[Candidate], names: Sequence[str]) -> str:
    lines = [["as published elsewhere", *(heading for heading, *_ in _PUBLISHED)]]
    lines += [
        _figures(_marked(candidate, name), candidate.differences, _PUBLISHED)
        for candidate, name in zip(read, names[1:], strict=True)
        if candidate.common is not None
    ]
    lines.append([])
    for name, known in YARDSTICKS.items():
        held = baseline.yardsticks[name].differences
        if held is not None:
            lines.append(_figures(known.text, held, _PUBLISHED))
    return f"{_aligned(lines)}\n\n{_PUBLISHED_READING}"


_PUBLISHED_READING = """\
librosa's figures, each recording at its own rate and level. MFCC, timbre and chroma: similarity of
the means over time; what the yardsticks reach is worth nothing. Tempo and brightness: difference in
percent; loudness in LU; length in seconds."""


def _remarks(baseline: Reference, read: Sequence[Candidate], names: Sequence[str]) -> str:
    remarks = [
        f"No yardstick “{known.text}”: {baseline.yardsticks[name].reason}"
        for name, known in YARDSTICKS.items()
        if baseline.yardsticks[name].reason
    ]
    for candidate, name in zip(read, names[1:], strict=True):
        remarks += [f"{name}: {warning}" for warning in candidate.warnings]
    if any(candidate.broken for candidate in read):
        remarks.append(
            f"{_BROKEN} Broken, as said above: its figures enter no mean. What is silent has none."
        )
    decoders = [baseline.decoder, *(candidate.decoder for candidate in read)]
    remarks += [f"{n} was decoded by {by}." for n, by in zip(names, decoders, strict=True) if by]
    return "\n".join(remarks)


def _marked(candidate: Candidate, name: str) -> str:
    return f"{name} {_BROKEN}" if candidate.broken else name


def _figures(name: str, found: Differences | Common | None, columns: _Columns) -> list[str]:
    return [
        name,
        *(
            _number(getattr(found, key, None), decimals, "", signed=signed)
            for _, key, decimals, signed in columns
        ),
    ]


def _summary(group: str, found: Sequence[Common]) -> list[list[str]]:
    means, ranges = [f"mean of {len(found)} takes: {group}"], ["  95 % interval"]
    for _, key, decimals, signed in _COMMON:
        summary = summarised([getattr(one, key) for one in found])
        # A mean over fewer than all says so.
        fewer = f" (of {summary.n})" if summary.n < len(found) and summary.n else ""
        means.append(_number(summary.mean, decimals, "", signed=signed) + fewer)
        half = summary.half_interval
        ranges.append(DASH if half is None else f"±{_number(half, decimals, '')}")
    return [[], means, ranges]


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
