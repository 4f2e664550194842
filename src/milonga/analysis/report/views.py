"""Views: a report's model and its files turned into what the templates print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from milonga.analysis.report.axes import NOTES, Tick
from milonga.analysis.report.licences import LicenceView
from milonga.analysis.report.model import Defect, Report, ReportSection, ReportTrack
from milonga.analysis.shown.figures import (
    COLUMNS,
    COMMON_COLUMNS,
    Column,
    Row,
    cell,
    figures_of,
    number,
    yardstick_rows,
)
from milonga.analysis.shown.scales import Judged, Scale, scales

_FOLDED_FROM = 160
"""Characters from which a detail is folded rather than shown in line."""

_LAYOUTS = ("mono", "stereo")


@dataclass(frozen=True, slots=True)
class Shade:
    """A range of a picture, in percent of its width; ``about`` says it in words."""

    at: float
    width: float
    text: str
    about: str


@dataclass(frozen=True, slots=True)
class Picture:
    """The pictures of one recording: URLs and sizes, SVG paths."""

    peak: str
    rms: str
    columns: int
    mel: str
    mel_height: int
    chroma: str
    chroma_height: int
    width: int
    marks: list[Tick]
    shades: list[Shade]


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """A receipt: what matters first, then all of it."""

    facts: list[tuple[str, str]]
    text: str


@dataclass(frozen=True, slots=True)
class TrackView:
    """A card of the page.

    ``gain_db`` matches its level to the others', ``lufs`` is its loudness as it is played;
    ``trouble`` says why there is nothing to play, ``worth`` what its figures are worth;
    ``span`` is the time that its pictures show; ``asked`` holds what the sheet asked for.
    """

    id: str
    letter: str
    label: str
    kind: str
    chosen: bool
    stale: bool
    findings: tuple[Defect, ...]
    note: str
    facts: str
    length: str
    seconds: float
    gain_db: float | None
    lufs: float | None
    url: str
    trouble: str
    picture: Picture | None
    receipt: ReceiptView | None
    worth: str
    span: float
    ticks: list[Tick]
    asked: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Vectors:
    """Mean vectors of several recordings as a table."""

    name: str
    heads: tuple[str, ...]
    rows: list[tuple[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Axes:
    """Axes and scales that a section's pictures share."""

    preload: str
    top_level: str
    hertz: list[Tick]
    hertz_range: str
    notes: list[Tick]


@dataclass(frozen=True, slots=True)
class Figures:
    """A table of figures: recordings, then yardsticks."""

    title: str
    columns: list[Column]
    rows: list[tuple[str, Row]]
    yardstick_rows: list[tuple[str, Row]]


@dataclass(frozen=True, slots=True)
class SectionView:
    """A section of the page."""

    id: str
    title: str
    subtitle: str
    facts: list[tuple[str, str]]
    folded: list[tuple[str, str]]
    axes: Axes
    tracks: list[TrackView]
    common: Figures | None
    published: Figures | None
    scales: list[Scale]
    vectors: list[Vectors]
    reference: str

    @property
    def across(self) -> int:
        """Cards beside each other on a wide screen."""
        return {1: 1, 2: 2, 4: 2}.get(len(self.tracks), 3)

    @property
    def has_baseline(self) -> bool:
        return any(track.kind == "baseline" for track in self.tracks)

    @property
    def takes(self) -> list[TrackView]:
        return [track for track in self.tracks if track.kind == "take"]

    @property
    def lead(self) -> TrackView | None:
        """The one chosen take; the first where there is none, or one for each layer."""
        takes = self.takes
        chosen = [take for take in takes if take.chosen]
        return chosen[0] if len(chosen) == 1 else takes[0] if takes else None

    @property
    def flawed(self) -> int:
        """Takes that have findings."""
        return sum(bool(take.findings) for take in self.takes)

    def scale(self, name: str) -> Scale | None:
        return next((scale for scale in self.scales if scale.name == name), None)


def section_view(
    index: int, section: ReportSection, tracks: list[TrackView], axes: Axes
) -> SectionView:
    """Prepare everything of a section; ``tracks`` are its ``ordered`` ones, already made."""
    ordered = section.ordered
    judged = [
        Judged(
            track.label,
            track.entry.get("common"),
            track.entry.get("verdicts") or {},
            track.entry.get("differences"),
        )
        for track in ordered
        if track.kind == "take"
    ]
    by_measure = scales(judged, section.yardsticks, section.impostors, section.ladder)
    common, published = (
        _figures(title, columns, section, tracks)
        for title, columns in (
            ("On common ground", COMMON_COLUMNS),
            ("As published elsewhere", COLUMNS),
        )
    )
    if not any(track.entry.get("common") for track in ordered):
        # Nothing to hold against, or a document of milonga 0.1.
        common = None
    details = [(key, value.strip()) for key, value in section.details.items() if value.strip()]
    return SectionView(
        id=f"s{index}",
        title=section.title,
        subtitle=section.subtitle,
        facts=[pair for pair in details if not _is_long(pair[1])],
        folded=[pair for pair in details if _is_long(pair[1])],
        axes=axes,
        tracks=tracks,
        common=common,
        published=published,
        scales=[_scale_worded(scale, section.reference) for scale in by_measure],
        vectors=_vectors(ordered),
        reference=section.reference,
    )


