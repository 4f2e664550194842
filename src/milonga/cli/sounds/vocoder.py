"""``milonga sound fine-tune-vocoder``: a vocoder of a sound model's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, put, say, say_first, show
from milonga.cli.options import device_option, given, options_of
from milonga.runtime.progress import stop_between_steps
from milonga.runtime.words import time_text
from milonga.vocoders.training.settings import VocoderSettings

if TYPE_CHECKING:
    from milonga.sounds.instrument.vocoder_tuning import TunedVocoder
    from milonga.vocoders.training.vocoder_file import Duel

_MOST_LISTED = 20


@click.command("fine-tune-vocoder")
@click.argument("name")
@options_of(VocoderSettings, "minutes", "steps", "batch", "seed")
@click.option(
    "--from",
    "start",
    type=click.Choice(["auto", "bigvgan", "fresh"]),
    default="auto",
    show_default=True,
    help="Fine-tune bigvgan, or train a small one from nothing; auto: bigvgan if its weights "
    "are here and it fits into memory.",
)
@click.option(
    "--size",
    type=click.Choice(["tiny", "small", "medium"]),
    default="small",
    show_default=True,
    help="Of one that is trained from nothing.",
)
@click.option(
    "--model-mels",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Share of training mels that the sound model made, by default 0.5.",
)
@device_option
@click.option(
    "--corpus",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where the recordings are by now, if they have moved.",
)
@click.option("--again", is_flag=True, help="Start anew; an unfinished training is forgotten.")
@json_option
def fine_tune_vocoder(name: str, as_json: bool, **values: Any) -> None:
    """Train a vocoder on the recordings of the sound model NAME, and keep it with the model.

    At the end it is compared with the vocoder that would be taken otherwise, on recordings that
    neither was trained on. milonga sound play takes it from then on if it is better. After
    Ctrl-C or a crash the same command goes on.

    \b
    milonga sound fine-tune-vocoder rain --minutes 60
    """
    if given("minutes") and given("steps"):
        raise click.UsageError("Give --minutes or --steps, not both.")
    from milonga.workflows import vocoding

    progress = make_progress()
    # What isn't given depends on the generator.
    values = {key: value for key, value in values.items() if given(key)}
    with stop_between_steps(progress, f"the vocoder of {name!r}"):
        tuned = vocoding.fine_tune_vocoder(name, progress=progress, **values)
    show(tuned, as_json, lambda: _show(tuned))


def _show(tuned: TunedVocoder) -> None:
    header = tuned.header
    if tuned.left_out:
        say("Recordings that were not used:")
        lines = [f"{name}: {reason}" for name, reason in tuned.left_out.items()]
        say_first(lines, _MOST_LISTED, "  ")
    say(f"{header.steps} steps in {time_text(header.training.get('seconds', 0))}")
    if header.evaluation is not None:
        found = header.evaluation
        say(f"On {time_text(found.seconds)} of held-out recordings, against {found.against}:")
        _duel("from mels of the recordings", found.clean)
        if found.model is not None:
            _duel("from mels of the model", found.model)
    say(tuned.preference.reason)
    put(tuned.path)


def _duel(label: str, duel: Duel) -> None:
    own, default = duel.own, duel.default
    say(
        f"  {label}: log-mel distance {own.log_mel:.3f} ({default.log_mel:.3f}), "
        f"STFT distance {own.stft:.3f} ({default.stft:.3f})"
    )
