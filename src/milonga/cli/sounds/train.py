"""``milonga sound train``: a model from a folder of recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, put, say, say_first, show
from milonga.cli.options import given, options_of
from milonga.cli.queueing import Waits, queue_options
from milonga.runtime.progress import stop_between_steps
from milonga.runtime.words import counted, time_text
from milonga.sounds.training.settings import TrainSettings

if TYPE_CHECKING:
    from milonga.runtime.progress import Progress
    from milonga.sounds.corpus.inspection import Corpus
    from milonga.sounds.train_model import TrainingResult

_FOLDER = click.Path(path_type=Path)
_MOST_LISTED = 20


@click.command()
@click.argument("folder", type=_FOLDER, required=False)
@click.option("--name", metavar="NAME", help="What the model is called.")
@options_of(TrainSettings, "minutes", "epochs", "device", "size", "seed")
@click.option(
    "--add",
    multiple=True,
    type=_FOLDER,
    metavar="FOLDER",
    help="Go on with the model that is there, on these recordings, too.",
)
@click.option("--restart", is_flag=True, help="Begin anew; when it is done it replaces model NAME.")
@click.option("--inspect", is_flag=True, help="Only show what is in FOLDER.")
@queue_options
@json_option
def train(
    folder: Path | None,
    name: str | None,
    add: tuple[Path, ...],
    restart: bool,
    inspect: bool,
    queue: Waits | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Learn a sound model from the recordings in FOLDER, and put it into the library.

    WAV, FLAC, OGG, MP3 and AIFF are read, in FOLDER and all folders within. The recordings are
    inspected first, and what can't be used is listed. After Ctrl-C or a crash the same command
    goes on where it was. With --add, FOLDER may be left out.

    \b
    milonga sound train recordings --name rain
    milonga sound train --name rain --add more-recordings
    """
    if given("minutes") and given("epochs"):
        raise click.UsageError("Give --minutes or --epochs, not both.")
    if folder is None and not add:
        raise click.UsageError("Give the folder that holds your recordings.")
    progress = make_progress()
    if inspect:
        _inspect(folder or add[0], progress, as_json)
        return
    if name is None:
        raise click.UsageError("Missing option '--name': what is the model called?")
    from milonga.sounds.library.names import check_name

    check_name(name)
    from milonga.workflows.training import train_model

    settings = TrainSettings(**values)
    if queue:
        from milonga.jobs.kinds import TrainWork

        recordings = (folder,) if folder else ()
        work = TrainWork(
            name=name, recordings=recordings, add=add, settings=settings, restart=restart
        )
        queue.put(work, as_json)
        return
    with stop_between_steps(progress, repr(name)):
        result = train_model(
            folder or (),
            name,
            add=add,
            settings=settings,
            restart=restart,
            progress=progress,
            on_corpus=show_corpus,
        )
    show(result, as_json, lambda: _show(result))


def _inspect(folder: Path, progress: Progress, as_json: bool) -> None:
    from milonga.sounds import Corpus

    corpus = Corpus.inspect(folder, progress=progress)
    show(corpus, as_json, lambda: show_corpus(corpus))
    corpus.check()


def show_corpus(corpus: Corpus) -> None:
    """Show what was found, for people."""
    about = corpus.to_dict()
    say(
        f"{counted(len(corpus.files), 'recording')}, {time_text(corpus.seconds)}, of which "
        f"{time_text(corpus.usable_s)} can be used; {about['silent_share'] or 0:.0%} is silence"
    )
    for label, key, unit in (("rates", "rates", " Hz"), ("channels", "channels", "")):
        if len(about[key]) > 1:
            found = ", ".join(f"{value}{unit} ({n})" for value, n in about[key].items())
            say(f"  {label}: {found}")
    _listed("clipped", [f"{name} ({share:.1%})" for name, share in about["clipped"].items()])
    _listed("channels that cancel each other, one is used", about["cancelling"])
    _listed("near-duplicates, used", [" = ".join(group) for group in about["near_duplicates"]])
    _listed("generated, never used for validation", about["generated"])
    _listed("skipped", [f"{name}: {reason}" for name, reason in about["skipped"].items()])
    if corpus.others:
        found = ", ".join(f"{n} {kind or 'without a suffix'}" for kind, n in corpus.others.items())
        say(f"  other files: {found}")


def _listed(label: str, lines: list[str]) -> None:
    if lines:
        say(f"  {label}:")
        say_first(lines, _MOST_LISTED, "    ")


def _show(result: TrainingResult) -> None:
    name, record = result.model.name, result.record
    if not result.trained:
        say(f"{name!r} has been trained on these recordings already; nothing to do.")
    say(f"{name!r}: {record.steps} steps in {time_text(record.seconds)}; {record.verdict}")
    if earlier := record.earlier_recordings:
        change = earlier.error_after / earlier.error_before - 1 if earlier.error_before else 0.0
        say(
            "  the recordings from before are followed "
            f"{'better' if change < 0 else 'worse'}: their error changed by {change:+.0%}"
        )
    header = result.model.header
    for control, about in (header.controls if header is not None else {}).items():
        if not about.enabled:
            say(f"  no control {control!r}: {about.reason or ''}")
    for control, text in (header.weak_controls if header is not None else {}).items():
        say(f"  weak control {control!r}: {text}")
    say(f"  play it: milonga sound play {name!r} -o out.wav")
    put(result.model.model_path)
