"""Models before and after a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from milonga.sounds.controls.report import ControlReport
from milonga.sounds.model.training_record import TrainingRecord


@dataclass(frozen=True, slots=True)
class StartModel:
    """The model that a training goes on from.

    Attributes:
        architecture: as its file holds it.
        tensors: likewise.
    """

    architecture: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A finished training, in the parts that a model's file holds.

    Attributes:
        architecture: of the network, with the sizes of the kept latents.
        tensors: of both.
        controls: by name, with their measured effects.
        record: of the training.
    """

    architecture: dict[str, Any]
    tensors: dict[str, Tensor]
    controls: dict[str, ControlReport]
    record: TrainingRecord
