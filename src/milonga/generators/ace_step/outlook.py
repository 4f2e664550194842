"""What a take of ACE-Step computes and needs."""

from __future__ import annotations

from milonga.generators.ace_step.checkpoints import AceStepShape
from milonga.generators.ace_step.engine import Settings
from milonga.generators.ace_step.layout import layout_of
from milonga.generators.neural.precision import PrecisionChoice, published_precision
from milonga.generators.neural.takes import Take
from milonga.weights import LocalWeights

_OVERHEAD = 1.3
_DECODING = 3.0 * 0.12e12
"""Operations of the decoder for a second of audio; its convolutions are narrow."""
_ASIDE = 1.2e9


def take_of(
    local: LocalWeights | None,
    shape: AceStepShape,
    precision: PrecisionChoice,
    settings: Settings,
    seconds: float,
) -> Take:
    """Tell what a take computes.

    Args:
        local: the model's files, if they are here.
        shape: its sizes.
        precision: as asked for.
        settings: steps, guidance, frames.
        seconds: of audio.
    """
    return Take(
        generator="ace-step",
        steps=settings.steps,
        guided=settings.guided,
        tera=shape.step_operations(settings.frames, settings.guided) / 1e12,
        overhead=_OVERHEAD,
        parameters=shape.parameters,
        decoding=seconds,
        unit=_DECODING,
        beside=_ASIDE,
        published="bfloat16"
        if local is None
        else published_precision(layout_of(local.folder).transformer),
        elsewhere="float32" if precision == "float32" else "bfloat16",
    )
