"""A model within a blend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from milonga.sounds.instrument.instrument import Instrument

if TYPE_CHECKING:
    from milonga.sounds.model.player import SoundPlayer


@dataclass(frozen=True, slots=True)
class BlendPart:
    """A model within a blend.

    Attributes:
        model: as the user named it.
        weight: 0 to 1; all together 1.
        instrument: the model, with the vocoder that all share.
    """

    model: str
    weight: float
    instrument: Instrument

    @property
    def player(self) -> SoundPlayer:
        return self.instrument.player
