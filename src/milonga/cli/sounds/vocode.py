"""``milonga vocode``: a recording or a mel file through a vocoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from milonga.cli.common import json_option, make_progress, print_json, put, say
from milonga.cli.options import device_option, seed_option
from milonga.runtime.words import counted
from milonga.vocoders.registry import VOCODERS


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
    type=click.Choice(sorted(VOCODERS)),
    help="By default bigvgan; griffin-lim where its weights can't be had.",
)
@click.option(
    "--model",
    metavar="FOLDER|REPO",
    help="Another BigVGAN: a folder with config.json, a repository or a key of the catalogue.",
)
@device_option
@click.option("--adapt", is_flag=True, help="Convert a mel of another convention to the vocoder's.")
@click.option(
    "--convention",
    metavar="NAME",
    help="What the numbers of a bare .npy mean: the name of a mel preset.",
)
@seed_option("Of griffin-lim.")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
@json_option
def vocode(
    source: Path,
    out: Path,
    vocoder: str | None,
    model: str | None,
    convention: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Turn a mel-spectrogram into sound, or take a recording apart and rebuild it.

    INPUT is a recording (every channel is analysed and rendered) or a mel file: .npz as milonga
    writes it, or .npy with --convention. With --json: seconds, real-time factor (seconds of work
    for a second of sound), peak memory, and the log-mel distance between INPUT and OUT.

    \b
    milonga vocode song.wav -o again.wav --vocoder griffin-lim
    milonga vocode song.wav -o mel.npz
    """
    from milonga.audio.mel.files import is_mel
    from milonga.workflows import vocoding

    from_mel = is_mel(source)
    if from_mel and out.suffix.lower() == ".npz":
        raise click.UsageError("INPUT is a mel already; give OUT the suffix of a recording.")
    if convention is not None and not from_mel:
        raise click.UsageError("--convention is for mel files (.npy); INPUT is a recording.")
    if vocoder == "griffin-lim" and model is not None:
        raise click.UsageError("--model is for bigvgan; griffin-lim has no weights.")
    done = vocoding.vocode(
        source,
        out,
        vocoder=vocoder,
        model=model,
        convention=convention,
        progress=make_progress(),
        **values,
    )
    if as_json:
        print_json(done)
        return
    copied = done.copied
    if copied is None:
        channels, bands, frames = done.mel.values.shape
        say(f"{counted(channels, 'channel')}, {bands} bands, {frames} frames")
    else:
        factor, distance = copied.real_time_factor, copied.log_mel_distance_db
        speed = "" if factor is None else f" ({1 / factor:.1f} times real time)"
        far = "" if distance is None else f"; log-mel distance {distance:.1f} dB"
        say(
            f"{copied.clip.seconds:.1f} s in {copied.elapsed_s:.1f} s{speed} by "
            f"{done.vocoder.name} on {done.vocoder.device}{far}"
        )
    put(out)
