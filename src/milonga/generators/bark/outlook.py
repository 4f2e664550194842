"""What can be said of a render before any work: files, terms, device, memory, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from milonga import weights
from milonga.generators.bark import checkpoints
from milonga.generators.bark.engine import batch_sizes
from milonga.generators.neural.calibration import compute_speed, memory_speed
from milonga.generators.neural.loading import licence_of
from milonga.generators.neural.outlook import (
    files_note,
    licence_note,
    needs_note,
    speed_on,
    weights_size,
)
from milonga.runtime.memory import total_memory
from milonga.weights import LocalWeights

_SEMANTIC_PER_S, _COARSE_PER_S = 49.9, 150.0
_WINDOWS_PER_S, _WINDOW_TOKENS = 2.5, 887
"""Windows of the coarse model for a second of audio, and what each reads anew."""
_FINE_S, _FINE_TOKENS = 6.8, 6 * 1024
"""Seconds that a window of the fine model fills, and what it computes for them."""
_OVERHEAD = 1.4
_ASIDE = 1.0e9
"""Bytes in use beside weights and memories: the libraries, and what a step passes on."""
_PLACES = 1024
_SIZES = {"bark-small": (12, 768), "bark": (24, 1024)}


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of each of the three transformers: blocks and width."""

    blocks: int
    width: int

    @property
    def parameters(self) -> int:
        """Of one transformer's blocks, which are read for every token."""
        return 12 * self.width**2 * self.blocks

    @property
    def row_bytes(self) -> int:
        """Keys and values of one part in float32."""
        return 2 * self.blocks * _PLACES * self.width * 4


def shape_of(name: str, local: LocalWeights | None) -> Shape:
    """A checkpoint's size from its configuration, else from its name; unknown is the larger."""
    if local is not None:
        document: dict[str, Any] = weights.load_json(local.folder / "config.json")
        stage = document.get("coarse_acoustics_config")
        if isinstance(stage, dict):
            numbers = stage.get("num_layers"), stage.get("hidden_size")
            if all(isinstance(n, int) and n > 0 for n in numbers):
                return Shape(*numbers)  # type: ignore[arg-type]
    known = weights.CATALOGUE.get(name) or (local.source.known if local else None)
    return Shape(*_SIZES.get(known.key if known else "bark", _SIZES["bark"]))


def rows_that_fit(shape: Shape, size: int, memory: int | None) -> int | None:
    """Parts that go through the model together in a machine's memory; None if that isn't known.

    By what the machine has in all, not by what is free now, so that a replay does the same.
    """
    if memory is None:
        return None
    return max(1, int((0.8 * memory - size - _ASIDE) / shape.row_bytes))


def work_of(name: str, rows: int) -> str:
    """How the calibration calls a second of audio, made with so many rows at a time."""
    return f"bark seconds, {name}, {1 << (rows - 1).bit_length()} at a time"


class Outlook:
    """The outlook of one request.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        device: as asked for; ``auto`` isn't resolved, since that takes torch.
        precision: as asked for.
        expected_s: of each part.
        batch: parts at a time.
    """

    def __init__(
        self,
        name: str,
        local: LocalWeights | None,
        device: str,
        precision: str,
        expected_s: Sequence[float],
        batch: int,
    ) -> None:
        self._name, self._local = name, local
        self._device, self._precision = device, precision
        self._expected, self._shape = list(expected_s), shape_of(name, local)
        self._size = weights_size(name, local)
        fit = rows_that_fit(self._shape, self._size or 0, total_memory())
        self.rows = max(batch_sizes(len(self._expected), min(batch, fit or batch)), default=1)

    @property
    def estimate_s(self) -> float | None:
        """Seconds of work: as learnt here, else by how fast this machine reads and multiplies."""
        seconds = sum(self._expected)
        speed = speed_on(self._device, work_of(self._name, self.rows))
        if speed is not None:
            return speed * seconds
        if self._device not in ("auto", "cpu"):
            return None
        size, memory = 2.0 * self._shape.parameters, memory_speed()
        tokens = (_SEMANTIC_PER_S + _COARSE_PER_S) * seconds
        read = tokens * (2 * size / self.rows + self._shape.row_bytes) / memory
        windows = sum(max(1.0, length / _FINE_S) for length in self._expected)
        anew = _WINDOWS_PER_S * _WINDOW_TOKENS * seconds + windows * _FINE_TOKENS
        return _OVERHEAD * (read + size * (anew + tokens) / compute_speed())

    @property
    def memory(self) -> float | None:
        """Bytes needed on a processor."""
        return (
            None if self._size is None else self._size + self.rows * self._shape.row_bytes + _ASIDE
        )

    def notes(self) -> list[str]:
        """Lines for the plan."""
        numbers = self._precision
        if numbers == "auto":
            numbers = "float32 (float16 on a graphics card)" if self._device == "auto" else (
                "float32" if self._device == "cpu" else "float16"
            )  # fmt: skip
        licence = licence_of(self._local, self._name, checkpoints.LIKE)
        return [
            files_note(self._name, self._local),
            licence_note(self._name, licence),
            needs_note(self._name, self._device, numbers, self.memory),
        ]
