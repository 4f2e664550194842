"""Training of a sound model's own vocoder, on the recordings of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from milonga._version import __version__
from milonga.errors import NotDownloadedError, SoundError, VocoderError, needs_extra
from milonga.runtime.memory import return_freed
from milonga.runtime.progress import Progress
from milonga.runtime.words import time_text
from milonga.sounds.instrument.own_vocoder import Preference, default_vocoder, preference
from milonga.sounds.instrument.vocoder_recordings import Recordings, gather
from milonga.sounds.library.library import Library, open_model
from milonga.sounds.library.saved_model import SavedModel
from milonga.sounds.model.file import sound_hash
from milonga.vocoders import VocoderBase, get_vocoder
from milonga.weights import locate

if TYPE_CHECKING:
    from torch import Tensor

    from milonga.sounds.model.player import SoundPlayer
    from milonga.vocoders.bigvgan.generator import BigVGANGenerator
    from milonga.vocoders.training.pairs import Pairs
    from milonga.vocoders.training.settings import VocoderSettings
    from milonga.vocoders.training.trainer import VocoderTraining
    from milonga.vocoders.training.vocoder_file import Evaluation, VocoderHeader

START = Literal["auto", "bigvgan", "fresh"]
EVALUATED_S = 60.0
_CONTEXT = 64

Floats = NDArray[np.float32]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TunedVocoder:
    """A trained vocoder.

    Attributes:
        path: its file.
        header: what the file says.
        left_out: recordings that weren't used, and why.
        preference: whether playing takes it.
    """

    path: Path
    header: VocoderHeader
    left_out: dict[str, str]
    preference: Preference

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        header = self.header
        return {
            "vocoder": str(self.path),
            "start": header.start,
            "steps": header.steps,
            "seconds": header.training.get("seconds"),
            "history": header.training.get("history"),
            "left_out": self.left_out,
            "evaluation": None if header.evaluation is None else header.evaluation.model_dump(),
            "preferred": self.preference.own,
            "reason": self.preference.reason,
        }


class Remaker:
    """A sound model's idea of a mel: encoded, decoded with its own controls.

    Args:
        player: of the model.
    """

    context = _CONTEXT

    def __init__(self, player: SoundPlayer) -> None:
        self._player = player

    def __call__(self, mel: Floats) -> Floats:
        """``[bands, T]`` to the same shape."""
        from milonga.sounds.model.resolved_play import ResolvedPlay

        spec, frames = self._player.spec, mel.shape[1]
        start = np.ascontiguousarray(mel[np.newaxis])
        request = ResolvedPlay(seconds=frames * spec.hop / spec.sample_rate, start=start)
        return self._player.mel(request)[0, :, :frames]


def fine_tune_vocoder(
    name: str,
    *,
    changes: Mapping[str, Any] | None = None,
    start: START = "auto",
    size: str = "small",
    corpus: Sequence[Path] = (),
    device: str = "auto",
    again: bool = False,
    library: Library | None = None,
    progress: Progress | None = None,
    tell: Tell | None = None,
) -> TunedVocoder:
    """Train a vocoder on a model's recordings; the same call goes on after an interruption.

    Args:
        name: of the model in the library.
        changes: fields of ``VocoderSettings`` that should differ from its defaults, or, for
            bigvgan, from ``VocoderSettings.fine_tuning()``.
        start: "bigvgan" fine-tunes that checkpoint, "fresh" trains a small generator from
            nothing, "auto" takes the first if its weights are on this machine and its training
            fits into memory.
        size: of a fresh generator, one of ``SIZES``.
        corpus: folders where the recordings are by now.
        device: where to train.
        again: forget an earlier training.
        library: by default the user's.
        progress: shows it, and may cancel.
        tell: is given lines for the user: what starts, what it will take.

    Raises:
        SoundError: there is no such model, or another process trains it.
        CorpusError: its recordings can't be found.
        VocoderError: it doesn't fit into memory, or an earlier training had other settings.
        MissingExtraError: torch isn't installed.
        Cancelled: the user stopped it; it can go on.
    """
    with needs_extra("Training a vocoder", "sounds"):
        import torch  # noqa: F401
    library = library or Library()
    entry = library.model(name)
    if entry.header is None:
        raise SoundError(entry.problem, where=entry.folder)
    with library.training(entry.name) as folder:
        # A model that was about to take its place has done so.
        entry, work = library.model(entry.name), folder.vocoder_training
        tuning = _Tuning(entry, work, device, progress or Progress(), tell or (lambda line: None))
        recordings = gather(entry, folder.training, work / "audio", corpus, progress)
        return tuning.run(recordings, changes or {}, start, size, again)


class _Tuning:
    def __init__(
        self, entry: SavedModel, work: Path, device: str, progress: Progress, tell: Tell
    ) -> None:
        from milonga.runtime.devices import pick_device

        self._entry, self._work, self._progress, self._tell = entry, work, progress, tell
        self._device = pick_device(device)
        self._model = sound_hash(entry.model_path)
        self._player = open_model(str(entry.model_path))

    def run(
        self,
        recordings: Recordings,
        changes: Mapping[str, Any],
        start: START,
        size: str,
        again: bool,
    ) -> TunedVocoder:
        from milonga.vocoders.training.pairs import Pairs
        from milonga.vocoders.training.trainer import VocoderTraining

        remaker, spec = Remaker(self._player), self._player.spec
        pairs = Pairs(recordings.train, spec, remaker)
        held_out = Pairs(recordings.held_out, spec, remaker)
        self._tell(
            f"{time_text(pairs.seconds)} of sound to train on, "
            f"{time_text(held_out.seconds)} held out."
        )
        generator, config, origin, settings = self._start(pairs, changes, start, size)
        if again:
            # Not before: what would be refused has been by now.
            self._entry.files.vocoder_checkpoint.unlink(missing_ok=True)
        training = VocoderTraining(
            generator,
            pairs,
            settings,
            self._work,
            origin={"model": self._model, "used": recordings.used, "start": origin},
            device=self._device,
        )
        if training.step:
            self._tell(f"Going on from step {training.step}.")
        training.run(self._progress)
        header = self._header(training, config, origin, recordings)
        weights = training.result()
        # With its moments and gradients it takes six times the memory of the weights.
        del training, generator
        return_freed()
        evaluation = self._evaluate(weights, header, held_out)
        return self._keep(weights, header.model_copy(update={"evaluation": evaluation}), recordings)

    def _start(
        self, pairs: Pairs, changes: Mapping[str, Any], start: START, size: str
    ) -> tuple[BigVGANGenerator, dict[str, Any], dict[str, Any], VocoderSettings]:
        """The generator, its config, what it is, and how to train it."""
        from milonga.vocoders.bigvgan.config import BigVGANConfig
        from milonga.vocoders.training.fresh import fresh_generator
        from milonga.vocoders.training.outlook import foresee
        from milonga.vocoders.training.settings import VocoderSettings
        from milonga.vocoders.training.sizes import config_of

        weights = locate("bigvgan") if start != "fresh" else None
        if weights is None and start == "bigvgan":
            raise NotDownloadedError(
                "bigvgan, which was to be fine-tuned, is not on this machine.",
                step="Download it: milonga weights get bigvgan. Or leave --from out.",
            )
        if weights is not None:
            from milonga.vocoders.bigvgan.loading import load_generator
            from milonga.weights import load_json

            generator = load_generator(weights.folder)
            if generator.config.mel_spec.differences(pairs.spec):
                raise VocoderError(
                    "The bigvgan of this machine takes mels of another convention.",
                    where=weights.folder,
                    step="Train a small one from nothing: --from fresh.",
                )
            chosen = VocoderSettings.fine_tuning(**changes)
            outlook = foresee(generator, chosen)
            self._tell(f"Fine-tuning bigvgan: {outlook.describe(chosen)}")
            try:
                outlook.check()
            except VocoderError as error:
                if start == "bigvgan":
                    raise
                self._tell(f"{error.message} A small generator is trained from nothing instead.")
            else:
                licence = weights.licence.name if weights.licence else ""
                origin = {"kind": "bigvgan", "repo": weights.repo, "commit": weights.commit,
                          "files": dict(weights.hashes), "licence": licence}  # fmt: skip
                return generator, load_json(weights.folder / "config.json"), origin, chosen
        chosen = VocoderSettings(**changes)
        config = config_of(size, pairs.spec)
        generator = fresh_generator(BigVGANConfig.from_dict(config), pairs, chosen.seed)
        outlook = foresee(generator, chosen)
        self._tell(f"Training a {size} vocoder from nothing: {outlook.describe(chosen)}")
        outlook.check()
        return generator, config, {"kind": "fresh", "size": size}, chosen

    def _header(
        self,
        training: VocoderTraining,
        config: dict[str, Any],
        origin: dict[str, Any],
        recordings: Recordings,
    ) -> VocoderHeader:
        from milonga.vocoders.training.vocoder_file import VocoderHeader

        return VocoderHeader(
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            config=config,
            mel_spec=training.generator.config.mel_spec.to_dict(),
            start=origin,
            training={
                "milonga": __version__,
                "settings": training.settings.fixed(),
                "steps": training.step,
                "seconds": round(training.seconds, 1),
                "history": training.history,
            },
            model=self._model,
            corpus={"used": recordings.used, "left_out": recordings.left_out},
        )

    def _evaluate(
        self, weights: dict[str, Tensor], header: VocoderHeader, held_out: Pairs
    ) -> Evaluation:
        """Compare it with the vocoder that would be taken otherwise, from both kinds of mel."""
        from milonga.vocoders.bigvgan.generator import BigVGANGenerator
        from milonga.vocoders.bigvgan.vocoder import BigVGAN
        from milonga.vocoders.training.distances import Distances
        from milonga.vocoders.training.evaluation import measure
        from milonga.vocoders.training.vocoder_file import Duel, Evaluation

        against = default_vocoder()

        def own() -> VocoderBase:
            generator = BigVGANGenerator.empty(header.generator_config).holding(weights)
            return BigVGAN(generator, self._device)

        def default() -> VocoderBase:
            return _default(against, self._device)

        kinds = [held_out.excerpts_of(EVALUATED_S, remade=remade) for remade in (False, True)]
        found: dict[str, list[Distances]] = {}
        total = 2 * sum(len(pairs) for pairs in kinds)
        with self._progress.task("Comparing vocoders", total, "excerpts") as task:
            # One after the other: two of BigVGAN's size need not be in memory together.
            for name, make in {"own": own, "default": default}.items():
                vocoder = make()
                found[name] = [measure(vocoder, pairs, held_out.spec, task) for pairs in kinds]
                del vocoder
                return_freed()
        clean, model = (
            Duel(own=mine, default=other)
            for mine, other in zip(found["own"], found["default"], strict=True)
        )
        frames = sum(pair.mel.shape[1] for pair in kinds[0])
        seconds = round(frames / held_out.spec.frame_rate, 2)
        return Evaluation(against=against, seconds=seconds, clean=clean, model=model)

    def _keep(
        self, weights: dict[str, Tensor], header: VocoderHeader, recordings: Recordings
    ) -> TunedVocoder:
        from milonga.vocoders.training.vocoder_file import save

        path = self._entry.files.vocoder
        save(path, header, weights)
        return TunedVocoder(path, header, recordings.left_out, preference(self._entry.model_path))


def _default(name: str, device: str) -> VocoderBase:
    return get_vocoder(name, "cpu" if name == "griffin-lim" else device)
