"""What a take of Stable Audio Open computes and needs."""

from __future__ import annotations

from milonga.generators.neural.diffusion import Settings
from milonga.generators.neural.precision import published_precision
from milonga.generators.neural.takes import Take
from milonga.generators.stable_audio.checkpoints import StableAudioShape
from milonga.weights import LocalWeights

_OVERHEAD = 1.3
_DECODING = 3.0 * 0.11e12
"""Operations of the decoder for a second of audio; its convolutions are narrow."""
_ASIDE = 0.9e9


def take_of(
    local: LocalWeights | None, shape: StableAudioShape, settings: Settings, seconds: float
) -> Take:
    """Tell what a take computes.

    Args:
        local: the model's files, if they are here.
        shape: its sizes.
        settings: steps, guidance, frames.
        seconds: of audio.
    """
    return Take(
        generator="stable-audio",
        steps=settings.steps,
        guided=settings.guided,
        tera=shape.step_operations(settings.frames, settings.guided) / 1e12,
        overhead=_OVERHEAD,
        parameters=shape.parameters,
        decoding=seconds,
        unit=_DECODING,
        beside=_ASIDE,
        published="float32" if local is None else published_precision(local.folder / "transformer"),
        elsewhere="float16",
    )
