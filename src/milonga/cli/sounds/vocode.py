"""``milonga vocode``: a recording or a mel file through a vocoder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.vocoders.registry import VOCODERS

if TYPE_CHECKING:
    from milonga.audio.mel.files import Mel
    from milonga.runtime.progress import Progress
    from milonga.vocoders.base import VocoderBase

_MEL_SUFFIXES = (".npz", ".npy")


@click.command()
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The recording to write; with the suffix .npz the mel of INPUT is written instead.",
)
@click.option(
    "--vocoder",
    "name",
    type=click.Choice(sorted(VOCODERS)),
    help="By default bigvgan; griffin-lim where its weights can't be had.",
)
@click.option(
    "--model",
    metavar="FOLDER|REPO",
    help="Another BigVGAN: a folder with config.json, a repository or a key of the catalogue.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option("--adapt", is_flag=True, help="Convert a mel of another convention to the vocoder's.")
@click.option(
    "--convention",
    metavar="NAME",
    help="What the numbers of a bare .npy mean: the name of a mel preset.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of griffin-lim."
)
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
@json_option
def vocode(
    source: Path,
    out: Path,
    name: str | None,
    model: str | None,
    device: str,
    adapt: bool,
    convention: str | None,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Turn a mel-spectrogram into sound, or take a recording apart and rebuild it.

    INPUT is a recording (every channel is analysed and rendered) or a mel file: .npz as milonga
    writes it, or .npy with --convention. With --json: seconds, real-time factor (seconds of work
    for a second of sound), peak memory, and the log-mel distance between INPUT and OUT.
    """
    _check_out(out, force)
    progress = make_progress()
    given = _given_mel(source, convention)
    if given is not None and out.suffix.lower() == ".npz":
        raise click.UsageError("INPUT is a mel already; give OUT the suffix of a recording.")
    vocoder = _choose(name, model, device, seed, given, progress)
    mel = given if given is not None else _analysed(source, vocoder)
    if out.suffix.lower() == ".npz":
        _write_mel(out, mel, as_json)
        return
    _render(out, mel, vocoder, adapt, as_json, progress)


def _check_out(out: Path, force: bool) -> None:
    from milonga.audio import SUFFIXES
    from milonga.errors import AudioError, OutputError

    if out.suffix.lower() not in (*SUFFIXES, ".npz"):
        raise AudioError(
            f"No audio format has the suffix {out.suffix!r}.",
            where=out,
            step=f"Use one of: {' '.join(SUFFIXES)}, or .npz for the mel.",
        )
    if out.exists() and not force:
        raise OutputError("It is already there.", where=out, step="Add --force to replace it.")


def _given_mel(source: Path, convention: str | None) -> Mel | None:
    """The mel in INPUT; None where it is a recording, which is known to be one then."""
    if source.suffix.lower() not in _MEL_SUFFIXES:
        if convention is not None:
            raise click.UsageError("--convention is for mel files (.npy); INPUT is a recording.")
        from milonga.audio import probe

        probe(source)
        return None
    from milonga.audio.mel.files import read_mel
    from milonga.audio.mel.spec import MelSpec

    return read_mel(source, MelSpec.preset(convention) if convention is not None else None)


def _analysed(source: Path, vocoder: VocoderBase) -> Mel:
    from milonga.audio import read
    from milonga.vocoders.copy_synthesis import analyse

    return analyse(read(source), vocoder.mel_spec)


def _choose(
    name: str | None,
    model: str | None,
    device: str,
    seed: int,
    mel: Mel | None,
    progress: Progress,
) -> VocoderBase:
    """The vocoder asked for; without a name BigVGAN, or Griffin-Lim and why."""
    from milonga.errors import DownloadError, MissingExtraError, NotDownloadedError
    from milonga.vocoders.registry import get_vocoder

    if name == "griffin-lim" and model is not None:
        raise click.UsageError("--model is for bigvgan; griffin-lim has no weights.")
    if name != "griffin-lim":
        try:
            return get_vocoder("bigvgan", device, model=model, progress=progress)
        except (DownloadError, MissingExtraError, NotDownloadedError) as error:
            if name is not None or model is not None:
                raise
            say(f"note: griffin-lim stands in for bigvgan. {error.message}")
            device = "cpu"
    spec = {} if mel is None else {"spec": mel.spec}
    return get_vocoder("griffin-lim", device, seed=seed, **spec)


def _write_mel(out: Path, mel: Mel, as_json: bool) -> None:
    from milonga.audio.mel.files import write_mel

    write_mel(out, mel)
    channels, bands, frames = mel.values.shape
    if as_json:
        document = {"out": str(out), "channels": channels, "bands": bands, "frames": frames}
        print_json(document | {"spec": mel.spec.to_dict()})
    else:
        say(f"{channels} channels, {bands} bands, {frames} frames")
        click.echo(out)


def _render(
    out: Path, mel: Mel, vocoder: VocoderBase, adapt: bool, as_json: bool, progress: Progress
) -> None:
    from milonga._version import __version__
    from milonga.audio import Tags, write
    from milonga.vocoders.copy_synthesis import render

    copied = render(mel, vocoder, adapt=adapt, progress=progress)
    peak = copied.clip.peak
    tags = Tags(software=f"milonga {__version__}", comment=f"vocoder: {vocoder.name}")
    write(out, copied.clip, tags=tags, on_clip="level")
    lowered = max(0.0, 20 * math.log10(peak / 0.999)) if peak > 1.0 else 0.0
    if lowered:
        say(f"note: lowered by {lowered:.1f} dB so that it does not clip.")
    document: dict[str, Any] = {
        "out": str(out),
        "vocoder": vocoder.name,
        "device": vocoder.device,
        "engine": getattr(vocoder, "engine", None),
        **copied.document(),
        "lowered_db": round(lowered, 2),
    }
    if as_json:
        print_json(document)
        return
    factor = copied.real_time_factor
    speed = "" if factor is None else f" ({1 / factor:.1f} times real time)"
    distance = copied.log_mel_distance_db
    say(
        f"{copied.clip.seconds:.1f} s in {copied.elapsed_s:.1f} s{speed} by {vocoder.name} on "
        f"{vocoder.device}" + ("" if distance is None else f"; log-mel distance {distance:.1f} dB")
    )
    click.echo(out)
