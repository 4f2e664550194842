"""How long and how to train a sound model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from milonga.sounds.model.network import Architecture
from milonga.sounds.training.losses import Weights


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How long and how to train.

    Attributes:
        minutes: budget by the clock, over all runs of this training; used if neither ``epochs``
            nor ``steps`` is given.
        epochs: budget in passes over the unaugmented training frames, at least 20 steps each.
        steps: budget in steps; goes before ``epochs``.
        seed: of the first weights, the draws and the noise.
        batch: segments of a step.
        frames: of a segment, a multiple of 8.
        learning_rate: the highest.
        evaluate_every: steps from one validation to the next.
        patience: validations without progress before training stops early.
        checkpoint_s: seconds from one checkpoint to the next.
        preview_s: seconds from one preview to the next.
        effect_seeds: walks that the effect of each control is measured on.
        device: where to train, "cpu" or a name of torch.
        architecture: of a new model.
        weights: of the loss's terms.
    """

    minutes: float = 10.0
    epochs: int | None = None
    steps: int | None = None
    seed: int = 0
    batch: int = 8
    frames: int = 256
    learning_rate: float = 1.5e-3
    evaluate_every: int = 100
    patience: int = 15
    checkpoint_s: float = 60.0
    preview_s: float = 120.0
    effect_seeds: int = 3
    device: str = "cpu"
    architecture: Architecture = field(default_factory=Architecture)
    weights: Weights = field(default_factory=Weights)

    def fixed(self) -> dict[str, Any]:
        """What can't change within one training: all but the budget and the intervals."""
        return {
            "seed": self.seed,
            "batch": self.batch,
            "frames": self.frames,
            "learning_rate": self.learning_rate,
            "evaluate_every": self.evaluate_every,
            "architecture": self.architecture.to_dict(),
            "weights": dataclasses.asdict(self.weights),
        }
