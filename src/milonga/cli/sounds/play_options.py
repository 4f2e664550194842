"""What the commands that play share: options, and which of them the user gave."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from milonga.cli.sounds.export_options import NAMES, export_settings

if TYPE_CHECKING:
    from milonga.audio.export.settings import ExportSettings
    from milonga.sounds.model.play_settings import PlaySettings

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--seconds",
        type=click.FloatRange(0, min_open=True),
        help="By default that of --like, else 10.",
    ),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    click.option(
        "--set",
        "pairs",
        multiple=True,
        metavar="CONTROL=VALUE",
        help="As brightness=+3 or pca1=-2: spreads of the recordings, -4 to 4. Repeat for several.",
    ),
    click.option(
        "--like",
        metavar="RECORDING",
        help="Play it again with other controls: any file, or one that the model learnt from.",
    ),
    click.option("--to", metavar="RECORDING", help="Turn into this one over the length."),
    click.option(
        "--pace",
        type=click.FloatRange(0, 16),
        default=1.0,
        show_default=True,
        help="How fast it goes; 0 stands still.",
    ),
    click.option(
        "--tempo",
        type=click.FloatRange(20, 400),
        default=120.0,
        show_default=True,
        help="Of the pulse, in beats a minute.",
    ),
    click.option(
        "--vocoder",
        type=click.Choice(["auto", "own", "bigvgan", "griffin-lim"]),
        default="auto",
        show_default=True,
        help="auto: the model's own if that is better, else bigvgan if its weights are here, else "
        "griffin-lim.",
    ),
    click.option("--device", default="auto", show_default=True, help="Of a neural vocoder."),
)

_PLAIN = ("seconds", "seed", "like", "to", "pace", "tempo", "vocoder", "device")


def play_options(function: F) -> F:
    """Adds the options that say what is played; give their values to ``play_settings``."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def play_settings(values: Mapping[str, Any]) -> PlaySettings:
    """The settings from a command's arguments; only those count as chosen that the user gave.

    Raises:
        click.BadParameter: ``--set`` isn't CONTROL=VALUE.
        SoundError: a value is out of range.
    """
    from milonga.sounds.model.play_settings import PlaySettings

    controls, axes = parse_settings(values["pairs"])
    chosen = {name: values[name] for name in _PLAIN if given(name)}
    chosen |= {"controls": controls} if controls else {}
    chosen |= {"axes": axes} if axes else {}
    return PlaySettings(**chosen)


def given_export(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``ExportSettings`` that the user gave, as plain values.

    Raises:
        AudioError: they contradict each other.
    """
    settings = export_settings(dict(values)).model_dump(mode="json")
    fields = {"no_dither": "dither"}
    return {fields.get(name, name): settings[fields.get(name, name)]
            for name in NAMES if given(name)}  # fmt: skip


def merged_export(values: Mapping[str, Any], preset: Mapping[str, Any]) -> ExportSettings:
    """Settings of a preset, and over them what the user gave.

    Raises:
        AudioError: they contradict each other.
    """
    from milonga.audio.export.settings import ExportSettings

    return ExportSettings.model_validate({**preset, **given_export(values)})


def given(name: str) -> bool:
    """Whether the user gave an argument of the command that runs."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT)


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
