"""Memory and time of a render of MusicGen."""

from __future__ import annotations

from milonga.generators.neural.calibration import memory_speed
from milonga.generators.neural.outlook import RenderOutlook, speed_on, weights_size
from milonga.weights import LocalWeights

_FRAMES_PER_S = 50
_OUTSIDE = 0.68e9
"""Bytes of the text encoder and the codec, which don't run for each token."""
_OVERHEAD = 1.4
"""Time of a step, relative to reading its weights from memory."""
_CACHE_SHARE = 0.25
"""Keys and values of a whole window, as a share of the weights."""
_DECODING = 0.8e9
"""Bytes in use while a piece is decoded."""


def work_of(name: str) -> str:
    """Name the work for the calibration, without the device."""
    return f"musicgen tokens, {name}"


def foresee(name: str, local: LocalWeights | None, device: str, seconds: float) -> RenderOutlook:
    """Foresee a render: by what was learnt here, else by the speed of this machine's memory.

    Args:
        name: the model, as the user calls it.
        local: its files, if they are here.
        device: as asked for.
        seconds: of audio.
    """
    size, steps = weights_size(name, local), seconds * _FRAMES_PER_S + 3
    estimate = None
    if (speed := speed_on(device, work_of(name))) is not None:
        estimate = steps * speed
    elif size is not None and device in ("auto", "cpu"):
        estimate = steps * _OVERHEAD * max(size / 2, size - _OUTSIDE) / memory_speed()
    return RenderOutlook(estimate, size and size * (1 + _CACHE_SHARE) + _DECODING)
