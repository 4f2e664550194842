"""``milonga sound history compare``: two sounds side by side, as a page."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.cli.sounds.history import settings_text, title_of

if TYPE_CHECKING:
    from milonga.runtime.progress import Progress
    from milonga.sounds.library.history import History
    from milonga.sounds.library.history_entry import HistoryItem


@click.command()
@click.argument("first", type=click.IntRange(1))
@click.argument("others", metavar="SECOND...", nargs=-1, type=click.IntRange(1), required=True)
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="The page's folder, by default compare-FIRST-SECOND here.",
)
@json_option
def compare(first: int, others: tuple[int, ...], out: Path | None, as_json: bool) -> None:
    """FIRST and SECOND side by side: a page with players at one level, pictures and figures.

    A sound that has gone for room is played again.
    """
    from milonga.analysis.comparison import compare_clips
    from milonga.analysis.report import Report, ReportSection, ReportTrack, write_report
    from milonga.sounds.library.history import History

    numbers = list(dict.fromkeys((first, *others)))
    if len(numbers) < 2:
        raise click.UsageError("Give two different numbers.")
    history = History()
    found = [history.get(number) for number in numbers]
    folder = out or Path("compare-" + "-".join(map(str, numbers)))
    progress = make_progress()
    with TemporaryDirectory() as scratch:
        files = {kept.number: _sound(history, kept, Path(scratch), progress) for kept in found}
        clips = {kept.number: _read(files[kept.number]) for kept in found}
        labels = {kept.number: f"{kept.number}. {title_of(kept)}" for kept in found}
        compared = compare_clips(
            clips[first], {labels[kept.number]: clips[kept.number] for kept in found[1:]}
        ).to_dict()
        entries = {labels[first]: compared["baseline"]}
        entries |= {entry["path"]: entry for entry in compared["candidates"]}
        tracks = [
            ReportTrack(
                labels[kept.number],
                files[kept.number],
                kind="baseline" if kept.number == first else "take",
                features=entries[labels[kept.number]].get("features"),
                differences=entries[labels[kept.number]].get("differences"),
                receipt=kept.entry.made.model_dump(mode="json"),
                note=settings_text(kept),
            )
            for kept in found
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
                )
            ],
            made={"command": f"milonga sound history compare {' '.join(map(str, numbers))}"},
        )
        page = write_report(report, folder, progress, copy_audio=True)
    if as_json:
        print_json({"page": str(page), "numbers": numbers, **compared})
    else:
        click.echo(page)


def _sound(history: History, kept: HistoryItem, scratch: Path, progress: Progress) -> Path:
    """The kept sound; or played again, where it has gone for room."""
    if kept.sound is not None:
        return kept.sound
    from milonga.audio import write
    from milonga.sounds.instrument.replay import replayed

    again = replayed(kept, progress=progress)
    for note in again.notes:
        say(f"{kept.number}: {note}")
    path = scratch / f"{kept.number}.flac"
    write(path, again.clip, subtype="PCM_16")
    return path


def _read(path: Path) -> Any:
    from milonga.audio import read

    return read(path)


def _differing(found: list[HistoryItem]) -> dict[str, str]:
    """The settings that aren't the same for all, each with its values in order."""
    flat = []
    for kept in found:
        values = kept.entry.settings.model_dump()
        values |= values.pop("controls") | values.pop("axes")
        values["model"] = title_of(kept)
        values["seconds"] = f"{kept.entry.seconds:g}"
        flat.append(values)
    names = dict.fromkeys(name for values in flat for name in values)
    shown = {}
    for name in names:
        column = [values.get(name) for values in flat]
        if any(value != column[0] for value in column):
            shown[name] = " | ".join("-" if value is None else str(value) for value in column)
    return shown