def _worded(text: str, reference: str) -> str:
    return text.replace("baseline", reference).replace("Baseline", reference.capitalize())


def _row_worded(row: Row, reference: str) -> Row:
    return replace(row, label=_worded(row.label, reference), about=_worded(row.about, reference))


def _scale_worded(scale: Scale, reference: str) -> Scale:
    marks = (
        replace(
            mark,
            label=mark.label if mark.kind == "take" else _worded(mark.label, reference),
            verdict=_worded(mark.verdict, reference),
        )
        for mark in scale.marks
    )
    return replace(scale, sentence=_worded(scale.sentence, reference), marks=tuple(marks))


def _is_long(text: str) -> bool:
    return "\n" in text or len(text) > _FOLDED_FROM


def _figures(
    title: str, known: Sequence[Column], section: ReportSection, tracks: Sequence[TrackView]
) -> Figures | None:
    """Make a table of the columns that any recording has; without a baseline, no similarities."""
    entries = [(track, *figures_of(track.entry)) for track in section.ordered]
    keys = {key for _, values, changes in entries for key in (*values, *changes)}
    columns = [
        replace(
            column,
            about=_worded(column.about, section.reference),
            undefined=_worded(column.undefined, section.reference),
        )
        for column in known
        if column.value in keys or column.difference in keys
    ]
    rows = []
    for (track, values, changes), view in zip(entries, tracks, strict=True):
        if values or changes:
            own = {} if track.kind == "baseline" else changes
            cells = tuple(cell(column, values, own) for column in columns)
            rows.append((view.letter, Row(track.label, "", track.kind, cells)))
    if not rows or not columns:
        return None
    yardsticks = [
        ("", _row_worded(row, section.reference))
        for row in yardstick_rows(section.yardsticks, columns)
    ]
    return Figures(title, columns, rows, yardsticks)


def _vectors(tracks: Sequence[ReportTrack]) -> list[Vectors]:
    tables = []
    for key, name, heads, decimals in (
        ("mfcc_mean", "Mean MFCCs", tuple(str(n) for n in range(1, 14)), 1),
        ("chroma_mean", "Mean chroma", NOTES, 3),
    ):
        rows = [
            (t.label, [number(v, decimals) for v in known[key]])
            for t in tracks
            if (known := t.entry.get("features")) and known.get(key)
        ]
        if rows:
            tables.append(Vectors(name, heads, rows))
    return tables


def track_facts(
    seconds: float, sample_rate: int, channels: int, features: Mapping[str, Any] | None
) -> str:
    """Write facts as "10.0 s · 44.1 kHz · stereo · −14.2 LUFS"."""
    layout = _LAYOUTS[channels - 1] if channels <= len(_LAYOUTS) else f"{channels} channels"
    facts = [f"{number(seconds, 1)} s", f"{sample_rate / 1000:g} kHz", layout]
    loudness = (features or {}).get("loudness_lufs")
    if loudness is not None:
        facts.append(f"{number(loudness, 1)} LUFS")
    return " · ".join(fact.replace(" ", "\N{NO-BREAK SPACE}") for fact in facts)


def receipt_view(receipt: Mapping[str, Any]) -> ReceiptView:
    """Show what identifies a take, then the whole document as indented JSON."""
    model = _mapping(receipt, "model")
    sound = _mapping(receipt, "sound")
    attempt = receipt.get("attempt")
    if attempt not in (None, 1):
        attempt = f"{attempt}, with seed {receipt.get('seed_used')}"
    took = receipt.get("duration_s")
    facts = {
        "Generator": receipt.get("generator"),
        "Model": model.get("repo") or model.get("name"),
        "Revision": model.get("revision"),
        "Seed": receipt.get("seed"),
        "Attempt": attempt,
        "Device": " ".join(str(model[key]) for key in ("device", "dtype") if model.get(key)),
        "Made": str(receipt.get("started") or "").replace("T", " ")[:19],
        "Took": f"{number(took, 1)} s" if isinstance(took, int | float) else None,
        "SHA-256": sound.get("sha256"),
        "milonga": receipt.get("milonga_version"),
    }
    shown = [(key, str(value)) for key, value in facts.items() if value not in (None, "")]
    return ReceiptView(shown, json.dumps(receipt, indent=2, ensure_ascii=False, default=str))


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Fact:
    """A count under the title."""

    count: int
    what: str
    alert: bool = False


def tally(report: Report, licences: Sequence[LicenceView]) -> list[Fact]:
    """Count for the line under the title; what needs attention is marked."""
    takes = [t for s in report.sections for t in s.tracks if t.kind == "take"]
    # Where there are receipts, what has none is no take: layers put together to be heard.
    takes = [take for take in takes if take.receipt is not None] or takes
    flawed = sum(bool(take.findings) for take in takes)
    barred = sum(view.use == "no" for view in licences)
    segments = sum(section.segment for section in report.sections)
    facts = [
        Fact(segments, _plural("segment", segments)),
        Fact(len(takes), _plural("take", len(takes))),
        Fact(flawed, _plural("take", flawed) + " with findings", alert=True),
        Fact(barred, _plural("non-commercial part", barred), alert=True),
    ]
    if segments == 1:
        del facts[0]
    return [fact for fact in facts if fact.count or not fact.alert]


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
