"""The record of a training, as a model's file holds it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from milonga.runtime.record import Record


def followed(share_of_constant: float) -> str:
    """Write an error relative to that of a constant prediction as what it leaves, in percent."""
    return f"{max(0.0, 1 - share_of_constant):.0%}"


class EarlierRecordings(Record):
    """Held-out errors, nats, on a model's own recordings before and after it learnt from more."""

    error_before: float
    error_after: float


class TrainingRecord(BaseModel):
    """A finished training. More may be there: ``TrainSettings.fixed`` is, field by field.

    Attributes:
        steps: trained.
        best_step: whose weights were kept.
        seconds: that it took.
        stopped_early: whether nothing got better before the budget was used.
        budget: ``minutes`` or ``steps``.
        parameters: of the network.
        held_out: whether the errors are on recordings that it hasn't learnt from.
        error: mean absolute error of the mel, nats.
        error_of_constant: of the best prediction that is constant for each band.
        control_error: of descriptors that were asked for, spreads.
        controls_in_latent, controls_in_encoder, controls_in_mel: share of each control's variance
            that a linear reader finds there.
        history: a row for each validation.
        earlier_recordings: where it went on from a model with more recordings.
        seed: of the training.
        milonga: version that trained it.
        lineage: the models that it was trained on from, the nearest first, as ``sound_hash``.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    steps: int
    best_step: int = 0
    seconds: float
    stopped_early: bool = False
    budget: dict[str, int | float | None] = {}
    parameters: int = 0
    held_out: bool = False
    error: float
    error_of_constant: float
    control_error: float | None = None
    controls_in_latent: dict[str, float] = {}
    controls_in_encoder: dict[str, float] = {}
    controls_in_mel: dict[str, float] = {}
    history: tuple[dict[str, int | float], ...] = ()
    earlier_recordings: EarlierRecordings | None = None
    seed: int = 0
    milonga: str = ""
    lineage: tuple[str, ...] = ()

    @property
    def share_of_constant(self) -> float:
        """The error relative to that of a constant prediction."""
        return self.error / self.error_of_constant if self.error_of_constant else 1.0

    @property
    def verdict(self) -> str:
        """How close it comes to recordings, for people."""
        heard = "it never heard" if self.held_out else "it learnt from"
        return (
            f"it follows recordings that {heard} to {followed(self.share_of_constant)} "
            "(0% is a steady sound, 100% the recording itself)"
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields that are known, ready for JSON."""
        return self.model_dump(mode="json", exclude_unset=True)
