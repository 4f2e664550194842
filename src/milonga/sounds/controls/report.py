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


MORE = {
    "loudness": "louder",
    "brightness": "brighter",
    "warmth": "warmer",
    "roughness": "rougher",
    "tension": "tenser",
    "pulse": "more pulsing",
    "density": "denser",
}
"""What a control makes of a sound, for people."""
LESS = {
    "loudness": "softer",
    "brightness": "darker",
    "warmth": "thinner",
    "roughness": "smoother",
    "tension": "calmer",
    "pulse": "steadier",
    "density": "sparser",
}
_LITTLE = 1.0
"""Change from end to end under which a control does little, in spreads: eight are asked for."""


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

    def weakness(self, name: str) -> str | None:
        """Say for a musician why the control is weak; None for one that does what it says.

        Args:
            name: of the control.
        """
        if self.effect is None or (own := self.effect.moved.get(name)) is None:
            return None
        others = {n: v for n, v in self.effect.moved.items() if n in MORE and n != name and v}
        other = max(others, key=lambda n: abs(others[n] or 0.0), default="")
        beyond = abs(others.get(other) or 0.0)
        if own >= _LITTLE and beyond <= own:
            return None
        does = MORE.get(name, "different")
        if own < _LITTLE:
            text = f"it hardly makes the sound {does}"
        else:
            text = f"it makes the sound {does}"
        if beyond > max(own, _LITTLE / 2):
            side = MORE if (others[other] or 0.0) > 0 else LESS
            link = ", but even more so" if own >= _LITTLE else "; rather it becomes"
            text += f"{link} {side[other]}"
        return text + "."

    @model_serializer(mode="wrap")
    def _without_missing_effect(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        if self.effect is None:
            values.pop("effect", None)
        return values
