"""An instrument: a sound model together with the vocoder that makes it heard."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.audio import Clip
from milonga.audio.export.receipt import Provenance
from milonga.errors import SoundError
from milonga.runtime import html
from milonga.runtime.devices import thread_count
from milonga.runtime.progress import Progress
from milonga.sounds.instrument.chosen_vocoder import ChosenVocoder, choose_vocoder
from milonga.sounds.library.library import Library, open_model
from milonga.sounds.model.file import read_header, sound_hash
from milonga.sounds.model.header import ModelHeader
from milonga.sounds.model.play_settings import PlaySettings
from milonga.sounds.model.resolved_play import ResolvedPlay
from milonga.vocoders import VocoderBase

if TYPE_CHECKING:
    from milonga.sounds.model.player import SoundPlayer

_SILENT_DB = -60.0


class Instrument:
    """A sound model, loaded once and played many times.

    Attributes:
        player: of the model.
        chosen_vocoder: how it is heard, and why so.
        header: of the model's file.
        sha256: of all that decides how the model sounds.
    """

    def __init__(
        self,
        player: SoundPlayer,
        chosen_vocoder: ChosenVocoder,
        header: ModelHeader,
        sha256: str,
        path: Path,
    ) -> None:
        self.player, self.chosen_vocoder = player, chosen_vocoder
        self.header, self.sha256, self.path = header, sha256, path

    @property
    def vocoder(self) -> VocoderBase:
        return self.chosen_vocoder.vocoder

    @classmethod
    def open(
        cls,
        model: str | Path,
        *,
        vocoder: str = "auto",
        device: str = "auto",
        library: Library | None = None,
        progress: Progress | None = None,
    ) -> Instrument:
        """Load a model and a vocoder.

        Args:
            model: a name of the library, or a model's file.
            vocoder: as ``choose_vocoder`` takes it.
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
        chosen = choose_vocoder(vocoder, player.spec, device, progress, path)
        return cls(player, chosen, read_header(path), sound_hash(path), path)

    def _repr_html_(self) -> str:
        weak = self.header.weak_controls
        rows = [
            (name, report.term, weak.get(name, "") if report.enabled else report.reason)
            for name, report in self.header.controls.items()
        ]
        title = f"{self.header.name}, learnt from {self.header.corpus_text}, by {self.vocoder.name}"
        return html.table(("control", "term", "missing or weak because"), rows, title)

    def resolve(self, settings: PlaySettings | ResolvedPlay) -> ResolvedPlay:
        """Read the recordings of settings and check them against the model.

        Raises:
            SoundError, UnknownNameError, AudioError: as ``PlaySettings.resolve``.
        """
        return settings.resolve(self.player) if isinstance(settings, PlaySettings) else settings

    def play(self, settings: PlaySettings | ResolvedPlay, progress: Progress | None = None) -> Clip:
        """Play settings: mono, finite, under full scale.

        Raises:
            SoundError: the settings make no sense for this model, or what came out is silent.
            UnknownNameError: no such control, axis or recording.
            Cancelled: the user stopped it.
        """
        clip = self.player.clip(self.resolve(settings), self.vocoder, progress)
        check_audible(clip.samples, "choose another seed, or start from another recording.")
        return clip

    @property
    def learnt_from(self) -> dict[str, Any]:
        """The recordings behind the model, in numbers: all, those held out, those that a model
        made, and those that only an earlier training had."""
        corpus = self.header.corpus
        return {
            "corpus": corpus.fingerprint,
            "files": len(corpus.files),
            "held_out": sum(file.held_out for file in corpus.files),
            "generated": sum(file.generated for file in corpus.files),
            "absent": sum(file.absent for file in corpus.files),
        }

    @property
    def plays_with(self) -> dict[str, Any]:
        """What decides how it sounds, beside the settings: model, vocoder, libraries."""
        return {
            "model": self.sha256,
            "vocoder": {
                "name": self.vocoder.name,
                "device": self.vocoder.device,
                "revision": self.chosen_vocoder.revision,
                "files": dict(self.chosen_vocoder.files),
            },
            "libraries": {name: version(name) for name in ("numpy", "torch")},
        }

    def provenance(self, play: ResolvedPlay) -> Provenance:
        """Describe how a clip of these settings is made, for its receipt."""
        settings: dict[str, Any] = {
            "seconds": play.seconds,
            "controls": dict(play.controls),
            "axes": dict(play.axes),
            "pace": play.pace,
            "tempo": play.tempo,
            "start": play.recordings.get("start", "walk"),
            "to": play.recordings.get("to"),
            "learnt_from": self.learnt_from,
            "vocoder": self.plays_with["vocoder"],
            "libraries": self.plays_with["libraries"],
        }
        return Provenance(
            model=self.header.name,
            model_sha256=self.sha256,
            seed=play.seed,
            licence=self.header.licence,
            settings=settings,
            threads=thread_count(),
        )


def check_audible(samples: NDArray[np.float32], else_: str) -> None:
    """Refuse silence.

    Raises:
        SoundError: the mean level is under -60 dBFS.
    """
    level = 10 * np.log10(np.mean(samples.astype(np.float64) ** 2) + 1e-20)
    if level < _SILENT_DB:
        raise SoundError(
            f"What came out is silent ({level:.0f} dBFS).", step=f"Raise loudness, {else_}"
        )
