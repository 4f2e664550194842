"""What can be said of a render before any work: files, terms, device, memory, time."""

from __future__ import annotations

from milonga import weights
from milonga.errors import Problem
from milonga.generators.musicgen import checkpoints
from milonga.generators.neural.calibration import known_speed, memory_speed
from milonga.generators.neural.loading import licence_of, size_of
from milonga.runtime.memory import total_memory
from milonga.runtime.words import size_text
from milonga.weights import LocalWeights
from milonga.weights.settings import is_offline

_FRAMES_PER_S = 50
_OUTSIDE = 0.68e9
"""Bytes of the text encoder and the codec, which don't run for each token."""
_OVERHEAD = 1.4
"""How much longer a step takes than reading its weights from memory."""
_CACHE_SHARE = 0.25
"""Keys and values of a whole window, as a share of the weights."""
_DECODING = 0.8e9
"""Bytes in use while a piece is decoded."""


def work_of(name: str, device: str) -> str:
    """How the calibration calls it."""
    return f"musicgen tokens, {name}, {device}"


def offline_problem(name: str) -> Problem | None:
    """What stops a model that isn't here, where the network is switched off."""
    if not is_offline():
        return None
    return Problem(
        f"{name} is not on this machine, and the network is switched off.",
        "model",
        step=f"With a network, run: milonga weights get {name}",
    )


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
        self._known = weights.CATALOGUE.get(name)

    @property
    def size(self) -> int | None:
        """Bytes of the weights; None for a repository of which nothing is known yet."""
        if self._local is not None:
            return size_of(self._local)
        return self._known.size if self._known else None

    @property
    def memory(self) -> float | None:
        """Bytes needed for a whole window, about."""
        return None if self.size is None else self.size * (1 + _CACHE_SHARE) + _DECODING

    @property
    def estimate_s(self) -> float | None:
        """Seconds of work: by what was learnt here, else by the speed of this machine's memory."""
        steps = self._seconds * _FRAMES_PER_S + 3
        for device in ("cuda", "cuda:0", "mps", "cpu") if self._auto else (self._device,):
            if (speed := known_speed(work_of(self._name, device))) is not None:
                return steps * speed
        if self.size is None or self._device not in ("auto", "cpu"):
            return None
        each = max(self.size / 2, self.size - _OUTSIDE)
        return steps * _OVERHEAD * each / memory_speed()

    @property
    def _auto(self) -> bool:
        return self._device == "auto"

    def notes(self) -> list[str]:
        """Lines for the plan."""
        licence = licence_of(self._local, self._name, checkpoints.LIKE)
        use = {"yes": "allowed", "no": "not allowed", "conditional": "allowed on conditions"}
        return [
            self._files(),
            f"{self._name}: licence {licence.name}; commercial use is "
            f"{use[licence.commercial_use]}.",
            self._needs(),
        ]

    def _files(self) -> str:
        if self._local is not None:
            return f"{self._name}: its files are on this machine ({size_text(self.size or 0)})."
        size = "its files" if self.size is None else f"about {size_text(self.size)}"
        return f"{self._name}: not on this machine yet; the first take downloads {size}."

    def _needs(self) -> str:
        where = "the best device that works" if self._auto else self._device
        text = f"{self._name}: computes on {where}, in float32"
        if self.memory is None:
            return f"{text}."
        text += f", with about {size_text(self.memory)} of memory"
        total = total_memory()
        if total is not None and self.memory > total:
            return f"{text}; this machine has only {size_text(total)}."
        return f"{text}."
