"""Settings of a vocoder's training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from milonga.errors import VocoderError


@dataclass(frozen=True, slots=True)
class VocoderSettings:
    """Budget and settings of a training.

    Attributes:
        minutes: budget by the clock, over all runs of this training; None for none.
        steps: budget in steps; None for none.
        batch: pairs of mel and sound in a step.
        frames: mel frames of a pair.
        seed: of the first weights and of every draw.
        learning_rate: of the first step, for generator and critics.
        decay: what the learning rate is multiplied with after every step.
        critics_from: step from which the critics take part; before it the mel distance alone
            counts, which is quicker.
        critics_width: share of the published numbers of the critics' channels.
        remade: share of pairs whose mel is the sound model's own.
        average: decay of the moving average over the generator's weights, which is what is kept
            in the end; 0 keeps the weights themselves.
        clip_norm: norm to which a longer gradient is cut.
        checkpoint_s: seconds from one checkpoint to the next.

    Raises:
        VocoderError: a value is impossible.
    """

    minutes: float | None = 30.0
    steps: int | None = None
    batch: int = 4
    frames: int = 32
    seed: int = 0
    learning_rate: float = 5e-4
    decay: float = 0.99999
    critics_from: int = 2000
    critics_width: float = 0.125
    remade: float = 0.5
    average: float = 0.999
    clip_norm: float = 500.0
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise VocoderError("A training needs a budget, in minutes or in steps.")
        positive = ("batch", "learning_rate", "decay", "critics_width", "clip_norm")
        wrong = [name for name in positive if not getattr(self, name) > 0]
        wrong += [name for name in ("remade", "average") if not 0 <= getattr(self, name) <= 1]
        wrong += [
            name
            for name in ("minutes", "steps", "critics_from", "seed", "checkpoint_s")
            if getattr(self, name) is not None and not getattr(self, name) >= 0
        ]
        if self.frames < 1:
            wrong.append("frames")
        if wrong:
            raise VocoderError(f"Impossible settings of a training: {', '.join(wrong)}.")

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
        values = dataclasses.asdict(self)
        return {k: v for k, v in values.items() if k not in ("minutes", "steps", "checkpoint_s")}
