"""What a take of Stable Audio Open computes and needs."""

from __future__ import annotations

from milonga.generators.neural.diffusion import Settings
from milonga.generators.neural.precision import published_precision
from milonga.generators.neural.takes import Take, take_with_oobleck
from milonga.generators.stable_audio.checkpoints import StableAudioShape
from milonga.weights import LocalWeights

_DECODING = 0.11e12
"""Operations of the decoder for a second of audio."""
_ASIDE = 1.95e9
"""Bytes beside the transformer where memory is free, as measured at the published size: the
libraries, and the other parts, which then stay, the decoder's packed weights among them."""


def take_of(
    local: LocalWeights | None,
    shape: StableAudioShape,
    device: str,
    settings: Settings,
    seconds: float,
) -> Take:
    """Tell what a take computes.

    Args:
        local: the model's files, if they are here.
        shape: its sizes.
        device: as asked for.
        settings: steps, guidance, frames.
        seconds: of audio.
    """
    published = "float32" if local is None else published_precision(local.folder / "transformer")
    return take_with_oobleck(
        "stable-audio", shape, settings, seconds, device, _DECODING, beside=_ASIDE,
        published=published, elsewhere="float16",
    )  # fmt: skip
