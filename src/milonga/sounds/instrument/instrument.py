"""An instrument: a sound model together with the vocoder that makes it heard."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.audio import Clip, read, resample
from milonga.audio.export.receipt import Made
from milonga.audio.mel.spec import MelSpec
from milonga.errors import SoundError, UnknownNameError, VocoderError
from milonga.runtime.progress import Progress
from milonga.sounds.library.library import Library, open_model
from milonga.sounds.model.file import ModelHeader, read_header, sound_hash
from milonga.vocoders.base import VocoderBase

if TYPE_CHECKING:
    from milonga.sounds.model.player import PlayRequest, SoundPlayer

VOCODERS = ("auto", "own", "bigvgan", "griffin-lim")
_SILENT_DB = -60.0


@dataclass(frozen=True, slots=True)
class Voice:
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


def choose_voice(
    name: str,
    spec: MelSpec,
    device: str = "auto",
    progress: Progress | None = None,
    model: Path | None = None,
) -> Voice:
    """A vocoder for a sound model.

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
    from milonga.sounds.instrument.own_vocoder import default_vocoder
    from milonga.vocoders import get_vocoder
    from milonga.weights import locate

    if name not in VOCODERS:
        raise UnknownNameError("vocoder for sound models", name, VOCODERS)
    own, unused = _own_voice(name, model, device)
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
        return Voice(get_vocoder(name, "cpu", spec=spec), note)
    vocoder = get_vocoder(name, device, progress=progress)
    found = locate("bigvgan")
    if found is None:
        return Voice(vocoder, note)
    return Voice(vocoder, note, tuple(sorted(found.hashes.items())), found.commit)


def _own_voice(name: str, model: Path | None, device: str) -> tuple[Voice | None, str]:
    """The model's own vocoder, if it should be taken; else why not."""
    from milonga.sounds.instrument.own_vocoder import FILE, load_own, preference

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
    with open(model.parent / FILE, "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    return Voice(vocoder, found.reason, ((FILE, digest),)), ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a sound starts or goes to.

    Attributes:
        value: as ``PlayRequest.start`` takes it.
        about: the same for a receipt.
    """

    value: str | NDArray[np.float32]
    about: dict[str, Any]


def source_of(text: str, player: SoundPlayer) -> Source:
    """A recording by its path, or one that the model learnt from by its name.

    Raises:
        SoundError: there is neither.
        AudioError: the recording can't be read.
    """
    path = Path(text)
    if text in player.files and player.atlas.of_file(player.files.index(text)) is not None:
        return Source(f"corpus:{text}", {"corpus": text})
    if not path.is_file():
        if text in player.files:
            raise SoundError(
                f"The model keeps nothing of {text!r}: it was held out for testing, or left out "
                "of a long corpus.",
                step="Give the path of the recording itself.",
            )
        some = ", ".join(player.files[:5]) + (", ..." if len(player.files) > 5 else "")
        raise SoundError(
            f"There is no recording {text!r}, neither as a file nor among those that the model "
            "learnt from.",
            step=f"It learnt from: {some}.",
        )
    whole = read(path)
    clip = resample(Clip(whole.mono, whole.sample_rate), player.spec.sample_rate)
    if clip.n_samples < player.spec.hop:
        clip = clip.fitted(player.spec.hop)
    mel = player.spec.analyse(clip)
    return Source(mel, {"recording": path.name, "mel_sha256": hashlib.sha256(mel.data).hexdigest()})


class Instrument:
    """A sound model, loaded once and played many times.

    Attributes:
        player: of the model.
        voice: its vocoder.
        header: of the model's file.
        sha256: of all that decides how the model sounds.
    """

    def __init__(
        self, player: SoundPlayer, voice: Voice, header: ModelHeader, sha256: str, path: Path
    ) -> None:
        self.player, self.voice = player, voice
        self.header, self.sha256, self.path = header, sha256, path

    @classmethod
    def open(
        cls,
        model: str,
        *,
        vocoder: str = "auto",
        device: str = "auto",
        library: Library | None = None,
        progress: Progress | None = None,
    ) -> Instrument:
        """Loads a model and a vocoder.

        Args:
            model: a name of the library, or a model's file.
            vocoder: as ``choose_voice`` takes it.
            device: for the vocoder; the model itself is quick enough on a processor.
            library: by default the user's.
            progress: shows a download.

        Raises:
            SoundError: there is no such model, or it can't be read.
            WeightsError, VocoderError: the vocoder can't be had or loaded.
        """
        library = library or Library()
        path = library.model_path(model)
        player = open_model(str(path.absolute()), library)
        voice = choose_voice(vocoder, player.spec, device, progress, path)
        return cls(player, voice, read_header(path), sound_hash(path), path)

    def play(self, request: PlayRequest, progress: Progress | None = None) -> Clip:
        """Plays a request: mono, finite, under full scale.

        Raises:
            SoundError: the request makes no sense for this model, or what came out is silent.
            UnknownNameError: no such control, axis or recording.
            Cancelled: the user stopped it.
        """
        clip = self.player.clip(request, self.voice.vocoder, progress)
        level = 10 * np.log10(np.mean(clip.samples.astype(np.float64) ** 2) + 1e-20)
        if clip.peak > 1.0:
            raise SoundError(f"What came out clips (peak {clip.peak:.2f}).")
        if level < _SILENT_DB:
            raise SoundError(
                f"What came out is silent ({level:.0f} dBFS).",
                step="Raise loudness, choose another seed, or start from another recording.",
            )
        return clip

    def made(self, request: PlayRequest, start: Source | None, to: Source | None) -> Made:
        """How a request's clip is made, for its receipt."""
        settings: dict[str, Any] = {
            "seconds": request.seconds,
            "controls": dict(request.settings),
            "axes": dict(request.axes),
            "pace": request.pace,
            "tempo": request.tempo,
            "start": start.about if start else "walk",
            "to": to.about if to else None,
            "learnt_from": {
                "corpus": self.header.corpus.fingerprint,
                "files": len(self.header.corpus.files),
                "generated": sum(file.generated for file in self.header.corpus.files),
            },
            "vocoder": {
                "name": self.voice.vocoder.name,
                "device": self.voice.vocoder.device,
                "revision": self.voice.revision,
                "files": dict(self.voice.files),
            },
            "libraries": {name: version(name) for name in ("numpy", "torch")},
        }
        return Made(
            model=self.header.name,
            model_sha256=self.sha256,
            seed=request.seed,
            licence=self.header.licence,
            settings=settings,
        )
