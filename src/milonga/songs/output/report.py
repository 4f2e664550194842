"""A song's report: its takes and mixed segments against their baselines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

from milonga import audio
from milonga._version import __version__
from milonga.analysis.comparing.model import FORMAT_VERSION, settings
from milonga.analysis.comparison import compare_clips
from milonga.analysis.features import features
from milonga.analysis.report import (
    Report,
    ReportSection,
    ReportTrack,
    check_report_folder,
    write_report,
)
from milonga.audio.clip import Clip
from milonga.errors import MilongaError
from milonga.generators.base import Licence
from milonga.runtime.files import check_no_links, dump_json, write_text
from milonga.runtime.progress import Progress
from milonga.songs.output.edit_report import Range, edit_note, families, origins, ranges_of
from milonga.songs.output.folder import REPORT, SONG, OutputFolder
from milonga.songs.output.found_takes import FoundTakes, LayerTakes
from milonga.songs.output.mix import mix_segment, starts
from milonga.songs.output.mixed import stale_words
from milonga.songs.output.whole_report import (
    Listener,
    WholeReport,
    WrittenPiece,
    joined_lengths,
    nothing_heard,
)
from milonga.songs.rendering.receipts import intact_clip
from milonga.songs.rendering.render import Outcome
from milonga.songs.rendering.takes import Take, segment_folder
from milonga.songs.sheet.fields import TEXTS
from milonga.songs.sheet.model import Segment

COMPARISON = "comparison.json"
SEGMENTS = "segments"
"""Folder within the report: segments as they sound in the song, and pieces of whole takes."""
MIXED = "all layers"
"""The label of the chosen layers of a segment together."""


def check_report_place(out: Path) -> None:
    """Refuse a folder that can't take the report, before the work.

    Raises:
        OutputError: it holds a page that isn't ours, can't be written, or is a link out of
            ``out``.
    """
    check_no_links(out, out / REPORT)
    check_report_folder(out / REPORT)


def write_song_report(
    folder: OutputFolder,
    progress: Progress | None = None,
    failures: Iterable[Outcome] = (),
    listen: Listener = nothing_heard,
) -> Path:
    """Write ``report/index.html`` and ``comparison.json`` of a rendered song.

    Args:
        folder: the output folder.
        progress: counts segments.
        failures: outcomes of the render before; the page names those that failed.
        listen: gives the facts of a take that are shown on its card.

    Returns:
        The page's path.

    Raises:
        OutputError: the folder can't be written.
    """
    progress = progress or Progress()
    writer = _Writer(folder, listen)
    arrangement = writer.arrangement
    by_segment = groupby(arrangement.layers, key=lambda found: found.segment)
    whole = writer.whole.section
    sections = [whole] if whole is not None else []
    with progress.task("Comparing", len(folder.sheet.segments), "segments") as task:
        for segment, layers in by_segment:
            sections.append(writer.section(segment, list(layers)))
            task.advance()
    warnings = [
        f"{outcome.planned.label} failed: {outcome.error}"
        for outcome in failures
        if outcome.status == "failed"
    ]
    song = folder.out / SONG
    report = Report(
        title=folder.sheet.title,
        subtitle=folder.sheet.artist or "",
        sections=sections,
        song=ReportTrack("The song", song, features=writer.features(song), marks=writer.marks())
        if song.exists()
        else None,
        licences=[
            licence.model_dump()
            for licence in licences(
                arrangement.layers, [piece.take for piece in arrangement.pieces.values()]
            )
        ],
        warnings=[*warnings, *writer.warnings],
        made={
            "milonga": __version__,
            "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "sheet": folder.sheet.source.name if folder.sheet.source else "",
        },
    )
    write_text(
        folder.out / COMPARISON,
        dump_json(
            {
                "format_version": FORMAT_VERSION,
                "milonga": __version__,
                "settings": settings(),
                "title": folder.sheet.title,
                **({"whole": writer.whole.documents} if writer.whole.documents else {}),
                **writer.best_by([arrangement.whole]),
                "segments": writer.documents,
            }
        ),
    )
    return write_report(report, folder.out / REPORT, progress)


def licences(layers: Iterable[LayerTakes], others: Iterable[Take] = ()) -> list[Licence]:
    """List the terms of everything in the chosen takes, and others in the mix, each once, strictest
    first."""
    takes = [*(layer.chosen for layer in layers if layer.chosen is not None), *others]
    found = {licence for take in takes for licence in take.receipt.model.licences}
    strictness = {"no": 0, "conditional": 1, "yes": 2}
    return sorted(found, key=lambda licence: (strictness[licence.commercial_use], licence.what))


@dataclass(frozen=True, slots=True)
class _Recording:
    """A take, the layers of a segment together, or a piece of a take of the whole song, while its
    section is made."""

    label: str
    path: Path
    clip: Clip
    take: Take | None = None
    chosen: bool = False
    note: str = ""
    ranges: Sequence[Range] = ()
    piece: WrittenPiece | None = None

    @property
    def stale(self) -> bool:
        take = self.piece.take if self.piece else self.take
        return take is not None and take.stale


class _Writer:
    def __init__(self, folder: OutputFolder, listen: Listener) -> None:
        self.folder = folder
        self.listen = listen
        self.arrangement = folder.arranged()
        self.whole = WholeReport(
            self.arrangement, folder.out, folder.out / REPORT / SEGMENTS, listen
        )
        self.documents: list[dict[str, Any]] = []
        found = self.arrangement.whole
        notes = [f"{found.label}: {note}" for note in found.notes]
        self.warnings = [*self.arrangement.notes, *notes, *self.whole.warnings]
        self.lengths: dict[int, float] = {}

    def marks(self) -> list[tuple[float, str]]:
        """Where each segment starts in the song."""
        units = list(joined_lengths(self.arrangement, self.lengths))
        marks = []
        for at, (numbers, _) in zip(starts([s for _, s in units]), units, strict=True):
            own = accumulate((self.lengths[number] for number in numbers), initial=at)
            marks += [(start, str(number)) for start, number in zip(own, numbers, strict=False)]
        return marks

    def features(self, path: Path) -> dict[str, Any] | None:
        try:
            return features(audio.read(path)).to_dict()
        except MilongaError as error:
            self.warnings.append(str(error).splitlines()[0])
            return None

    def section(self, segment: Segment, layers: Sequence[LayerTakes]) -> ReportSection:
        recordings = [r for found in layers for r in self._takes(found)]
        mixed = self._mixed(segment, layers, recordings)
        if mixed is not None:
            recordings.insert(0, mixed)
        recordings += self._pieces(segment)
        if lengths := [r.clip.seconds for r in recordings if r.chosen]:
            self.lengths[segment.number] = max(lengths)
        path, baseline = self._baseline(segment)
        compared = compare_clips(baseline, {r.label: r.clip for r in recordings}).to_dict()
        impostors, ladder = compared["impostors"], compared["ladder"]
        for key in ("format_version", "milonga", "settings"):
            del compared[key]
        by_label = {entry["path"]: entry for entry in compared["candidates"]}
        for recording in recordings:
            entry = by_label[recording.label]
            if recording.take is not None:
                entry["facts"] = self.listen(recording.take.receipt, recording.clip, None)
            elif recording.piece is not None:
                piece = recording.piece
                entry["facts"] = self.listen(piece.take.receipt, recording.clip, piece.part)
        tracks = [self._track(r, by_label[r.label]) for r in recordings]
        if path is not None and baseline is not None:
            compared["baseline"]["path"] = str(path)
            tracks.insert(
                0,
                ReportTrack("Baseline", path, kind="baseline", compared=compared["baseline"]),
            )
        for recording in recordings:
            entry = by_label[recording.label]
            entry["path"] = self._relative(recording.path)
            entry["stale"] = recording.stale
            if recording.piece is not None:
                entry["cut"] = recording.piece.to_dict(self.folder.out)
        self.documents.append(
            {
                "number": segment.number,
                "name": segment.name,
                "section": segment.section,
                "labels": [recording.label for recording in recordings],
                **self.best_by(layers),
                **compared,
            }
        )
        return ReportSection(
            title=f"{segment.number}. {segment.name}",
            subtitle=segment.section,
            details=self._details(segment),
            tracks=tracks,
            yardsticks=compared["yardsticks"] if baseline is not None else None,
            impostors=impostors,
            ladder=ladder,
        )

    def _takes(self, found: LayerTakes) -> list[_Recording]:
        self.warnings.extend(f"{found.label}: {note}" for note in found.notes)
        several = len(found.segment.layers) > 1
        sources, gone = origins(found.takes)
        self.warnings.extend(f"{found.label}: {line}" for line in gone)
        recordings = []
        for take in families(found.takes):
            if take.edit is not None and (one := sources.pop(take.edit.source, None)):
                label = f"{found.layer.role} {one.label}" if several else one.label
                ranges = ranges_of(take.edit.source, found.takes)
                recordings.append(
                    _Recording(label, one.path, one.clip, note=one.note, ranges=ranges)
                )
            clip = intact_clip(take.receipt, take.path.parent)
            if clip is None:
                self.warnings.append(f"{self._relative(take.path)} is not what its receipt says.")
                continue
            label = f"{found.layer.role} {take.name}" if several else take.name
            notes = [edit_note(take, found.takes)]
            notes += [f"Stale: {stale_words(take.changes)}."] if take.stale else []
            chosen = take is found.chosen
            notes += [found.best] if chosen else []
            notes += [f"May be meant: {remark.message}" for remark in take.receipt.remarks]
            note = " ".join(filter(None, notes))
            ranges = ranges_of(take.receipt.sound.sha256, found.takes)
            recordings.append(_Recording(label, take.path, clip, take, chosen, note, ranges))
        if not recordings and not found.instead:
            self.warnings.append(f"{found.label}: no take yet.")
        return recordings

    def best_by(self, found: Iterable[FoundTakes]) -> dict[str, Any]:
        """Return by which rule takes of the mix were picked, with the figures of all."""
        picks = {
            each.key: self.folder.best[each.key].model_dump(mode="json")
            for each in found
            if each.best
        }
        return {"best_by": picks} if picks else {}

    def _pieces(self, segment: Segment) -> list[_Recording]:
        playing = self.arrangement.pieces.get(segment.number)
        recordings = []
        for piece in self.whole.pieces.get(segment.number, ()):
            chosen = playing is not None and playing.take.path == piece.take.path
            clip = audio.read(piece.path)
            recordings.append(
                _Recording(
                    piece.label, piece.path, clip, chosen=chosen, note=piece.note, piece=piece
                )
            )
        return recordings

    def _mixed(
        self, segment: Segment, layers: Sequence[LayerTakes], recordings: Sequence[_Recording]
    ) -> _Recording | None:
        """Mix the chosen layers: the baseline is best held against them."""
        clips = {r.take.path: r.clip for r in recordings if r.take is not None}
        inputs = [
            found.mix_input(found.chosen, clips[found.chosen.path])
            for found in layers
            if found.chosen is not None and found.chosen.path in clips
        ]
        if len(layers) < 2 or len(inputs) < 2:
            return None
        name = segment_folder(segment.number, segment.name)
        path = self.folder.out / REPORT / SEGMENTS / f"{name}.wav"
        clip = mix_segment(inputs)
        audio.write(path, clip)
        names = " + ".join(found.chosen.name for found in layers if found.chosen)
        return _Recording(MIXED, path, clip, note=f"as in the song: {names}")

    def _baseline(self, segment: Segment) -> tuple[Path | None, Clip | None]:
        path = self.folder.sheet.baseline_path(segment)
        if path is None:
            return None, None
        try:
            return path, audio.read(path)
        except MilongaError as error:
            self.warnings.append(
                f"Segment {segment.number}: no comparison. {error.message} ({path})"
            )
            return None, None

    def _track(self, recording: _Recording, entry: Mapping[str, Any]) -> ReportTrack:
        receipt = recording.take.receipt if recording.take else None
        found = receipt.findings if receipt else ()
        return ReportTrack(
            recording.label,
            recording.path,
            chosen=recording.chosen,
            stale=recording.stale,
            findings=[(finding.code, finding.message) for finding in found],
            compared=entry,
            receipt=receipt.model_dump(mode="json") if receipt else None,
            note=recording.note,
            facts=entry.get("facts", ()),
            ranges=recording.ranges,
        )

    def _details(self, segment: Segment) -> dict[str, str]:
        sheet = self.folder.sheet
        details = {
            "length": f"{round(segment.seconds, 2):g} s",
            "tempo": f"{sheet.tempo_of(segment):g} BPM",
            "key": sheet.key_of(segment),
            **{name: sheet.text_of(name, segment) for name in TEXTS if name != "negative"},
            "lyrics": segment.lyrics,
        }
        return {name: value for name, value in details.items() if value}

    def _relative(self, path: Path) -> str:
        out = self.folder.out
        return path.relative_to(out).as_posix() if path.is_relative_to(out) else str(path)
