"""What a take of ACE-Step computes and needs."""

from __future__ import annotations

from milonga.generators.ace_step.checkpoints import AceStepShape
from milonga.generators.ace_step.engine import Settings
from milonga.generators.ace_step.layout import layout_of
from milonga.generators.neural.precision import PrecisionChoice, published_precision
from milonga.generators.neural.takes import Take, take_with_oobleck
from milonga.weights import LocalWeights

_DECODING = 0.12e12
"""Operations of the decoder for a second of audio."""
_ASIDE = 2.6e9
"""Bytes beside the transformer where memory is free, as measured at the published size: the
libraries, and the other parts, which then stay."""


def take_of(
    local: LocalWeights | None,
    shape: AceStepShape,
    device: str,
    precision: PrecisionChoice,
    settings: Settings,
    seconds: float,
) -> Take:
    """Tell what a take computes.

    Args:
        local: the model's files, if they are here.
        shape: its sizes.
        device: as asked for.
        precision: as asked for.
        settings: steps, guidance, frames.
        seconds: of audio.
    """
    return take_with_oobleck(
        "ace-step", shape, settings, seconds, device, _DECODING, beside=_ASIDE,
        published="bfloat16"
        if local is None
        else published_precision(layout_of(local.folder).transformer),
        elsewhere="float32" if precision == "float32" else "bfloat16",
    )  # fmt: skip
