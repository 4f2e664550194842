"""Settings of a training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from milonga.errors import MilongaError, SoundError
from milonga.runtime.record import ExplainedRecord
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


class TrainSettings(ExplainedRecord):
    """Budget and method of a training.

    Raises:
        SoundError: a number is out of its range.
    """

    raises: ClassVar[type[MilongaError]] = SoundError

    minutes: float = Field(
        10.0,
        gt=0,
        allow_inf_nan=False,
        description="Budget by the clock, over all runs of this training; used if neither "
        "epochs nor steps is given.",
        json_schema_extra={"help": "How long to train at most."},
    )
    epochs: int | None = Field(
        None,
        ge=1,
        description="Budget in passes over the unaugmented training frames, at least 20 steps "
        "each.",
        json_schema_extra={"help": "Train so many passes over the recordings."},
    )
    steps: int | None = Field(None, ge=1, description="Budget in steps; goes before epochs.")
    seed: int = Field(0, ge=0, description="Of the first weights, the draws and the noise.")
    batch: int = Field(8, ge=1, description="Segments of a step.")
    frames: int = Field(
        256, ge=2 * FACTOR, multiple_of=FACTOR, description="Of a segment, a multiple of 8."
    )
    learning_rate: float = Field(1.5e-3, description="The highest.")
    evaluate_every: int = Field(100, description="Steps from one validation to the next.")
    patience: int = Field(
        15, description="Validations without progress before training stops early."
    )
    checkpoint_s: float = Field(60.0, description="Seconds from one checkpoint to the next.")
    preview_s: float = Field(120.0, description="Seconds from one preview to the next.")
    effect_seeds: int = Field(3, description="Walks that each control is measured on.")
    device: str = Field("auto", description="Where to train: auto, cpu, cuda or mps.")
    size: Literal["normal", "small"] = Field(
        "normal", description="Of the network. small: quick to train, for trying things out."
    )
    architecture: Architecture | None = Field(None, description="Sizes of its own instead.")
    weights: Weights = Field(Weights(), description="Of the loss's terms.")

    @field_validator("size", mode="before")
    @classmethod
    def _known(cls, size: str) -> str:
        Architecture.of_size(size)
        return size

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
