"""Memory and time of a take of a diffusion model, foreseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from milonga.compute.products.precision import BYTES, Precision
from milonga.generators.neural import oobleck
from milonga.generators.neural.calibration import compute_speed
from milonga.generators.neural.diffusion import Settings
from milonga.generators.neural.outlook import RenderOutlook, speed_on, weights_size
from milonga.generators.neural.precision import (
    PrecisionChoice,
    foreseen,
    speed_of,
    why_slow_here,
)
from milonga.runtime.words import time_text
from milonga.weights import LocalWeights

_FEWEST = 10
"""Steps below which fewer aren't proposed."""
_OVERHEAD = 1.3
"""Time of a step of a transformer with its autoencoder Oobleck, relative to its products."""
_BY_KERNELS, _BY_TORCH = 0.35, 3.0
"""Time of decoding relative to products of its direct form: kernels multiply less, torch's
convolutions are narrow."""


@dataclass(frozen=True, slots=True)
class Take:
    """What a take computes, and what it needs.

    Attributes:
        generator: its name.
        steps: from noise to music.
        guided: whether each step computes twice.
        tera: million million operations of a step, counted in products of matrices alone.
        overhead: time of a step, relative to these products.
        parameters: of the transformer.
        decoding: units of decoding, as the calibration counts them: seconds, or a million million
            operations.
        unit: operations of such a unit, with what it takes beside products.
        beside: bytes in use beside weights: the libraries, and what a step passes on.
        least: bytes that another part needs, with what it passes on.
        published: precision that the transformer came in.
        elsewhere: its precision on an accelerator.
        minute: ``tera`` of a minute, where it is better to speak of that: takes of different
            lengths then have one note.
    """

    generator: str
    steps: int
    guided: bool
    tera: float
    overhead: float
    parameters: float
    decoding: float
    unit: float
    beside: float
    least: float = 0.0
    published: Precision = "float32"
    elsewhere: str = "bfloat16"
    minute: float | None = None

    def step_work(self, name: str, precision: str) -> str:
        """Name a million million operations of the transformer for the calibration."""
        return f"{self.generator} steps, {name}, {precision}"

    def decoding_work(self, name: str) -> str:
        """Name a unit of decoding for the calibration."""
        return f"{self.generator} decoding, {name}"


class Shape(Protocol):
    """The size of a diffusion transformer."""

    @property
    def parameters(self) -> float:
        """Numbers in it."""

    def step_operations(self, frames: int, guided: bool) -> float:
        """Floating-point operations of a step."""


def take_with_oobleck(
    generator: str,
    shape: Shape,
    settings: Settings,
    seconds: float,
    device: str,
    direct: float,
    *,
    beside: float,
    published: Precision,
    elsewhere: str,
) -> Take:
    """Tell what a take computes whose latents Oobleck decodes.

    Args:
        generator: its name.
        shape: of the transformer.
        settings: steps, guidance, frames.
        seconds: of audio.
        device: as asked for.
        direct: operations of the decoder for a second of audio.
        beside, published, elsewhere: see ``Take``.
    """
    kernels = oobleck.engine_on("cpu" if device == "auto" else device) == "fast"
    return Take(
        generator=generator,
        steps=settings.steps,
        guided=settings.guided,
        tera=shape.step_operations(settings.frames, settings.guided) / 1e12,
        overhead=_OVERHEAD,
        parameters=shape.parameters,
        decoding=seconds,
        unit=direct * (_BY_KERNELS if kernels else _BY_TORCH),
        beside=beside,
        published=published,
        elsewhere=elsewhere,
    )


def foresee(
    name: str, local: LocalWeights | None, device: str, precision: PrecisionChoice, take: Take
) -> RenderOutlook:
    """Foresee a render: as learnt here, else by how fast this machine multiplies matrices.

    The parts of a model take turns in memory, so the largest decides.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        device: as asked for.
        precision: as asked for.
        take: what is computed.
    """
    on_processor = device in ("auto", "cpu")
    chosen, numbers = foreseen(precision, name, local, device, take.published, take.elsewhere)
    step_s = estimate = memory = None
    works = take.step_work(name, chosen.precision), take.step_work(name, take.elsewhere)
    if (speed := speed_on(device, *works)) is not None:
        step_s = speed * take.tera
    elif on_processor:
        step_s = take.overhead * take.tera * 1e12 / speed_of(chosen.precision)
    if step_s is not None:
        each = speed_on(device, take.decoding_work(name))
        if each is None:
            each = take.unit / compute_speed()
        estimate = step_s * take.steps + each * take.decoding
    if weights_size(name, local) is not None:
        each_number = BYTES[chosen.precision] if on_processor else _bytes(take.elsewhere)
        memory = max(take.parameters * each_number, take.least) + take.beside
    notes: tuple[str, ...] = () if step_s is None else (_steps(name, take, step_s),)
    if on_processor and precision == "published" and chosen.precision == "float32":
        notes += _sooner(name, take)
    return RenderOutlook(estimate, memory, numbers, notes, precision=chosen.precision)


def _sooner(name: str, take: Take) -> tuple[str, ...]:
    """What would help where a processor computes in float32."""
    if why_slow_here("int8") is not None:
        return ()
    return (
        f"{name}: on this processor {take.generator}.precision=auto tries int8, a quarter of the "
        "weights' memory and about half the time, and keeps to it if it is as good.",
    )


def _bytes(precision: str) -> float:
    return 4.0 if precision == "float32" else 2.0


def _steps(name: str, take: Take, step_s: float) -> str:
    kind = "guided step" if take.guided else "step"
    if take.minute is not None:
        each = time_text(step_s * take.minute / take.tera)
        return (
            f"{name}: a minute of music takes {take.steps} {kind}s of {take.minute:.2g} TFLOP, "
            f"about {each} each here."
        )
    text = (
        f"{name}: a {kind} computes {take.tera:.2g} TFLOP, about {time_text(step_s)} here, and a "
        f"take has {take.steps} of them"
    )
    if (fewer := take.steps // 2) < _FEWEST:
        return f"{text}."
    saved = time_text(step_s * fewer)
    return f"{text}; {take.generator}.steps={fewer} would save {saved} a take."
