"""What can be said of a render before any work: files, terms, device, memory, time."""

from __future__ import annotations

from milonga.generators.neural.calibration import compute_speed
from milonga.generators.neural.loading import licence_of
from milonga.generators.neural.outlook import (
    files_note,
    licence_note,
    needs_note,
    speed_on,
    weights_size,
)
from milonga.generators.stable_audio import checkpoints
from milonga.generators.stable_audio.checkpoints import Shape
from milonga.weights import LocalWeights

_OVERHEAD = 1.3
"""How much longer a step takes than its products of matrices alone would."""
_DECODING = 0.11e12
"""Operations of the decoder for a second of audio."""
_DECODING_OVERHEAD = 3.0
"""Its convolutions are narrow."""
_ASIDE = 0.9e9
"""Bytes in use beside the transformer's weights: the libraries, and what a step passes on."""


def step_work(name: str) -> str:
    """How the calibration calls a million million operations of the transformer."""
    return f"stable-audio steps, {name}"


def decoding_work(name: str) -> str:
    """How the calibration calls the decoding of a second."""
    return f"stable-audio decoding, {name}"


class Outlook:
    """The outlook of one request.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        shape: its sizes.
        device: as asked for; ``auto`` isn't resolved, since that takes torch.
        steps, guided, frames: what is computed.
        seconds: of audio.
    """

    def __init__(
        self,
        name: str,
        local: LocalWeights | None,
        shape: Shape,
        device: str,
        *,
        steps: int,
        guided: bool,
        frames: int,
        seconds: float,
    ) -> None:
        self._name, self._local, self._shape = name, local, shape
        self._device, self._steps, self._seconds = device, steps, seconds
        self._guided = guided
        self._step_tera = shape.step_operations(frames, guided) / 1e12

    @property
    def step_s(self) -> float | None:
        """Seconds of a step: as learnt here, else by how fast this machine multiplies matrices."""
        speed = speed_on(self._device, step_work(self._name))
        if speed is not None:
            return speed * self._step_tera
        if self._device not in ("auto", "cpu"):
            return None
        return _OVERHEAD * self._step_tera * 1e12 / compute_speed()

    @property
    def estimate_s(self) -> float | None:
        """Seconds of work in all."""
        if self.step_s is None:
            return None
        each = speed_on(self._device, decoding_work(self._name))
        if each is None:
            each = _DECODING_OVERHEAD * _DECODING / compute_speed()
        return self.step_s * self._steps + each * self._seconds

    @property
    def memory(self) -> float | None:
        """Bytes needed: the transformer is the largest part, and parts take turns."""
        if self._local is None and weights_size(self._name, None) is None:
            return None
        return self._shape.parameters * 4 + _ASIDE

    def notes(self) -> list[str]:
        """Lines for the plan."""
        licence = licence_of(self._local, self._name, checkpoints.LIKE)
        numbers = "float32 (half of that precision and memory on a graphics card)"
        if self._device != "auto":
            numbers = "float32" if self._device == "cpu" else "float16"
        memory = self.memory
        if memory is not None and self._device not in ("auto", "cpu"):
            memory -= self._shape.parameters * 2
        notes = [
            files_note(self._name, self._local),
            licence_note(self._name, licence),
            needs_note(self._name, self._device, numbers, memory),
        ]
        return notes if self.step_s is None else [*notes, self._saving(self.step_s)]

    def _saving(self, step_s: float) -> str:
        kind = "a guided step" if self._guided else "a step"
        text = (
            f"{self._name}: {kind} computes {self._step_tera:.2g} TFLOP, about {_time(step_s)} "
            f"here, and a take has {self._steps} of them"
        )
        fewer = self._steps // 2
        if fewer < 10:
            return f"{text}."
        return f"{text}; stable-audio.steps={fewer} would save {_time(step_s * fewer)} a take."


def _time(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
