"""Memory and time of a render of Bark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from milonga import weights
from milonga.compute.products.precision import SPEED, why_slow
from milonga.compute.tokens.matrix import Precision
from milonga.generators.bark.engine import batch_sizes
from milonga.generators.neural.bits import BITS, foreseen_bits, likely, words_of
from milonga.generators.neural.calibration import compute_speed, memory_speed
from milonga.generators.neural.outlook import RenderOutlook, speed_on, weights_size
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
class BarkShape:
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


def shape_of(name: str, local: LocalWeights | None) -> BarkShape:
    """Read a checkpoint's size from its configuration, else from its name, else the larger."""
    if local is not None:
        document: dict[str, Any] = weights.load_json(local.folder / "config.json")
        stage = document.get("coarse_acoustics_config")
        if isinstance(stage, dict):
            numbers = stage.get("num_layers"), stage.get("hidden_size")
            if all(isinstance(n, int) and n > 0 for n in numbers):
                return BarkShape(*numbers)  # type: ignore[arg-type]
    known = weights.CATALOGUE.get(name) or (local.source.known if local else None)
    return BarkShape(*_SIZES.get(known.key if known else "bark", _SIZES["bark"]))


def rows_that_fit(shape: BarkShape, size: int, memory: int | None) -> int | None:
    """Count the parts that fit in a machine's memory together; None if that isn't known.

    By what the machine has in all, not by what is free now, so that a replay does the same.
    """
    if memory is None:
        return None
    return max(1, int((0.8 * memory - size - _ASIDE) / shape.row_bytes))


def work_of(name: str, rows: int, precision: str) -> str:
    """Name a second of audio for the calibration, made with so many rows at a time."""
    return f"bark seconds, {name}, {1 << (rows - 1).bit_length()} at a time, {precision}"


def rows_at_once(name: str, local: LocalWeights | None, parts: int, batch: int) -> int:
    """Choose how many parts go through the model together on this machine."""
    fit = rows_that_fit(shape_of(name, local), weights_size(name, local) or 0, total_memory())
    return max(batch_sizes(parts, min(batch, fit or batch)), default=1)


def foresee(
    name: str,
    local: LocalWeights | None,
    device: str,
    precision: str,
    expected_s: Sequence[float],
    rows: int,
) -> RenderOutlook:
    """Foresee a render: as learnt here, else by how fast this machine reads and multiplies.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        device: as asked for.
        precision: as asked for.
        expected_s: of each part.
        rows: parts at a time.
    """
    shape, size, seconds = shape_of(name, local), weights_size(name, local), sum(expected_s)
    usual: Precision = "float32" if device in ("auto", "cpu") else "float16"
    chosen = foreseen_bits(precision, usual, local, device)
    share = BITS[chosen.precision] / 32
    numbers, kind = words_of(precision, chosen), chosen.precision
    memory = None
    if size is not None:
        # Files hold float32.
        memory = share * size + rows * shape.row_bytes + _ASIDE
    speeds = (speed_on(device, work_of(name, rows, one)) for one in likely(chosen))
    if (speed := next(filter(None, speeds), None)) is not None:
        return RenderOutlook(speed * seconds, memory, numbers, precision=kind)
    if device not in ("auto", "cpu"):
        return RenderOutlook(None, memory, numbers, precision=kind)
    work = 2.0 * shape.parameters
    tokens = (_SEMANTIC_PER_S + _COARSE_PER_S) * seconds
    read = tokens * share * (2 * work / rows + shape.row_bytes) / memory_speed()
    windows = sum(max(1.0, length / _FINE_S) for length in expected_s)
    anew = _WINDOWS_PER_S * _WINDOW_TOKENS * seconds + windows * _FINE_TOKENS
    speed = compute_speed() * _quicker(chosen.precision)
    estimate = _OVERHEAD * (read + work * (anew + tokens) / speed)
    return RenderOutlook(estimate, memory, numbers, precision=kind)


def _quicker(precision: str) -> float:
    """How many times as quick as in float32 many rows are multiplied."""
    if precision == "int8" and why_slow("int8") is None:
        return SPEED["int8"]
    return SPEED["float32" if precision == "float32" else "bfloat16"]
