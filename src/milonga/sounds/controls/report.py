"""Reports of controls: their spread over a corpus, and their measured effects."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from milonga.runtime.record import Record


class ControlEffect(Record):
    """The effect of a control on each descriptor, as measured on a trained model.

    Attributes:
        spearman: rank correlation of positions and a descriptor's mean, the mean over seeds.
        moved: change of the descriptor from the lowest to the highest position, in spreads.
        curve: mean of the control's own descriptor at each position.
    """

    spearman: dict[str, float | None]
    moved: dict[str, float | None]
    curve: tuple[float, ...]


class ControlReport(BaseModel):
    """A control of a model. A model's file may say more about it, which is kept.

    Attributes:
        term: the field's term for what is measured.
        unit: of ``mean``, ``spread``, ``low`` and ``high``.
        mean: over the frames of the corpus that sound.
        spread: their standard deviation.
        low, high: their 1st and 99th percentile.
        enabled: whether the model has learnt it.
        reason: why it hasn't.
        effect: None where it hasn't been measured.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    term: str
    unit: str
    mean: float
    spread: float
    low: float
    high: float
    enabled: bool
    reason: str | None = None
    effect: ControlEffect | None = None

    @model_serializer(mode="wrap")
    def _without_missing_effect(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        if self.effect is None:
            values.pop("effect", None)
        return values
