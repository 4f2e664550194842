import click
import pytest
from click.testing import CliRunner

from milonga.audio.export.settings import ExportSettings
from milonga.cli.sounds.options import export_fields, export_options
from milonga.errors import AudioError

SEEN = []


@click.command()
@click.option("--other", default="x")
@export_options
def command(other, **values):
    SEEN.append(ExportSettings(**export_fields({"other": other, **values})))


def settings(*arguments):
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return SEEN.pop()


def test_without_options_the_settings_are_the_defaults():
    assert settings() == ExportSettings()


def test_every_field_has_its_option():
    fields = {"no_dither" if name == "dither" else name for name in ExportSettings.model_fields}
    assert {parameter.name for parameter in command.params} == {*fields, "other"}


def test_values_arrive():
    found = settings(
        *("--format", "wav", "--bits", "32", "--rate", "96000", "--channels", "binaural"),
        *("--azimuth", "-30", "--elevation", "10", "--spread", "40", "--sofa", "x.sofa"),
        *("--loudness", "-16", "--level", "--no-dither", "--dither-seed", "4"),
    )
    assert found.model_dump(mode="json") == {
        "format": "wav",
        "bits": 32,
        "rate": 96_000,
        "channels": "binaural",
        "width": 1.0,
        "azimuth": -30.0,
        "elevation": 10.0,
        "spread": 40.0,
        "sofa": "x.sofa",
        "loudness": -16.0,
        "level": True,
        "dither": False,
        "dither_seed": 4,
    }


@pytest.mark.parametrize(
    "arguments", [["--format", "m4a"], ["--rate", "8000"], ["--width", "2"], ["--azimuth", "x"]]
)
def test_wrong_usage(arguments):
    assert CliRunner().invoke(command, arguments).exit_code == 2


def test_what_a_format_cannot_hold_is_explained():
    with pytest.raises(AudioError, match="MP3 can't hold 96000 Hz"):
        settings("--format", "mp3", "--rate", "96000")
