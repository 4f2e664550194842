"""Memory and time of a render of Stable Audio 3."""

from __future__ import annotations

import math

from milonga.compute.products.precision import (
    BYTES,
    PRECISIONS,
    SPEED,
    Precision,
    why_slow,
)
from milonga.generators.neural.calibration import compute_speed
from milonga.generators.neural.outlook import RenderOutlook, speed_on, weights_size
from milonga.generators.stable_audio_3.layout import Layout
from milonga.runtime.words import time_text
from milonga.weights import LocalWeights

_OVERHEAD = 1.4
"""Time of the work, relative to its products of matrices alone."""
_TEXT_ENCODER = 1.15e9
"""Bytes of the text encoder in float32."""
_TILE = 0.5e9
"""Bytes of what a tile of the decoder passes on."""
_ASIDE = 0.9e9
"""Bytes in use beside weights: the libraries, and what a step passes on."""


def step_work(name: str, precision: str) -> str:
    """Name a million million operations of the transformer for the calibration."""
    return f"stable-audio-3 steps, {name}, {precision}"


def decoding_work(name: str) -> str:
    """Name a million million operations of the decoder for the calibration."""
    return f"stable-audio-3 decoding, {name}"


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


def foresee(
    name: str,
    local: LocalWeights | None,
    layout: Layout,
    device: str,
    precision: str,
    steps: int,
    frames: int,
    guided: bool,
    seconds: float,
) -> RenderOutlook:
    """Foresee a render: as learnt here, else by how fast this machine multiplies matrices.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        layout: theirs, or the one to expect.
        device: as asked for.
        precision: of the transformer; ``auto`` where the device decides.
        steps, frames, guided: settings.
        seconds: of audio.
    """
    on_processor = device in ("auto", "cpu")
    numbers = "float32" if precision == "auto" and on_processor else precision
    if precision == "auto" and device != "cpu":
        numbers = "float32 (bfloat16 on a graphics card)" if device == "auto" else "bfloat16"
    kind = numbers.split()[0]
    tera, sound = step_tera(layout, frames, guided), decoding_tera(layout, seconds)
    step_s = estimate = memory = None
    if (speed := speed_on(device, step_work(name, kind))) is not None:
        step_s = speed * tera
    elif on_processor:
        step_s = _OVERHEAD * tera * 1e12 / (compute_speed() * _quickness(kind))
    if step_s is not None:
        each = speed_on(device, decoding_work(name))
        if each is None:
            each = _OVERHEAD * 1e12 / compute_speed()
        estimate = step_s * steps + each * sound
    if weights_size(name, local) is not None:
        # Packed; what is mapped from the file beside that may be dropped by the system.
        largest = transformer_size(layout) * BYTES[_precision(kind)]
        memory = max(largest, _TEXT_ENCODER, coder_size(layout) * 4 + _TILE) + _ASIDE
    minute = step_tera(layout, math.ceil(60 * layout.rate / layout.hop), guided)
    notes = () if step_s is None else (_work(name, steps, guided, minute, step_s / tera),)
    return RenderOutlook(estimate, memory, numbers, notes)


def _precision(kind: str) -> Precision:
    return next(one for one in PRECISIONS if one == kind)


def _quickness(kind: str) -> float:
    """How many times float32's speed the products reach here."""
    precision = _precision(kind)
    return SPEED[precision] if why_slow(precision) is None else 1.0


def _work(name: str, steps: int, guided: bool, tera: float, each_s: float) -> str:
    kind = "guided steps" if guided else "steps"
    return (
        f"{name}: a minute of music takes {steps} {kind} of {tera:.2g} TFLOP, about "
        f"{time_text(tera * each_s)} each here."
    )
