"""``milonga sound export``: a sound model for samplers and other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from milonga.cli.common import json_option, make_progress, put, say, show
from milonga.cli.options import device_option, folder_option, replace_option


@click.command()
@click.argument("model")
@folder_option
@click.option("--sfz", is_flag=True, help="A sampler instrument as SFZ.")
@click.option("--dspreset", is_flag=True, help="A sampler instrument for Decent Sampler.")
@click.option("--onnx", is_flag=True, help="The decoder as ONNX: latent and controls in, mel out.")
@click.option("--control", help="The slider that velocity moves, by default brightness.")
@click.option("--positions", type=click.IntRange(1, 127), default=5, show_default=True)
@click.option(
    "--takes", type=click.IntRange(1), default=1, show_default=True,
    help="Samples with other seeds, which take turns.",
)  # fmt: skip
@click.option("--seconds", type=float, default=4.0, show_default=True, help="Of a sample.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--vocoder",
    type=click.Choice(["auto", "own", "bigvgan", "griffin-lim"]),
    default="auto",
    show_default=True,
)
@device_option
@replace_option
@json_option
def export(
    model: str, folder: Path, sfz: bool, dspreset: bool, onnx: bool, as_json: bool, **values: Any
) -> int:
    """Write MODEL for other programs; without a choice, in every form.

    A sampler instrument has a sample for each position of a slider, chosen by velocity. Samples
    have loop points. The sampler transposes them: a sound model has no slider for pitch.

    \b
    milonga sound export rain -o instrument --sfz
    """
    from milonga.workflows.studio.instruments import export_sound

    flags = {"sfz": sfz, "dspreset": dspreset, "onnx": onnx}
    what = [name for name, wanted in flags.items() if wanted]
    found = export_sound(model, folder, what=what, progress=make_progress(), **values)

    def printed() -> None:
        for name in found.files:
            put(found.folder / name)
        if found.difference is not None:
            say(f"ONNX differs from torch by at most {found.difference:.1e} nats.")
        for note in found.notes:
            say(f"note: {note}")

    show(found, as_json, printed)
    return 0
