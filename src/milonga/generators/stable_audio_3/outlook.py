"""What a take of Stable Audio 3 computes and needs."""

from __future__ import annotations

import math

from milonga.generators.neural.diffusion import Settings
from milonga.generators.neural.precision import PrecisionChoice, published_precision
from milonga.generators.neural.takes import Take
from milonga.generators.stable_audio_3.layout import Layout
from milonga.weights import LocalWeights

_OVERHEAD = 1.4
_TEXT_ENCODER = 1.15e9
"""Bytes of the text encoder in float32."""
_TILE = 0.5e9
"""Bytes of what a tile of the decoder passes on."""
_ASIDE = 1.0e9
"""Bytes of the libraries, and of what a step passes on."""


def step_tera(layout: Layout, frames: int, guided: bool) -> float:
    """Million million operations of a step: each number of the transformer meets each token in a
    product, and in its attentions each token meets each other."""
    own = layout.transformer
    tokens = frames + int(own["num_memory_tokens"])
    attentions = 2 if own["use_differential_attention"] else 1
    width, depth = int(own["embed_dim"]), int(own["depth"])
    once = 2 * transformer_size(layout) * tokens
    once += 4 * attentions * depth * width * tokens**2
    return once * (2 if guided else 1) / 1e12


def decoding_tera(layout: Layout, seconds: float) -> float:
    """Million million operations that decode so many seconds."""
    tokens = seconds * layout.rate / layout.hop * (layout.stride + 1)
    return 2 * coder_size(layout) * tokens / 1e12


def transformer_size(layout: Layout) -> float:
    """Numbers in the transformer's blocks, which are nearly all of it."""
    own = layout.transformer
    width, pairs = int(own["embed_dim"]), 2 if own["use_differential_attention"] else 1
    # Self-attention, attention to the words, feed-forward; in units of width by width.
    squares = (2 * pairs + 1) + 1 + pairs + (pairs + 1) + 1 + 3 * float(own["ff_mult"]) + 1
    local = width * int(own["local_add_cond_dim"])
    return float(int(own["depth"]) * (squares * width**2 + local))


def coder_size(layout: Layout) -> float:
    """Numbers in the layers of the decoder."""
    vae = layout.vae
    width = int(vae["encoder_channels"]) * int(vae["encoder_c_mults"][0])
    queries = 5 if vae["use_differential_attention"] else 3
    return float(layout.decoder.depth * (queries + 1 + 3 * int(vae["ff_mult"])) * width**2)


def take_of(
    local: LocalWeights | None,
    layout: Layout,
    precision: PrecisionChoice,
    settings: Settings,
    seconds: float,
) -> Take:
    """Tell what a take computes.

    Args:
        local: the model's files, if they are here.
        layout: theirs, or the one to expect.
        precision: as asked for.
        settings: steps, guidance, frames.
        seconds: of audio.
    """
    return Take(
        generator="stable-audio-3",
        steps=settings.steps,
        guided=settings.guided,
        tera=step_tera(layout, settings.frames, settings.guided),
        minute=step_tera(layout, math.ceil(60 * layout.rate / layout.hop), settings.guided),
        overhead=_OVERHEAD,
        parameters=transformer_size(layout),
        decoding=decoding_tera(layout, seconds),
        unit=_OVERHEAD * 1e12,
        # The parts stay where memory is free.
        beside=_ASIDE + _TEXT_ENCODER + coder_size(layout) * 4 + _TILE,
        published="float32"
        if local is None
        else published_precision(layout.weights_in(local.folder)),
        elsewhere="float32" if precision == "float32" else "bfloat16",
    )
