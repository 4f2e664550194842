"""Parts put together: the silence where they meet is cut to a breath."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BREATH_S = 0.12
"""Silence that stays on each side of a join, where there was as much."""
_STEP_S = 0.01
_FADE_S = 0.005
_UNDER_PEAK_DB, _FLOOR_DB = -40.0, -60.0
"""A step is silent under the first relative to the loudest step, or under the second in all."""


def join(parts: Sequence[NDArray[np.float32]], rate: int) -> NDArray[np.float32]:
    """The parts one after the other.

    Silence where two parts meet is cut to 0.12 s on each side; the beginning of the first and the
    end of the last stay as they are. What is cut off fades within 5 ms.

    Args:
        parts: ``[frames]`` each; empty ones are passed over.
        rate: in Hz.
    """
    sounding = [part for part in parts if len(part)]
    pieces = []
    for index, part in enumerate(sounding):
        begin, end = _sounding(part, rate)
        first = 0 if index == 0 else begin
        last = len(part) if index == len(sounding) - 1 else end
        pieces.append(_faded(part, first, last, rate))
    return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)


def _sounding(part: NDArray[np.float32], rate: int) -> tuple[int, int]:
    """Find where the sound begins and ends, with a breath around it."""
    step = max(1, round(_STEP_S * rate))
    count = -(-len(part) // step)
    padded = np.zeros(count * step)
    padded[: len(part)] = part
    power = np.mean(padded.reshape(count, step) ** 2, axis=1)
    limit = max(10 ** (_FLOOR_DB / 10), float(power.max()) * 10 ** (_UNDER_PEAK_DB / 10))
    (loud,) = np.nonzero(power > limit)
    breath = round(_BREATH_S * rate)
    if not len(loud):
        # Silent all over: a pause.
        return 0, min(len(part), 2 * breath)
    return max(0, int(loud[0]) * step - breath), min(len(part), int(loud[-1] + 1) * step + breath)


def _faded(part: NDArray[np.float32], first: int, last: int, rate: int) -> NDArray[np.float32]:
    piece = part[first:last].copy()
    count = min(round(_FADE_S * rate), len(piece) // 2)
    ramp = np.linspace(0, 1, count, endpoint=False, dtype=np.float32)
    if first > 0:
        piece[:count] *= ramp
    if last < len(part):
        piece[len(piece) - count :] *= ramp[::-1]
    return piece
