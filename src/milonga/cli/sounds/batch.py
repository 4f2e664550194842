"""The batch of ``milonga sound play``: seeds times grids of controls, into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from milonga.cli.common import print_json, say

if TYPE_CHECKING:
    from milonga.audio.export.settings import ExportSettings
    from milonga.runtime.progress import Progress
    from milonga.sounds.model.play_settings import PlaySettings

_MOST_LISTED = 10


def play_batch(
    model: str,
    settings: PlaySettings,
    export: ExportSettings,
    seeds: str | None,
    grids: tuple[str, ...],
    *,
    folder: Path | None,
    many: bool,
    force: bool,
    progress: Progress,
    as_json: bool,
) -> int:
    """Makes a batch and reports it; 1 if a sound failed.

    Args:
        seeds: as ``parse_seeds`` takes them; by default that of the settings.
        grids: as ``parse_grid`` takes them.
        many: more than ``MANY`` sounds are meant.
    """
    from milonga.cli.sounds.play import stem_of
    from milonga.sounds.instrument.batch import parse_grid, parse_seeds
    from milonga.sounds.instrument.batch_plan import plan_batch
    from milonga.sounds.instrument.instrument import Instrument

    if folder is None:
        raise click.UsageError("Give the folder of the batch: -o FOLDER")
    numbers = [settings.seed] if seeds is None else parse_seeds(seeds)
    grid = parse_grid(grids)
    instrument = Instrument.open(
        model, vocoder=settings.vocoder, device=settings.device, progress=progress
    )
    stem = stem_of(instrument.header.name)
    plan = plan_batch(instrument, settings, numbers, grid, export, stem)
    plan.check_room(folder, many=many)
    if instrument.chosen_vocoder.note:
        say(instrument.chosen_vocoder.note)
    result = plan.make(folder, progress=progress, force=force)
    failed = [outcome for outcome in result.outcomes if outcome.error is not None]
    for outcome in failed[:_MOST_LISTED]:
        say(f"{click.style('error:', fg='red', bold=True)} {outcome.job.name}: {outcome.error}")
    if len(failed) > _MOST_LISTED:
        say(f"and {len(failed) - _MOST_LISTED} more (--json lists all)")
    if as_json:
        print_json(result.document())
    else:
        counts = [f"{result.count(status)} {status}" for status in ("made", "kept", "failed")]
        say(f"{', '.join(counts)}.")
        click.echo(folder)
    return 1 if failed else 0
