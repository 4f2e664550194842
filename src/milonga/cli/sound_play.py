"""``milonga sound play``: sound from a model, with its controls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.cli.export_options import export_options, export_settings

if TYPE_CHECKING:
    from milonga.audio.export_settings import ExportSettings
    from milonga.sounds.instrument import Instrument, Source
    from milonga.sounds.playing import PlayRequest

_UNSAFE = re.compile(r"[^\w.+-]+")


@click.command()
@click.argument("model")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="By default that of --like, else 10.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="CONTROL=VALUE",
    help="As brightness=+3 or pca1=-2: spreads of the recordings, -4 to 4. Repeat for several.",
)
@click.option(
    "--like",
    metavar="RECORDING",
    help="Play it again with other controls: any file, or one that the model learnt from.",
)
@click.option("--to", metavar="RECORDING", help="Turn into this one over the length.")
@click.option(
    "--pace",
    type=click.FloatRange(0, 16),
    default=1.0,
    show_default=True,
    help="How fast it goes; 0 stands still.",
)
@click.option(
    "--tempo",
    type=click.FloatRange(20, 400),
    default=120.0,
    show_default=True,
    help="Of the pulse, in beats a minute.",
)
@click.option(
    "--vocoder",
    type=click.Choice(["auto", "bigvgan", "griffin-lim"]),
    default="auto",
    show_default=True,
    help="auto: bigvgan if its weights are here, else griffin-lim.",
)
@click.option("--device", default="auto", show_default=True, help="Of bigvgan.")
@click.option(
    "-n",
    "count",
    type=click.IntRange(1, 1000),
    default=1,
    help="Make so many, from --seed upwards.",
)
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="By default MODEL-sSEED.wav here; with -n the seed goes into the name.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@export_options
@json_option
def play(
    model: str,
    seconds: float | None,
    seed: int,
    pairs: tuple[str, ...],
    like: str | None,
    to: str | None,
    pace: float,
    tempo: float,
    vocoder: str,
    device: str,
    count: int,
    out: Path | None,
    force: bool,
    as_json: bool,
    **export: Any,
) -> None:
    """Make sound with a model: a walk through what it learnt, or a recording played again.

    MODEL is a name of the library or a model's file. Each sound gets a receipt beside it: what
    made it, enough to make it again.
    """
    from milonga.audio.export import check_target
    from milonga.sounds.instrument import Instrument, source_of
    from milonga.sounds.playing import PlayRequest

    progress = make_progress()
    settings = export_settings(export)
    controls, axes = parse_settings(pairs)
    instrument = Instrument.open(model, vocoder=vocoder, device=device, progress=progress)
    start = source_of(like, instrument.player) if like is not None else None
    end = source_of(to, instrument.player) if to is not None else None
    requests = [
        PlayRequest(
            seconds=seconds,
            seed=seed + number,
            settings=controls,
            axes=axes,
            start=start.value if start else "walk",
            to=end.value if end else None,
            pace=pace,
            tempo=tempo,
        )
        for number in range(count)
    ]
    paths = [_path(out, instrument, request.seed, count, settings) for request in requests]
    instrument.player.check(requests[0])
    for path in paths:
        check_target(path, settings, force=force)
    if instrument.voice.note:
        say(instrument.voice.note)
    documents = []
    with progress.task("Sounds", count) as task:
        for request, path in zip(requests, paths, strict=True):
            documents.append(_one(instrument, request, path, settings, start, end, force, progress))
            if not as_json:
                click.echo(path)
            task.advance()
    if as_json:
        print_json(documents)


def _one(
    instrument: Instrument,
    request: PlayRequest,
    path: Path,
    settings: ExportSettings,
    start: Source | None,
    end: Source | None,
    force: bool,
    progress: Any,
) -> dict[str, Any]:
    from milonga.audio.export import export

    clip = instrument.play(request, progress)
    made = instrument.made(request, start, end)
    result = export(clip, path, settings, made=made, force=force)
    for note in result.notes:
        progress.message(f"{path}: {note}")
    vocoder = instrument.voice.vocoder.name
    return {"seed": request.seed, "vocoder": vocoder, **result.document()}


def parse_settings(pairs: Iterable[str]) -> tuple[dict[str, float], dict[str, float]]:
    """``CONTROL=VALUE`` pairs: controls, and free axes (``pca1``, ...).

    Raises:
        click.BadParameter: another form.
    """
    controls: dict[str, float] = {}
    axes: dict[str, float] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        try:
            value = float(text)
        except ValueError:
            equals = ""
            value = 0.0
        if not (equals and name.strip()):
            raise click.BadParameter(f"{pair!r} is not CONTROL=VALUE, as in brightness=+3")
        group = axes if re.fullmatch(r"pca\d+", name.strip()) else controls
        group[name.strip()] = value
    return controls, axes


def _path(
    out: Path | None, instrument: Instrument, seed: int, count: int, settings: ExportSettings
) -> Path:
    suffix = f".{settings.format or 'wav'}"
    if out is None:
        stem = _UNSAFE.sub("-", instrument.header.name).strip("-.") or "sound"
        return Path(f"{stem}-s{seed}{suffix}")
    return out if count == 1 else out.with_name(f"{out.stem}-s{seed}{out.suffix or suffix}")
