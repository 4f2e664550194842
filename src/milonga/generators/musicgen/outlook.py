"""Memory and time of a render of MusicGen."""

from __future__ import annotations

from milonga.generators.neural.bits import BITS, foreseen_bits, likely, words_of
from milonga.generators.neural.calibration import memory_speed
from milonga.generators.neural.outlook import RenderOutlook, speed_on, weights_size
from milonga.weights import LocalWeights

_FRAMES_PER_S = 50
_OUTSIDE = 0.68e9
"""Bytes of the text encoder and the codec, which don't run for each token."""
_OVERHEAD = 1.4
"""Time of a step, relative to reading its weights from memory."""
_CACHE_SHARE = 0.25
"""Keys and values of a whole window in float32, as a share of the weights."""
_WINDOW_S, _GOING_ON = 30.0, 0.1e9
"""Seconds of a window, and bytes in use while one reads the end of the window before."""
_DECODING = 0.3e9
"""Bytes in use while a piece is decoded, and by the libraries."""


def work_of(name: str, precision: str) -> str:
    """Name the work for the calibration, without the device."""
    return f"musicgen tokens, {name}, {precision}"


def foresee(
    name: str, local: LocalWeights | None, device: str, precision: str, seconds: float
) -> RenderOutlook:
    """Foresee a render: by what was learnt here, else by the speed of this machine's memory.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        device: as asked for.
        precision: as asked for.
        seconds: of audio.
    """
    size, steps = weights_size(name, local), seconds * _FRAMES_PER_S + 3
    chosen = foreseen_bits(precision, "float32", local, device)
    kind = chosen.precision
    estimate = needs = None
    speeds = (speed_on(device, work_of(name, one)) for one in likely(chosen))
    if (speed := next(filter(None, speeds), None)) is not None:
        estimate = steps * speed
    if size is not None:
        # Files hold float32. Beside what is read for every token, 8 and 16 bits leave the file's
        # own numbers alone.
        read = max(size / 2, size - _OUTSIDE)
        if estimate is None and device in ("auto", "cpu"):
            estimate = steps * _OVERHEAD * read * BITS[kind] / 32 / memory_speed()
        cache = size * _CACHE_SHARE * (1 if kind == "float32" else 0.5)
        needs = size - read + read * BITS[kind] / 32 + cache + _DECODING
        needs += _GOING_ON if seconds > _WINDOW_S else 0.0
    return RenderOutlook(estimate, needs, words_of(precision, chosen), precision=kind)
