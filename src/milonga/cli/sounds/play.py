"""``milonga sound play``: sound from a model, with its controls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, put, say, say_error, show
from milonga.cli.placing import cluster_options
from milonga.cli.queueing import Waits, queue_options
from milonga.cli.sounds.options import (
    export_fields,
    export_options,
    no_history_option,
    out_option,
    play_options,
    play_settings,
)

if TYPE_CHECKING:
    from milonga.sounds.instrument.batch import BatchResult

_MOST_LISTED = 10


@click.command()
@click.argument("model")
@play_options
@click.option("--preset", metavar="PRESET", help="Begin with these settings; others go over them.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 1000),
    default=1,
    help="Make so many, from --seed upwards.",
)
@click.option("--seeds", metavar="SEEDS", help="A batch: as 0:15 or 1,5,7.")
@click.option(
    "--grid",
    "grids",
    multiple=True,
    metavar="CONTROL=FROM:TO:STEP",
    help="A batch: every value with every seed, as brightness=-3:3:1. Repeat for several.",
)
@click.option("--yes", is_flag=True, help="Don't ask about a very large batch.")
@out_option(
    "By default MODEL-sSEED.wav here; with -n the seed goes into the name; of a batch its folder."
)
@no_history_option
@export_options
@click.option(
    "--workers", type=click.IntRange(1), metavar="N",
    help="Of a batch: make the sounds in N processes; by default in one, on a cluster in as many "
    "as it holds.",
)  # fmt: skip
@cluster_options
@queue_options
@json_option
def play(
    model: str,
    preset: str | None,
    count: int,
    seeds: str | None,
    grids: tuple[str, ...],
    yes: bool,
    out: Path | None,
    force: bool,
    no_history: bool,
    place: dict[str, Any],
    queue: Waits | None,
    as_json: bool,
    **values: Any,
) -> int:
    """Make sound with a model: a walk through what it learnt, or a recording played again.

    MODEL is a name of the library or a model's file. Each sound gets a receipt beside it: what
    made it, enough to make it again. With --seeds or --grid it makes a batch: the same command
    goes on after any stop.

    \b
    milonga sound play rain --seconds 20 --set brightness=+2 -o rain.wav
    milonga sound play rain --seeds 0:7 --grid density=-2:2:2 -o batch
    """
    from milonga.workflows.batches import play_batch
    from milonga.workflows.playing import play_sounds

    chosen: dict[str, Any] = {
        "settings": play_settings(values),
        "export": export_fields(values),
        "preset": preset,
        "force": force,
        "progress": make_progress(),
    }
    if seeds is not None or grids:
        if count > 1:
            raise click.UsageError("Give -n, or --seeds and --grid.")
        if out is None:
            raise click.UsageError("Give the folder of the batch: -o FOLDER")
        batch: dict[str, Any] = {"seeds": seeds, "grid": grids, "many": yes}
        if queue:
            from milonga.jobs.kinds import PlayWork

            del chosen["progress"]
            work = PlayWork(model=model, folder=out, **place, **batch, **chosen)
            return queue.put(work, as_json)
        from milonga.jobs.placing import Place

        found = play_batch(model, out, on=Place(**place).sounds(), **batch, **chosen)
        return _report(found, out, as_json)
    if queue or place["on"] or place["workers"]:
        raise click.UsageError(
            "--queue, --on and --workers are for a batch: give --seeds or --grid."
        )
    sounds = play_sounds(
        model,
        count,
        out,
        history=not no_history,
        played=None if as_json else lambda sound: put(sound.path),
        **chosen,
    )
    if as_json:
        print_json(sounds)
    return 0


def _report(result: BatchResult, folder: Path, as_json: bool) -> int:
    """Report a batch; 1 if a sound failed."""
    failed = [outcome for outcome in result.outcomes if outcome.error is not None]
    for outcome in failed[:_MOST_LISTED]:
        say_error(f"{outcome.job.name}: {outcome.error}")
    if len(failed) > _MOST_LISTED:
        say(f"and {len(failed) - _MOST_LISTED} more (--json lists all)")
    if not as_json:
        counts = [f"{result.count(status)} {status}" for status in ("made", "kept", "failed")]
        say(f"{', '.join(counts)}.")
    show(result, as_json, lambda: put(folder))
    return 1 if failed else 0
