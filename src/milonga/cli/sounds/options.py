"""The options of the commands that play and write sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from milonga.audio.export.settings import ExportSettings
from milonga.cli.options import given_fields, options_of, replace_option
from milonga.sounds.model.play_settings import PlaySettings, is_axis

F = TypeVar("F", bound=Callable[..., Any])

export_options = options_of(ExportSettings)
"""Adds the options of an export."""

no_history_option = click.option(
    "--no-history", is_flag=True, help="Keep nothing of it in milonga sound history."
)


def play_options(function: F) -> F:
    """Add the options that say what is played; give their values to ``play_settings``."""
    setting = click.option(
        "--set",
        "pairs",
        multiple=True,
        metavar="CONTROL=VALUE",
        help="As brightness=+3 or pca1=-2: spreads of the recordings, -4 to 4. Repeat for several.",
    )
    return options_of(PlaySettings, leave_out=("controls", "axes"))(setting(function))


def out_option(text: str) -> Callable[[F], F]:
    """Add ``--out`` and ``--force``."""

    def decorate(function: F) -> F:
        out = click.option("--out", "-o", type=click.Path(path_type=Path), help=text)
        return out(replace_option(function))

    return decorate


def play_settings(values: Mapping[str, Any]) -> PlaySettings:
    """Take the settings from a command's arguments; only what the user gave counts as chosen.

    Raises:
        click.BadParameter: ``--set`` isn't CONTROL=VALUE.
        SoundError: a value is out of range.
    """
    groups: dict[str, dict[str, float]] = {}
    for pair in values["pairs"]:
        name, _, text = (part.strip() for part in pair.partition("="))
        try:
            value = float(text)
        except ValueError:
            name = ""
        if not name:
            raise click.BadParameter(f"{pair!r} is not CONTROL=VALUE, as in brightness=+3")
        groups.setdefault("axes" if is_axis(name) else "controls", {})[name] = value
    return PlaySettings(**given_fields(PlaySettings, values), **groups)


def export_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the fields of ``ExportSettings`` that the user gave."""
    return given_fields(ExportSettings, values)
