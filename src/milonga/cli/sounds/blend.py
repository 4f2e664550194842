"""``milonga sound blend``: several sound models played as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from milonga.cli.common import json_option, make_progress, put, show
from milonga.cli.sounds.options import (
    export_fields,
    export_options,
    no_history_option,
    out_option,
    play_options,
    play_settings,
)


@click.command()
@click.argument("models", metavar="MODEL:WEIGHT...", nargs=-1, required=True)
@play_options
@out_option("By default the models' names with weights and the seed, here.")
@no_history_option
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

    \b
    milonga sound blend rain:60 birds:40 -o dawn.wav
    """
    from milonga.workflows.playing import blend_sounds

    sound = blend_sounds(
        models,
        out,
        settings=play_settings(values),
        export=export_fields(values),
        force=force,
        history=not no_history,
        progress=make_progress(),
    )
    show(sound, as_json, lambda: put(sound.path))
