"""Memory and time of a render of Stable Audio Open."""

from __future__ import annotations

from milonga.compute.products.precision import BYTES
from milonga.generators.neural.calibration import compute_speed
from milonga.generators.neural.outlook import RenderOutlook, speed_on, weights_size
from milonga.generators.neural.precision import PrecisionChoice, foreseen, speed_of
from milonga.generators.neural.sampler import Settings
from milonga.generators.stable_audio.checkpoints import StableAudioShape
from milonga.runtime.words import time_text
from milonga.weights import LocalWeights

_OVERHEAD = 1.3
"""Time of a step, relative to its products of matrices alone."""
_DECODING = 0.11e12
"""Operations of the decoder for a second of audio."""
_DECODING_OVERHEAD = 3.0
"""Its convolutions are narrow."""
_ASIDE = 0.9e9
"""Bytes in use beside the transformer's weights: the libraries, and what a step passes on."""


def step_work(name: str, precision: str) -> str:
    """Name a million million operations of the transformer for the calibration."""
    return f"stable-audio steps, {name}, {precision}"


def decoding_work(name: str) -> str:
    """Name the decoding of a second for the calibration."""
    return f"stable-audio decoding, {name}"


def foresee(
    name: str,
    local: LocalWeights | None,
    shape: StableAudioShape,
    device: str,
    precision: PrecisionChoice,
    settings: Settings,
    seconds: float,
) -> RenderOutlook:
    """Foresee a render: as learnt here, else by how fast this machine multiplies matrices.

    The transformer is the largest part, and parts take turns in memory.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        shape: its sizes.
        device: as asked for.
        precision: as asked for.
        settings: steps, guidance, frames.
        seconds: of audio.
    """
    tera = shape.step_operations(settings.frames, settings.guided) / 1e12
    on_processor = device in ("auto", "cpu")
    chosen, numbers = foreseen(precision, name, local, device, "float32", "float16")
    step_s = estimate = memory = None
    works = step_work(name, chosen.precision), step_work(name, "float16")
    if (speed := speed_on(device, *works)) is not None:
        step_s = speed * tera
    elif on_processor:
        step_s = _OVERHEAD * tera * 1e12 / speed_of(chosen.precision)
    if step_s is not None:
        each = speed_on(device, decoding_work(name))
        if each is None:
            each = _DECODING_OVERHEAD * _DECODING / compute_speed()
        estimate = step_s * settings.steps + each * seconds
    if weights_size(name, local) is not None:
        memory = shape.parameters * (BYTES[chosen.precision] if on_processor else 2) + _ASIDE
    notes = () if step_s is None else (_saving(name, settings, tera, step_s),)
    return RenderOutlook(estimate, memory, numbers, notes)


def _saving(name: str, settings: Settings, tera: float, step_s: float) -> str:
    kind = "a guided step" if settings.guided else "a step"
    text = (
        f"{name}: {kind} computes {tera:.2g} TFLOP, about {time_text(step_s)} here, and a take has "
        f"{settings.steps} of them"
    )
    fewer = settings.steps // 2
    if fewer < 10:
        return f"{text}."
    return f"{text}; stable-audio.steps={fewer} would save {time_text(step_s * fewer)} a take."
