"""Vocoders: a recording or a mel file through one, and one of a sound model's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga._version import __version__
from milonga.audio import Tags, probe, read, write
from milonga.audio.files import check_new_file
from milonga.audio.mel.files import Mel, is_mel, read_mel, write_mel
from milonga.audio.mel.spec import MelSpec
from milonga.audio.reading.opening import decoder
from milonga.errors import (
    DownloadError,
    MissingExtraError,
    NotDownloadedError,
    VocoderError,
)
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    from milonga.sounds.instrument.vocoder_tuning import START, TunedVocoder
    from milonga.sounds.library.library import Library
    from milonga.vocoders import VocoderBase
    from milonga.vocoders.copy_synthesis import CopySynthesis


@dataclass(frozen=True, slots=True)
class Vocoded:
    """A recording or a mel that went through a vocoder.

    Attributes:
        path: what was written.
        vocoder: that was taken.
        mel: that it was given.
        copied: the sound and its figures; None where the mel itself was written.
        lowered_db: how much lower it was made so that it does not clip.
    """

    path: Path
    vocoder: VocoderBase
    mel: Mel
    copied: CopySynthesis | None = None
    lowered_db: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        if self.copied is None:
            channels, bands, frames = self.mel.values.shape
            return {
                "out": str(self.path),
                "channels": channels,
                "bands": bands,
                "frames": frames,
                "spec": self.mel.spec.to_dict(),
            }
        return {
            "out": str(self.path),
            "vocoder": self.vocoder.name,
            "device": self.vocoder.device,
            "engine": getattr(self.vocoder, "engine", None),
            **self.copied.to_dict(),
            "lowered_db": round(self.lowered_db, 2),
        }


def vocode(
    source: str | Path,
    out: str | Path,
    *,
    vocoder: str | None = None,
    model: str | None = None,
    device: str = "auto",
    adapt: bool = False,
    convention: str | None = None,
    seed: int = 0,
    force: bool = False,
    progress: Progress | None = None,
) -> Vocoded:
    """Turn a mel-spectrogram into sound, or take a recording apart and rebuild it.

    Args:
        source: a recording, or a mel file (.npz as milonga writes it; .npy with ``convention``);
            ``-`` is standard input.
        out: the recording to write; with the suffix .npz the mel of ``source``.
        vocoder: "bigvgan" or "griffin-lim"; by default the first, or the second where its weights
            can't be had.
        model: another BigVGAN: a folder with config.json, a repository or a key of the catalogue.
        device: of the vocoder.
        adapt: convert a mel of another convention to the vocoder's.
        convention: what the numbers of a bare .npy mean: the name of a mel preset.
        seed: of griffin-lim.
        force: replace ``out`` if it is there.

    Raises:
        AudioError: the source can't be read, or ``out`` has no known suffix.
        OutputError: ``out`` is there or can't be written.
        VocoderError: options contradict each other, or the mel is of another convention.
        WeightsError, MissingExtraError: the vocoder that was asked for can't be had.
        Cancelled: the user stopped it.
    """
    from milonga.vocoders.copy_synthesis import analyse, render

    source, out = Path(source), Path(out)
    check_new_file(out, more=(".npz",), force=force)
    given = _given_mel(source, convention)
    if given is not None and out.suffix.lower() == ".npz":
        raise VocoderError(
            "The input is a mel already.", where=source, step="Give OUT the suffix of a recording."
        )
    progress = progress or Progress()
    chosen = _choose(vocoder, model, device, seed, given, progress)
    mel = given if given is not None else analyse(read(source), chosen.mel_spec)
    if given is None and (by := decoder(source)):
        progress.message(f"note: {source} was decoded by {by}.")
    if out.suffix.lower() == ".npz":
        write_mel(out, mel)
        return Vocoded(out, chosen, mel)
    copied = render(mel, chosen, adapt=adapt, progress=progress)
    peak = copied.clip.peak
    tags = Tags(software=f"milonga {__version__}", comment=f"vocoder: {chosen.name}")
    write(out, copied.clip, tags=tags, on_clip="level")
    lowered = max(0.0, 20 * math.log10(peak / 0.999)) if peak > 1.0 else 0.0
    if lowered:
        progress.message(f"note: lowered by {lowered:.1f} dB so that it does not clip.")
    return Vocoded(out, chosen, mel, copied, lowered)


def _given_mel(source: Path, convention: str | None) -> Mel | None:
    """The mel in a file; None where it is a recording, which is known to be one then."""
    if is_mel(source):
        return read_mel(source, MelSpec.preset(convention) if convention is not None else None)
    if convention is not None:
        raise VocoderError("A convention is for mel files (.npy).", where=source)
    probe(source)
    return None


def _choose(
    name: str | None,
    model: str | None,
    device: str,
    seed: int,
    mel: Mel | None,
    progress: Progress,
) -> VocoderBase:
    """The vocoder asked for; without a name BigVGAN, or Griffin-Lim and why."""
    from milonga.vocoders.registry import get_vocoder

    if name == "griffin-lim" and model is not None:
        raise VocoderError("A model is for bigvgan; griffin-lim has no weights.")
    if name != "griffin-lim":
        try:
            return get_vocoder("bigvgan", device, model=model, progress=progress)
        except (DownloadError, MissingExtraError, NotDownloadedError) as error:
            if name is not None or model is not None:
                raise
            progress.message(f"note: griffin-lim stands in for bigvgan. {error.note}")
            device = "cpu"
    spec = {} if mel is None else {"spec": mel.spec}
    return get_vocoder("griffin-lim", device, seed=seed, **spec)


def fine_tune_vocoder(
    model: str,
    *,
    minutes: float | None = None,
    steps: int | None = None,
    start: START = "auto",
    size: str = "small",
    model_mels: float | None = None,
    batch: int | None = None,
    seed: int = 0,
    corpus: Sequence[str | Path] = (),
    device: str = "auto",
    again: bool = False,
    library: Library | None = None,
    progress: Progress | None = None,
) -> TunedVocoder:
    """Train a vocoder on the recordings of a sound model, and keep it with the model.

    The same call goes on after an interruption.

    Args:
        model: a name of the library.
        minutes: how long to train in all, by default 30; more goes on with what is there.
        steps: train so many steps instead.
        start: "bigvgan" fine-tunes that checkpoint, "fresh" trains a small generator from
            nothing, "auto" takes the first if its weights are here and it fits into memory.
        size: of a fresh one: tiny, small or medium.
        model_mels: share of training mels that the sound model made, by default 0.5.
        batch: pairs in a step, by default 4, or 1 for bigvgan.
        corpus: folders where the recordings are by now, if they have moved.
        again: start anew; an unfinished training is forgotten.

    Raises:
        SoundError: there is no such model, or another process trains it.
        CorpusError: its recordings can't be found.
        VocoderError: it doesn't fit into memory, or an earlier training had other settings.
        MissingExtraError: torch isn't installed.
        Cancelled: the user stopped it; it can go on.
    """
    from milonga.sounds.instrument import vocoder_tuning

    if minutes is not None and steps is not None:
        raise VocoderError("A training takes minutes or steps, not both.")
    changes: dict[str, Any] = {"seed": seed, "steps": steps}
    changes["minutes"] = None if steps is not None else minutes or 30.0
    changes |= {} if model_mels is None else {"remade": model_mels}
    changes |= {} if batch is None else {"batch": batch}
    progress = progress or Progress()
    return vocoder_tuning.fine_tune_vocoder(
        model,
        changes=changes,
        start=start,
        size=size,
        corpus=[Path(folder) for folder in corpus],
        device=device,
        again=again,
        library=library,
        progress=progress,
        tell=progress.message,
    )
