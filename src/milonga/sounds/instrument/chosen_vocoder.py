"""The vocoder that a sound model is heard through, and why it is that one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from milonga.audio.mel.spec import MelSpec
from milonga.errors import UnknownNameError, VocoderError
from milonga.runtime.progress import Progress
from milonga.sounds.folder import ModelFolder
from milonga.sounds.instrument.own_vocoder import default_vocoder, load_own, preference
from milonga.sounds.model.play_settings import VocoderName
from milonga.vocoders import VocoderBase, get_vocoder
from milonga.weights import locate

VOCODERS = get_args(VocoderName)


@dataclass(frozen=True, slots=True)
class ChosenVocoder:
    """A vocoder, and how it was chosen.

    Attributes:
        note: why it is this one, for the user.
        files: SHA-256 of its weights by name; none for griffin-lim.
        revision: of its weights' repository.
    """

    vocoder: VocoderBase
    note: str = ""
    files: tuple[tuple[str, str], ...] = ()
    revision: str | None = None

    @property
    def name(self) -> VocoderName:
        """The name that chooses the same again."""
        own = bool(self.files) and self.revision == ""
        name: VocoderName = "own" if own else self.vocoder.name  # type: ignore[assignment]
        return name


def choose_vocoder(
    name: str,
    spec: MelSpec,
    device: str = "auto",
    progress: Progress | None = None,
    model: Path | None = None,
) -> ChosenVocoder:
    """Choose a vocoder for a sound model.

    Args:
        name: one of ``VOCODERS``; "auto" is the model's own if that has been measured to be
            better, else bigvgan if its weights are on this machine, else griffin-lim: it never
            downloads.
        spec: of the model's mels.
        device: for a neural one.
        progress: shows a download.
        model: the model's file; a vocoder of its own lies beside it.

    Raises:
        UnknownNameError: no such vocoder.
        WeightsError, VocoderError: the vocoder can't be had or loaded.
    """
    if name not in VOCODERS:
        raise UnknownNameError("vocoder for sound models", name, VOCODERS)
    own, unused = _own_vocoder(name, model, device)
    if own is not None:
        return own
    note = ""
    if name == "auto":
        name = default_vocoder()
        note = f"Vocoder: {name}, whose weights are on this machine."
        if name == "griffin-lim":
            note = "Vocoder: griffin-lim. bigvgan sounds better: milonga weights get bigvgan"
    note = " ".join(part for part in (unused, note) if part)
    if name == "griffin-lim":
        return ChosenVocoder(get_vocoder(name, "cpu", spec=spec), note)
    vocoder = get_vocoder(name, device, progress=progress)
    found = locate("bigvgan")
    if found is None:
        return ChosenVocoder(vocoder, note)
    return ChosenVocoder(vocoder, note, tuple(sorted(found.hashes.items())), found.commit)


def _own_vocoder(name: str, model: Path | None, device: str) -> tuple[ChosenVocoder | None, str]:
    """The model's own vocoder, if it should be taken; else why not."""
    if name not in ("auto", "own"):
        return None, ""
    if model is None:
        if name == "own":
            raise VocoderError("A vocoder of its own lies beside a model's file.")
        return None, ""
    found = preference(model)
    if name == "auto" and not found.own:
        return None, found.reason
    try:
        vocoder = load_own(model, device)
    except VocoderError as error:
        if name == "own":
            raise
        return None, f"Its own vocoder can't be used. {error.message}"
    path = ModelFolder.of_model(model).vocoder
    with open(path, "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return ChosenVocoder(vocoder, found.reason, ((path.name, digest),)), ""
