"""``milonga sound blend``: several sound models played as one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.cli.sounds.export_options import export_options
from milonga.cli.sounds.play_options import merged_export, play_options, play_settings

if TYPE_CHECKING:
    from milonga.sounds.instrument.blend import Blend, ResolvedBlend


@click.command()
@click.argument("models", metavar="MODEL:WEIGHT...", nargs=-1, required=True)
@play_options
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="By default the models' names with weights and the seed, here.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--no-history", is_flag=True, help="Keep nothing of it in milonga sound history.")
@export_options
@json_option
def blend(
    models: tuple[str, ...],
    out: Path | None,
    force: bool,
    no_history: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Play several models as one, as in: rain:60 birds:40. Weights need not add up to 100.

    All play the same seed and settings, each within the spreads of its own recordings. Their
    mels are brought to one level and interpolated; models that were trained on from one ancestor
    are blended in what they have in common, their latents.
    """
    from milonga.audio.export.write import check_target, export
    from milonga.cli.sounds.pictures import keep
    from milonga.sounds.instrument.blend import Blend, parse_shares
    from milonga.sounds.library.history_entry import played_model

    settings, target = play_settings(values), merged_export(values, {})
    shares = parse_shares(models)
    progress = make_progress()
    blended = Blend.open(
        shares, vocoder=settings.vocoder, device=settings.device, progress=progress
    )
    ready = blended.resolve(settings)
    path = out or Path(f"{_stem(blended)}-s{settings.seed}.{target.format or 'wav'}")
    check_target(path, target, force=force)
    if blended.chosen_vocoder.note:
        say(blended.chosen_vocoder.note)
    _tell(blended, ready)
    clip = blended.play(ready, progress)
    made = blended.provenance(settings, ready)
    result = export(clip, path, target, made=made, force=force)
    for note in result.notes:
        say(f"{path}: {note}")
    number = None
    if not no_history:
        played = [
            played_model(part.instrument.path, part.instrument.sha256, part.weight)
            for part in blended.parts
        ]
        number = keep(clip, played, settings, target, made, result, "blend")
    if as_json:
        print_json(
            {
                "models": {part.model: part.weight for part in blended.parts},
                "blended": blended.how,
                "why": blended.why,
                "without": ready.missing,
                "vocoder": blended.vocoder.name,
                **result.document(),
                "history": number,
            }
        )
    else:
        click.echo(path)


def _tell(blended: Blend, ready: ResolvedBlend) -> None:
    say(blended.why)
    for name, lack in ready.missing.items():
        say(f"{' and '.join(lack)} can't do {name}, and play without it.")


def _stem(blended: Blend) -> str:
    from milonga.cli.sounds.play import stem_of

    return "-".join(
        f"{stem_of(part.instrument.header.name)}{100 * part.weight:.3g}" for part in blended.parts
    )
