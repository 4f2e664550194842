"""The options of an export, for every command that writes sound."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from milonga.audio.export.settings import ExportSettings

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--format",
        type=click.Choice(["wav", "flac", "ogg", "opus", "mp3"]),
        help="By default what the suffix of the file says.",
    ),
    click.option(
        "--bits",
        type=click.Choice(["16", "24", "32"]),
        help="Of WAV and FLAC: 16, 24, or 32 (float, WAV only). By default 24.",
    ),
    click.option(
        "--rate",
        type=click.Choice(["44100", "48000", "96000"]),
        help="Sampling rate in Hz. By default the sound's own.",
    ),
    click.option(
        "--channels",
        type=click.Choice(["keep", "mono", "stereo", "binaural"]),
        default="keep",
        show_default=True,
        help="stereo: a width made from mono. binaural: for headphones.",
    ),
    click.option(
        "--width",
        type=click.FloatRange(0, 1),
        default=1.0,
        show_default=True,
        help="Of stereo made from mono: 0 none, 1 the widest.",
    ),
    click.option(
        "--azimuth",
        type=click.FloatRange(-360, 360),
        default=0.0,
        show_default=True,
        metavar="DEGREES",
        help="Of binaural: 90 is at the left ear, -90 at the right, 180 behind.",
    ),
    click.option(
        "--elevation",
        type=click.FloatRange(-90, 90),
        default=0.0,
        show_default=True,
        metavar="DEGREES",
        help="Of binaural: above the ears.",
    ),
    click.option(
        "--spread",
        type=click.FloatRange(0, 180),
        default=60.0,
        show_default=True,
        metavar="DEGREES",
        help="Of binaural: between the two loudspeakers of a stereo sound.",
    ),
    click.option(
        "--sofa",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Of binaural: measured head responses (SimpleFreeFieldHRIR) instead of a sphere.",
    ),
    click.option(
        "--loudness",
        type=click.FloatRange(-70, 0),
        metavar="LUFS",
        help="Bring the sound to this integrated loudness, true peaks under -1 dBTP.",
    ),
    click.option("--level", is_flag=True, help="Where it would clip, limit the sound to -1 dBTP."),
    click.option("--no-dither", is_flag=True, help="Round to 16 or 24 bits without dither."),
    click.option(
        "--dither-seed", type=click.IntRange(0), default=0, show_default=True, help="Of the dither."
    ),
)

NAMES = (
    "format", "bits", "rate", "channels", "width", "azimuth", "elevation", "spread", "sofa",
    "loudness", "level", "no_dither", "dither_seed",
)  # fmt: skip
"""The arguments that ``export_options`` adds to a command."""


def export_options(function: F) -> F:
    """Adds the options of an export; give their values to ``export_settings``."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def export_settings(values: dict[str, Any]) -> ExportSettings:
    """The settings from a command's arguments; those that are no option of an export stay out.

    Raises:
        AudioError: the format can't hold what is asked for, or options contradict each other.
    """
    from milonga.audio.export.settings import ExportSettings

    chosen = {name: values[name] for name in NAMES if name in values}
    for name in ("bits", "rate"):
        if chosen.get(name) is not None:
            chosen[name] = int(chosen[name])
    chosen["dither"] = not chosen.pop("no_dither", False)
    return ExportSettings(**chosen)
