"""The content of a report, before it is a page: tracks, sections, licences, how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Defect = tuple[str, str]
"""A defect of a take: its code and a sentence."""


@dataclass(frozen=True, slots=True)
class ReportTrack:
    """One recording on the page.

    Attributes:
        label: its name for people, for example ``"guide-s0"``.
        path: the audio file on disk. One that can't be read is shown as missing.
        kind: the recording that others are compared with, or a take.
        chosen: whether the mix uses it.
        stale: whether it was made for an earlier state of the sheet.
        findings: what the take checks found, as (code, message).
        differences: against the section's baseline, as ``milonga compare`` gives them.
        features: as ``milonga compare`` gives them.
        compared: its whole entry in the comparison's document; stands for the two above.
        receipt: how the take was made.
        note: a line shown under the label.
        facts: what the sheet asked for, held against it: name, asked, heard, verdict, about.
        marks: places in its pictures, as (seconds, label).
        ranges: parts of it to be shaded in its pictures, as (start, end, label).
    """

    label: str
    path: Path
    kind: Literal["baseline", "take"] = "take"
    chosen: bool = False
    stale: bool = False
    findings: Sequence[Defect] = ()
    differences: Mapping[str, Any] | None = None
    features: Mapping[str, Any] | None = None
    compared: Mapping[str, Any] | None = None
    receipt: Mapping[str, Any] | None = None
    note: str = ""
    facts: Sequence[Mapping[str, Any]] = ()
    marks: Sequence[tuple[float, str]] = ()
    ranges: Sequence[tuple[float, float, str]] = ()

    @property
    def entry(self) -> Mapping[str, Any]:
        """Its entry in the comparison's document, as far as it is known."""
        if self.compared is not None:
            return self.compared
        return {"features": self.features, "differences": self.differences}


@dataclass(frozen=True, slots=True)
class ReportSection:
    """Recordings that belong together: a segment of a song, or one comparison.

    Attributes:
        title: a heading.
        subtitle: a line under it.
        details: shown as a list (tempo, key, style); text of several lines is folded (lyrics).
        tracks: in the order they are shown; a baseline is put first.
        yardsticks: of the baseline, by name (self, silence, noise, shuffled ...).
        impostors: figures of what isn't the baseline, by name.
        ladder: steps of damage to the baseline.
        reference: the word for the baseline, where it is none in the usual sense.
        segment: it counts as a segment of the song.
    """

    title: str
    subtitle: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
    tracks: Sequence[ReportTrack] = ()
    yardsticks: Mapping[str, Any] | None = None
    impostors: Mapping[str, Any] | None = None
    ladder: Sequence[Mapping[str, Any]] | None = None
    reference: str = "baseline"
    segment: bool = True

    @property
    def ordered(self) -> list[ReportTrack]:
        """Tracks with the baseline first, then the takes in their order."""
        return sorted(self.tracks, key=lambda track: track.kind != "baseline")


@dataclass(frozen=True, slots=True)
class Report:
    """A whole page.

    Attributes:
        title: of the song or comparison.
        subtitle: the artist, or another line.
        sections: in order.
        song: the finished mix, shown above the sections.
        licences: of everything used: ``what``, ``name``, ``url``, ``commercial_use`` ("yes",
            "no", "conditional"), ``note``.
        warnings: sentences shown at the top.
        made: how the page came to be (versions, date, command), by name.
    """

    title: str
    subtitle: str = ""
    sections: Sequence[ReportSection] = ()
    song: ReportTrack | None = None
    licences: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    made: Mapping[str, str] = field(default_factory=dict)

    def groups(self) -> Iterator[list[ReportTrack]]:
        """Yield the tracks that share one scale: each section's, and the song alone."""
        if self.song is not None:
            yield [self.song]
        for section in self.sections:
            yield section.ordered
