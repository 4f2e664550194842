"""The history of played sounds: playing them again, and comparing them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from milonga.audio.export.settings import ExportSettings
from milonga.audio.export.write import ExportResult, check_target, export
from milonga.errors import ComparisonError
from milonga.runtime import html
from milonga.runtime.progress import Progress
from milonga.sounds.library.history import History
from milonga.sounds.library.library import Library

if TYPE_CHECKING:
    from milonga.audio.clip import Clip
    from milonga.sounds.library.history_entry import HistoryItem


@dataclass(frozen=True, slots=True)
class SoundReplay:
    """A sound of the history that was played again, or taken as it was kept.

    Attributes:
        same: whether it has the samples of then; None where nothing was played.
        notes: what differs, and what the listener should know.
        result: the file, if one was written.
    """

    number: int
    clip: Clip
    same: bool | None
    notes: tuple[str, ...]
    result: ExportResult | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "number": self.number,
            "same": self.same,
            **(self.result.to_dict() if self.result else {}),
            "notes": list(self.notes),
        }


def replay_sound(
    number: int,
    out: str | Path | None = None,
    *,
    kept: bool = False,
    export_settings: Mapping[str, Any] | None = None,
    force: bool = False,
    library: Library | None = None,
    progress: Progress | None = None,
) -> SoundReplay:
    """Play a number of the history again, with the models of today.

    Args:
        out: also write it.
        kept: take the sound that was kept, and play nothing.
        export_settings: fields of ``ExportSettings`` over those of then.

    Raises:
        SoundError: there is no such number, or it can't be played any more.
        AudioError, OutputError: the file can't be written as asked.
        Cancelled: the user stopped it.
    """
    from milonga.sounds.instrument.replay import replayed

    history = History(library)
    item = history.get(number)
    settings = ExportSettings(**{**item.entry.export, **(export_settings or {})})
    if out is not None:
        check_target(out, settings, force=force)
    same: bool | None = None
    if kept:
        clip, made = history.clip(number), item.entry.made
        notes: tuple[str, ...] = ("The sound that was kept, 16 bits.",)
    else:
        again = replayed(item, library=history.library, progress=progress)
        clip, same, notes, made = again.clip, again.same, again.notes, again.made
    result = None
    if out is not None:
        result = export(clip, out, settings, made=made, force=force)
        notes += result.notes
    return SoundReplay(number, clip, same, notes, result)


@dataclass(frozen=True, slots=True)
class HistoryComparison:
    """Sounds of the history side by side.

    Attributes:
        page: the report.
        numbers: the first is what the others are compared with.
        figures: as ``Comparison.to_dict``.
    """

    page: Path
    numbers: tuple[int, ...]
    figures: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"page": str(self.page), "numbers": list(self.numbers), **self.figures}

    def _repr_html_(self) -> str:
        return html.paragraphs([f"Comparison of {self.numbers}: {self.page}"])


def compare_history(
    numbers: Sequence[int],
    out: str | Path | None = None,
    *,
    library: Library | None = None,
    progress: Progress | None = None,
) -> HistoryComparison:
    """Compare numbers of the history: a page with players at one level, pictures and figures.

    A sound that has gone for room is played again.

    Args:
        numbers: two or more; the first is what the others are compared with.
        out: the page's folder, by default compare-FIRST-SECOND in the current one.

    Raises:
        ComparisonError: fewer than two different numbers.
        SoundError: there is no such number, or it can't be played any more.
        OutputError: the page can't be written.
    """
    from milonga.analysis.comparison import compare_clips
    from milonga.analysis.report import Report, ReportSection, ReportTrack, write_report
    from milonga.audio import read

    numbers = tuple(dict.fromkeys(numbers))
    if len(numbers) < 2:
        raise ComparisonError("A comparison takes two different numbers of the history.")
    history, progress = History(library), progress or Progress()
    found = [history.get(number) for number in numbers]
    first = numbers[0]
    folder = Path(out or "compare-" + "-".join(map(str, numbers)))
    labels = {item.number: f"{item.number}. {item.title}" for item in found}
    with TemporaryDirectory() as scratch:
        files = {item.number: _sound(history, item, Path(scratch), progress) for item in found}
        clips = {number: read(path) for number, path in files.items()}
        compared = compare_clips(clips[first], {labels[n]: clips[n] for n in numbers[1:]}).to_dict()
        entries = {labels[first]: compared["baseline"]}
        entries |= {entry["path"]: entry for entry in compared["candidates"]}
        tracks = [
            ReportTrack(
                labels[item.number],
                files[item.number],
                kind="baseline" if item.number == first else "take",
                compared=entries[labels[item.number]],
                receipt=item.entry.made.model_dump(mode="json"),
                note=item.settings_text,
            )
            for item in found
        ]
        report = Report(
            title=" and ".join(labels.values()),
            subtitle="from the history",
            sections=[
                ReportSection(
                    "Side by side",
                    details=_differing(found),
                    tracks=tracks,
                    yardsticks=compared["yardsticks"],
                    impostors=compared["impostors"],
                    ladder=compared["ladder"],
                    reference="first sound",
                )
            ],
            made={"command": f"milonga sound history compare {' '.join(map(str, numbers))}"},
        )
        page = write_report(report, folder, progress, copy_audio=True)
    return HistoryComparison(page, numbers, compared)


def _sound(history: History, item: HistoryItem, scratch: Path, progress: Progress) -> Path:
    """The kept sound; or played again, where it has gone for room."""
    if item.sound is not None:
        return item.sound
    from milonga.audio import write
    from milonga.sounds.instrument.replay import replayed

    again = replayed(item, library=history.library, progress=progress)
    for note in again.notes:
        progress.message(f"{item.number}: {note}")
    path = scratch / f"{item.number}.flac"
    write(path, again.clip, subtype="PCM_16", on_clip="level")
    return path


def _differing(found: Sequence[HistoryItem]) -> dict[str, str]:
    """The settings that aren't the same for all, each with its values in order."""
    flat = []
    for item in found:
        values = item.entry.settings.model_dump()
        values |= values.pop("controls") | values.pop("axes")
        flat.append(values | {"model": item.title, "seconds": f"{item.entry.seconds:g}"})
    shown = {}
    for name in dict.fromkeys(name for values in flat for name in values):
        column = [values.get(name) for values in flat]
        if any(value != column[0] for value in column):
            shown[name] = " | ".join("-" if value is None else str(value) for value in column)
    return shown
