"""A finished training becomes what a model's file holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from milonga.sounds.controls.descriptors import NAMES
from milonga.sounds.model.latents import Atlas
from milonga.sounds.model.player import SoundPlayer
from milonga.sounds.training.effects import measure_effects
from milonga.sounds.training.evaluation import Evaluation, probe

if TYPE_CHECKING:
    from milonga.sounds.corpus.segments import MelTracks
    from milonga.sounds.training.trainer import Trainer

Start = tuple[Mapping[str, Any], Mapping[str, Tensor]]
"""A model's header (at least its ``architecture`` and ``controls``) and its tensors."""

Trained = tuple[dict[str, Any], dict[str, Tensor], dict[str, Any], dict[str, Any]]
"""Architecture, tensors, record, controls."""


def assembled(run: Trainer, start: Start | None, previous: MelTracks | None) -> Trained:
    """The model of a training with its kept latents, measured controls and record.

    Args:
        run: at its end.
        start: the model that it went on from.
        previous: the recordings of that model.
    """
    net = run.averaged(run.best).cpu()
    spec = run.store.spec
    atlas = Atlas.build(net, run.tracks, spec, run.settings.seed)
    architecture = {**run.shape.to_dict(), **atlas.to_dict()}
    tensors = {name: value.contiguous() for name, value in net.state_dict().items()}
    tensors |= atlas.tensors()
    header = {"architecture": architecture, "controls": run.controls, "mel_spec": spec.to_dict()}
    controls = measure_effects(
        SoundPlayer(header, tensors),
        run.controls,
        run.progress,
        seeds=range(run.settings.effect_seeds),
    )
    record = _record(run)
    if start is not None and previous is not None:
        record["earlier_recordings"] = {
            "error_before": _error_on(run, previous, start[1]),
            "error_after": _error_on(run, previous, run.best),
        }
    return architecture, tensors, record, controls


def _record(run: Trainer) -> dict[str, Any]:
    net = run.averaged(run.best)
    found = run.evaluation(net, run.reach)
    hidden = probe(net, run.segments, run.store.spec, run.device)
    steps = run.total_steps
    return {
        **run.settings.fixed(),
        "steps": run.step,
        "best_step": run.best_step,
        "seconds": round(run.seconds, 1),
        "stopped_early": run.stopped_early,
        "budget": {"minutes": run.settings.minutes if steps is None else None, "steps": steps},
        "parameters": sum(value.numel() for value in net.parameters()),
        "held_out": bool(run.store.tracks("validation")),
        "error": round(found["likeness"], 4),
        "error_of_constant": round(run.evaluation.constant, 4),
        "control_error": round(found["asked"], 4),
        "controls_in_latent": dict(zip(NAMES, hidden["latent"], strict=True)),
        "controls_in_encoder": dict(zip(NAMES, hidden["encoder"], strict=True)),
        "controls_in_mel": dict(zip(NAMES, hidden["mel"], strict=True)),
        "history": run.history,
    }


def _error_on(run: Trainer, store: MelTracks, weights: Mapping[str, Tensor]) -> float:
    """Held-out error on other recordings, nats."""
    tracks = store.tracks("validation") or store.tracks("train")
    evaluation = Evaluation(tracks, store.spec, run.device)
    net = run.averaged({name: weights[name] for name in run.best})
    return round(evaluation(net, run.reach)["likeness"], 4)
