"""Settings of a training."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from milonga.errors import SoundError
from milonga.sounds.model.architecture import FACTOR, Architecture


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of the loss's terms; mels count per value, in units of the corpus's mean spread.

    Attributes:
        likeness: absolute error of the mel decoded with its own descriptors.
        own: error of that mel's descriptors.
        asked: error of the descriptors of a mel decoded with changed ones.
        near: how far changed descriptors move the mel.
        kl: nats of a latent vector over the values of its eight frames.
        free: nats of each latent dimension that cost nothing.
    """

    likeness: float = 1.0
    own: float = 0.2
    asked: float = 1.0
    near: float = 0.03
    kl: float = 0.1
    free: float = 0.1


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Budget and method of a training.

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
        device: where to train: "auto", "cpu", "cuda" or "mps".
        size: of a new model's network. "small" is for trying things out.
        architecture: sizes of its own instead.
        weights: of the loss's terms.

    Raises:
        SoundError: a number is out of its range.
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
    device: str = "auto"
    size: Literal["normal", "small"] = "normal"
    architecture: Architecture | None = None
    weights: Weights = field(default_factory=Weights)

    def __post_init__(self) -> None:
        counts = [count for count in (self.epochs, self.steps) if count is not None]
        if not 0 < self.minutes < math.inf or min(counts, default=1) < 1:
            raise SoundError("A training needs a budget above 0.", step="Give minutes or epochs.")
        if self.frames % FACTOR or self.frames < 2 * FACTOR or self.batch < 1:
            raise SoundError("A segment needs a multiple of 8 frames, at least 16.")
        if self.seed < 0:
            raise SoundError(f"A seed is 0 or more, not {self.seed}.")
        Architecture.of_size(self.size)

    @property
    def network(self) -> Architecture:
        """The sizes of a new model's network."""
        return self.architecture or Architecture.of_size(self.size)

    def fixed(self) -> dict[str, Any]:
        """The settings that stay within one training: all but budget, intervals and device."""
        return {
            "seed": self.seed,
            "batch": self.batch,
            "frames": self.frames,
            "learning_rate": self.learning_rate,
            "evaluate_every": self.evaluate_every,
            "architecture": self.network.to_dict(),
            "weights": dataclasses.asdict(self.weights),
        }
