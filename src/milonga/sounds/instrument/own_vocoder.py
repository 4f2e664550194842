"""A vocoder of a sound model's own: taken if it is measurably better.

It lies beside the model, as ``sounds/NAME/vocoder.safetensors``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.errors import MilongaError, VocoderError
from milonga.sounds.folder import ModelFolder
from milonga.sounds.model.file import sound_hash
from milonga.vocoders import VocoderBase
from milonga.weights import locate

if TYPE_CHECKING:
    from milonga.vocoders.training.vocoder_file import Duel


@dataclass(frozen=True, slots=True)
class Preference:
    """The choice between a model's own vocoder and the default one.

    Attributes:
        own: it should.
        reason: for the user; empty where the model has none.
    """

    own: bool
    reason: str


def default_vocoder() -> str:
    """Name the vocoder of models without a better one of their own; nothing is downloaded."""
    return "bigvgan" if locate("bigvgan") is not None else "griffin-lim"


def foreseen_vocoder(model: Path, wanted: str = "auto") -> str:
    """Name the vocoder that a model will be heard through, without loading it.

    Args:
        model: the model's file.
        wanted: a vocoder's name, or "auto".
    """
    if wanted != "auto":
        return wanted
    return "own" if preference(model).own else default_vocoder()


def preference(model: Path, default: str | None = None) -> Preference:
    """Tell whether a model's own vocoder is better than the default one; load neither.

    On held-out recordings, from mels as the sound model makes them, both its log-mel and its
    multi-resolution STFT distance must be smaller.

    Args:
        model: the model's file; its vocoder lies beside it.
        default: the vocoder to beat; None for that of this machine.
    """
    from milonga.vocoders.training.vocoder_file import read_header

    path = ModelFolder.of_model(model).vocoder
    if not path.exists():
        return Preference(False, "")
    default = default or default_vocoder()
    try:
        header = read_header(path)
    except MilongaError as error:
        return Preference(False, f"Its own vocoder can't be used. {error.message}")
    again = "milonga sound fine-tune-vocoder measures it anew"
    evaluation = header.evaluation
    if header.steps <= 0:
        why = "it is untrained"
    elif header.model != sound_hash(model):
        why = f"it was trained for the model as it was before; {again}"
    elif evaluation is None or evaluation.model is None:
        why = f"it hasn't been compared with another; {again}"
    elif evaluation.against != default:
        why = f"it was compared with {evaluation.against}, not with {default}; {again}"
    elif not evaluation.model.won:
        why = f"it isn't better than {default} ({_figures(evaluation.model)})"
    else:
        text = f"better than {default} on held-out recordings ({_figures(evaluation.model)})"
        return Preference(True, f"Its own vocoder: {text}.")
    return Preference(False, f"Its own vocoder isn't taken: {why}.")


def load_own(model: Path, device: str = "auto") -> VocoderBase:
    """Load a model's own vocoder, be it better or not.

    Raises:
        VocoderError: there is none, or it can't be loaded.
    """
    from milonga.vocoders.training.vocoder_file import load_trained

    path = ModelFolder.of_model(model).vocoder
    if not path.exists():
        raise VocoderError(
            "This model has no vocoder of its own.",
            where=path,
            step=f"Train one: milonga sound fine-tune-vocoder {model.parent.name!r}",
        )
    return load_trained(path, f"own:{model.parent.name}", device=device)


def _figures(duel: Duel) -> str:
    own, default = duel.own, duel.default
    return (
        f"log-mel distance {own.log_mel:.3f} against {default.log_mel:.3f}, "
        f"STFT distance {own.stft:.3f} against {default.stft:.3f}"
    )
