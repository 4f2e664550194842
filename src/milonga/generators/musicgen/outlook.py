"""What can be said of a render before any work: files, terms, device, memory, time."""

from __future__ import annotations

from milonga.generators.musicgen import checkpoints
from milonga.generators.neural.calibration import memory_speed
from milonga.generators.neural.loading import licence_of
from milonga.generators.neural.outlook import (
    files_note,
    licence_note,
    needs_note,
    speed_on,
    weights_size,
)
from milonga.weights import LocalWeights

_FRAMES_PER_S = 50
_OUTSIDE = 0.68e9
"""Bytes of the text encoder and the codec, which don't run for each token."""
_OVERHEAD = 1.4
"""How much longer a step takes than reading its weights from memory."""
_CACHE_SHARE = 0.25
"""Keys and values of a whole window, as a share of the weights."""
_DECODING = 0.8e9
"""Bytes in use while a piece is decoded."""


def work_of(name: str) -> str:
    """How the calibration calls it, but for the device."""
    return f"musicgen tokens, {name}"


class Outlook:
    """The outlook of one request.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        device: as asked for; ``auto`` isn't resolved, since that takes torch.
        seconds: of audio.
    """

    def __init__(self, name: str, local: LocalWeights | None, device: str, seconds: float) -> None:
        self._name, self._local, self._seconds = name, local, seconds
        self._device = device

    @property
    def size(self) -> int | None:
        """Bytes of the weights; None for a repository of which nothing is known yet."""
        return weights_size(self._name, self._local)

    @property
    def memory(self) -> float | None:
        """Bytes needed for a whole window, about."""
        return None if self.size is None else self.size * (1 + _CACHE_SHARE) + _DECODING

    @property
    def estimate_s(self) -> float | None:
        """Seconds of work: by what was learnt here, else by the speed of this machine's memory."""
        steps = self._seconds * _FRAMES_PER_S + 3
        if (speed := speed_on(self._device, work_of(self._name))) is not None:
            return steps * speed
        if self.size is None or self._device not in ("auto", "cpu"):
            return None
        each = max(self.size / 2, self.size - _OUTSIDE)
        return steps * _OVERHEAD * each / memory_speed()

    def notes(self) -> list[str]:
        """Lines for the plan."""
        licence = licence_of(self._local, self._name, checkpoints.LIKE)
        return [
            files_note(self._name, self._local),
            licence_note(self._name, licence),
            needs_note(self._name, self._device, "float32", self.memory),
        ]
