"""A sound model from a store of mels: trained, measured, and ready for its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from milonga.runtime.progress import Progress
from milonga.sounds.controls.descriptors import NAMES
from milonga.sounds.corpus.segments import MelTracks
from milonga.sounds.model.latents import CorpusLatents
from milonga.sounds.model.player import SoundPlayer
from milonga.sounds.model.training_record import EarlierRecordings, TrainingRecord
from milonga.sounds.training.effects import measure_effects
from milonga.sounds.training.evaluation import Evaluation, probe
from milonga.sounds.training.result import StartModel, TrainedModel
from milonga.sounds.training.settings import TrainSettings
from milonga.sounds.training.trainer import Preview, Trainer


def train(
    store: MelTracks,
    folder: Path,
    settings: TrainSettings | None = None,
    progress: Progress | None = None,
    start: StartModel | None = None,
    *,
    previous: MelTracks | None = None,
    preview: Preview | None = None,
) -> TrainedModel:
    """Train a sound model, or go on from ``folder``'s checkpoint where there is one.

    Args:
        store: mels of the corpus, with variations.
        folder: holds the checkpoint.
        settings: budget and method.
        progress: is told of losses; a cancelled training leaves a checkpoint.
        start: a model to go on from with other recordings. It keeps its normalisation.
        previous: the recordings that ``start`` was trained on: the record then says what the
            training did to them.
        preview: is given a mel ``[1, bands, T]`` (a held-out sound as the model has it so far)
            and the step, now and then.

    Raises:
        SoundError: the checkpoint is of another training or damaged; the loss left the range of
            numbers.
        CorpusError: there is nothing to train on.
        Cancelled: the user stopped it; the checkpoint is there.
    """
    run = Trainer(store, folder, settings or TrainSettings(), progress or Progress(), start)
    run.loop(preview)
    net = run.averaged(run.best).cpu()
    latents = CorpusLatents.build(net, run.tracks, store.spec, run.settings.seed)
    architecture = {**run.shape.to_dict(), **latents.to_dict()}
    tensors = {name: value.contiguous() for name, value in net.state_dict().items()}
    tensors |= latents.tensors()
    controls = measure_effects(
        SoundPlayer(architecture, run.controls, tensors, spec=store.spec),
        run.controls,
        run.progress,
        seeds=range(run.settings.effect_seeds),
    )
    earlier = None
    if start is not None and previous is not None:
        earlier = EarlierRecordings(
            error_before=_error_on(run, previous, start.tensors),
            error_after=_error_on(run, previous, run.best),
        )
    return TrainedModel(architecture, tensors, controls, _record(run, earlier))


def _record(run: Trainer, earlier: EarlierRecordings | None) -> TrainingRecord:
    net = run.averaged(run.best)
    found = run.evaluation(net, run.reach)
    hidden = {
        f"controls_in_{place}": dict(zip(NAMES, shares, strict=True))
        for place, shares in probe(net, run.segments, run.store.spec, run.device).items()
    }
    steps = run.total_steps
    return TrainingRecord(
        **run.settings.fixed(),
        **hidden,
        **({"earlier_recordings": earlier} if earlier else {}),
        steps=run.step,
        best_step=run.best_step,
        seconds=round(run.seconds, 1),
        stopped_early=run.stopped_early,
        budget={"minutes": run.settings.minutes if steps is None else None, "steps": steps},
        parameters=sum(value.numel() for value in net.parameters()),
        held_out=bool(run.store.tracks("validation")),
        error=round(found["likeness"], 4),
        error_of_constant=round(run.evaluation.constant, 4),
        control_error=round(found["asked"], 4),
        history=tuple(run.history),
    )


def _error_on(run: Trainer, store: MelTracks, weights: Mapping[str, Tensor]) -> float:
    """Held-out error on other recordings, nats."""
    tracks = store.tracks("validation") or store.tracks("train")
    evaluation = Evaluation(tracks, store.spec, run.device)
    net = run.averaged({name: weights[name] for name in run.best})
    return round(evaluation(net, run.reach)["likeness"], 4)
