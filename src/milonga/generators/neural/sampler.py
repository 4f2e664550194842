"""Settings that samplers of diffusion models share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a sampler.

    Attributes:
        steps: from noise to music; each model says how few it can do with.
        guidance: 1 for none.
        frames: of the latents.
    """

    steps: int
    guidance: float
    frames: int

    @property
    def guided(self) -> bool:
        return self.guidance > 1
