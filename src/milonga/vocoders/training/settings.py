"""Settings of a vocoder's training."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from milonga.errors import MilongaError, VocoderError
from milonga.runtime.record import ExplainedRecord


class VocoderSettings(ExplainedRecord):
    """Budget and settings of a training.

    Raises:
        VocoderError: a value is impossible.
    """

    raises: ClassVar[type[MilongaError]] = VocoderError

    minutes: float | None = Field(
        30.0,
        gt=0,
        description="Budget by the clock, over all runs of this training; None for none.",
        json_schema_extra={
            "help": "How long to train in all. More goes on with what is there.",
        },
    )
    steps: int | None = Field(
        None,
        ge=1,
        description="Budget in steps; None for none.",
        json_schema_extra={"help": "Train so many steps instead."},
    )
    batch: int = Field(
        4,
        ge=1,
        le=256,
        description="Pairs of mel and sound in a step.",
        json_schema_extra={"help": "Pairs in a step; bigvgan takes 1 by default."},
    )
    frames: int = Field(32, ge=1, description="Mel frames of a pair.")
    seed: int = Field(0, ge=0, description="Of the first weights and of every draw.")
    learning_rate: float = Field(5e-4, gt=0, description="Of the first step, for all networks.")
    decay: float = Field(
        0.99999, gt=0, description="What the learning rate is multiplied with after every step."
    )
    critics_from: int = Field(
        2000,
        ge=0,
        description="Step from which the critics take part; before it the mel distance alone "
        "counts, which is quicker.",
    )
    critics_width: float = Field(
        0.125, gt=0, description="Share of the published numbers of the critics' channels."
    )
    remade: float = Field(
        0.5, ge=0, le=1, description="Share of pairs whose mel is the sound model's own."
    )
    average: float = Field(
        0.999,
        ge=0,
        le=1,
        description="Decay of the moving average over the generator's weights, which is what is "
        "kept in the end; 0 keeps the weights themselves.",
    )
    clip_norm: float = Field(500.0, gt=0, description="Norm to which a longer gradient is cut.")
    checkpoint_s: float = Field(60.0, ge=0, description="Seconds from one checkpoint to the next.")

    @model_validator(mode="after")
    def _budget(self) -> VocoderSettings:
        if self.minutes is None and self.steps is None:
            raise ValueError("A training needs a budget, in minutes or in steps")
        return self

    @classmethod
    def fine_tuning(cls, **changes: Any) -> VocoderSettings:
        """For a generator that has learnt already: the published learning rate, and critics, of
        whom nothing is known, from the start."""
        published: dict[str, Any] = {
            "learning_rate": 1e-4,
            "decay": 0.9999996,
            "critics_from": 0,
            "batch": 1,
            "frames": 24,
        }
        return cls(**{**published, **changes})

    def fixed(self) -> dict[str, Any]:
        """The settings that can't change within one training: all but budget and interval."""
        return self.model_dump(exclude={"minutes", "steps", "checkpoint_s"})
