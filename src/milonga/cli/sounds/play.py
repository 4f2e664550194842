"""``milonga sound play``: sound from a model, with its controls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.cli.sounds.export_options import export_options
from milonga.cli.sounds.play_options import merged_export, play_options, play_settings

if TYPE_CHECKING:
    from milonga.audio.export.settings import ExportSettings
    from milonga.runtime.progress import Progress
    from milonga.sounds.instrument.instrument import Instrument
    from milonga.sounds.model.play_settings import PlaySettings
    from milonga.sounds.model.resolved_play import ResolvedPlay

_UNSAFE = re.compile(r"[^\w.+-]+")


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
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="By default MODEL-sSEED.wav here; with -n the seed goes into the name; of a batch its "
    "folder.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--no-history", is_flag=True, help="Keep nothing of it in milonga sound history.")
@export_options
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
    as_json: bool,
    **values: Any,
) -> int:
    """Make sound with a model: a walk through what it learnt, or a recording played again.

    MODEL is a name of the library or a model's file. Each sound gets a receipt beside it: what
    made it, enough to make it again. With --seeds or --grid it makes a batch: the same command
    goes on after any stop.
    """
    settings, export, left_out = chosen(model, preset, values)
    progress = make_progress()
    if seeds is not None or grids:
        from milonga.cli.sounds.batch import play_batch

        if count > 1:
            raise click.UsageError("Give -n, or --seeds and --grid.")
        return play_batch(
            model, settings, export, seeds, grids,
            folder=out, many=yes, force=force, progress=progress, as_json=as_json,
        )  # fmt: skip
    played = _play(model, settings, export, count, out, force, not no_history, progress, as_json)
    if as_json:
        print_json([{**document, "left_out": left_out} for document in played])
    return 0


def chosen(
    model: str, preset: str | None, values: Mapping[str, Any]
) -> tuple[PlaySettings, ExportSettings, dict[str, str]]:
    """What is to be played, from a preset and what the user gave over it.

    Returns:
        The settings, those of the export, and what of the preset the model can't do any more.
    """
    settings = play_settings(values)
    if preset is None:
        return settings, merged_export(values, {}), {}
    from milonga.sounds.library.presets import Presets

    fitted = Presets(model).fitted(preset)
    for name, reason in fitted.left_out.items():
        say(f"Left out of the preset: {name}. {reason}")
    for note in fitted.notes:
        say(note)
    return settings.over(fitted.settings), merged_export(values, fitted.export), fitted.left_out


@dataclass(frozen=True, slots=True)
class _Turn:
    play: ResolvedPlay
    settings: PlaySettings
    path: Path


def _play(
    model: str,
    settings: PlaySettings,
    export: ExportSettings,
    count: int,
    out: Path | None,
    force: bool,
    remember: bool,
    progress: Progress,
    as_json: bool,
) -> list[dict[str, Any]]:
    from milonga.audio.export.write import check_target
    from milonga.sounds.instrument.instrument import Instrument

    instrument = Instrument.open(
        model, vocoder=settings.vocoder, device=settings.device, progress=progress
    )
    play = instrument.resolve(settings)
    turns = []
    for seed in range(settings.seed, settings.seed + count):
        one = replace(play, seed=seed)
        path = _path(out, instrument, seed, count, export)
        turns.append(_Turn(one, settings.model_copy(update={"seed": seed}), path))
    for turn in turns:
        check_target(turn.path, export, force=force)
    if instrument.chosen_vocoder.note:
        say(instrument.chosen_vocoder.note)
    documents = []
    with progress.task("Sounds", count) as task:
        for turn in turns:
            documents.append(_one(instrument, turn, export, force, remember, progress))
            if not as_json:
                click.echo(turn.path)
            task.advance()
    return documents


def _one(
    instrument: Instrument,
    turn: _Turn,
    settings: ExportSettings,
    force: bool,
    remember: bool,
    progress: Progress,
) -> dict[str, Any]:
    from milonga.audio.export.write import export
    from milonga.cli.sounds.pictures import keep
    from milonga.sounds.library.history_entry import played_model

    clip = instrument.play(turn.play, progress)
    made = instrument.provenance(turn.play)
    result = export(clip, turn.path, settings, made=made, force=force)
    for note in result.notes:
        progress.message(f"{turn.path}: {note}")
    number = None
    if remember:
        models = [played_model(instrument.path, instrument.sha256)]
        number = keep(clip, models, turn.settings, settings, made, result)
    return {
        "seed": turn.settings.seed,
        "vocoder": instrument.vocoder.name,
        **result.document(),
        "history": number,
    }


def _path(
    out: Path | None, instrument: Instrument, seed: int, count: int, settings: ExportSettings
) -> Path:
    suffix = f".{settings.format or 'wav'}"
    if out is None:
        return Path(f"{stem_of(instrument.header.name)}-s{seed}{suffix}")
    return out if count == 1 else out.with_name(f"{out.stem}-s{seed}{out.suffix or suffix}")


def stem_of(name: str) -> str:
    """A model's name as a file's."""
    return _UNSAFE.sub("-", name).strip("-.") or "sound"
