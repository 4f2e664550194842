"""``milonga sound preset``: settings of a model under names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, print_json, print_table, say
from milonga.cli.main import LazyGroup
from milonga.cli.options import yes_option
from milonga.cli.sounds.options import export_fields, export_options, play_options, play_settings

if TYPE_CHECKING:
    from milonga.sounds.library.presets import FittedPreset, Preset

_HERE = "sounds.presets"

preset = LazyGroup(
    "preset",
    help="Keep settings of a model under names. MODEL is a name of your library.",
    lazy={
        "save": (_HERE, "Keep settings under a name."),
        "use": (_HERE, "Play with a preset."),
        "list": (f"{_HERE}:list_", "Show a model's presets."),
        "rename": (_HERE, "Give a preset another name."),
        "delete": (_HERE, "Forget a preset."),
    },
)


@click.command()
@click.argument("model")
@click.argument("name", metavar="PRESET")
@play_options
@click.option("--from-last", is_flag=True, help="Begin with what MODEL played last.")
@click.option(
    "--from", "number", type=click.IntRange(1), metavar="N", help="Begin with a number of history."
)
@click.option("--keep-seed", is_flag=True, help="Of --from-last and --from: keep the seed, too.")
@click.option("--force", is_flag=True, help="Replace a preset of that name.")
@export_options
@json_option
def save(
    model: str,
    name: str,
    from_last: bool,
    number: int | None,
    keep_seed: bool,
    force: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Keep settings under the name PRESET: those given here, over those of the history if asked.

    Only what you choose is kept, also of the export (--format, --channels and so on): the rest
    stays as usual. Without --seed a preset has none.

    \b
    milonga sound preset save rain storm --set density=+3 --set warmth=-1
    """
    from milonga.workflows.presets import save_preset

    if from_last and number is not None:
        raise click.UsageError("Give --from-last or --from, not both.")
    settings, export = play_settings(values), export_fields(values)
    if not (from_last or number or settings.model_fields_set or export):
        raise click.UsageError("There is nothing to keep: give --set, --from-last or the like.")
    saved = save_preset(
        model,
        name,
        settings,
        export=export,
        begin_with="last" if from_last else number,
        keep_seed=keep_seed,
        force=force,
    )
    if as_json:
        print_json({"model": model, "name": name, **saved.to_dict()})
    else:
        say(f"Saved {name!r}: {saved.text}")
        say(f"  play it: milonga sound play {model!r} --preset {name!r}")


@click.command()
@click.argument("model")
@click.argument("name", metavar="PRESET")
@click.option("--seed", type=click.IntRange(0), help="Instead of that of the preset.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True))
@click.option("--out", "-o", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option
@click.pass_context
def use(
    ctx: click.Context, /, model: str, name: str, force: bool, as_json: bool, **values: Any
) -> Any:
    """Play with a preset: the same as milonga sound play MODEL --preset PRESET.

    \b
    milonga sound preset use rain storm -o storm.wav
    """
    from milonga.cli.sounds.play import play

    args = [model, "--preset", name]
    for option, value in values.items():
        args += [] if value is None else [f"--{option}", str(value)]
    args += ["--force"] * force + ["--json"] * as_json
    # An own context, so that play knows what was given and what is usual.
    with play.make_context("play", args, parent=ctx.parent) as own:
        return play.invoke(own)


@click.command("list")
@click.argument("model")
@json_option
def list_(model: str, as_json: bool) -> None:
    """Show a model's presets, and what of them the model of today can't do.

    \b
    milonga sound preset list rain
    """
    from milonga.sounds.library.presets import Presets

    presets = Presets(model)
    found = {name: (kept, presets.fitted(name)) for name, kept in presets.all().items()}
    if as_json:
        print_json([_document(name, kept, fitted) for name, (kept, fitted) in found.items()])
        return
    if not found:
        say(f"{model!r} has no presets.")
        say(f"  Save one: milonga sound preset save {model!r} NAME --set ...")
        return
    rows = [
        (name, kept.text, kept.created[:10],
         (", ".join(fitted.left_out), "yellow"))
        for name, (kept, fitted) in found.items()
    ]  # fmt: skip
    print_table(("preset", "settings", "saved", "left out today"), rows)


@click.command()
@click.argument("model")
@click.argument("name", metavar="PRESET")
@click.argument("new")
def rename(model: str, name: str, new: str) -> None:
    """Give a preset another name.

    \b
    milonga sound preset rename rain storm thunder
    """
    from milonga.sounds.library.presets import Presets

    Presets(model).rename(name, new)
    say(f"The preset {name!r} is {new!r} now.")


@click.command()
@click.argument("model")
@click.argument("name", metavar="PRESET")
@yes_option
def delete(model: str, name: str, yes: bool) -> None:
    """Forget a preset.

    \b
    milonga sound preset delete rain storm
    """
    from milonga.sounds.library.presets import Presets

    presets = Presets(model)
    kept = presets.get(name)
    if not yes:
        click.confirm(f"Forget {name!r} ({kept.text})?", abort=True, err=True)
    presets.delete(name)
    say(f"Deleted the preset {name!r}.")


def _document(name: str, kept: Preset, fitted: FittedPreset) -> dict[str, Any]:
    return {
        "name": name,
        **kept.to_dict(),
        "left_out": fitted.left_out,
        "notes": list(fitted.notes),
    }
