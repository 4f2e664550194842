"""Weighted means along the time of mels, quick and differentiable."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

_WHOLE_FRAMES, _BLOCK = 512, 256
_KEPT_MATRICES = 20
"""The five windows of the descriptors for four lengths: 1 MB each at most."""


class Smoother:
    """Weighted means over centred windows, at the ends over what there is of them.

    A product with a banded matrix is many times faster than convolutions of one channel. Short
    mels take one matrix, long ones go block by block.

    Args:
        windows: of odd lengths, by name.
    """

    def __init__(self, windows: Mapping[str, Tensor]) -> None:
        self._windows = windows
        # On the CPU: Apple's graphics have no float64.
        self._sums = {
            name: functional.pad(window.cpu().double().cumsum(0), (1, 0))
            for name, window in windows.items()
        }
        self._whole: OrderedDict[tuple[str, int], Tensor] = OrderedDict()
        self._band: dict[str, Tensor] = {}

    def __call__(self, values: Tensor, name: str) -> Tensor:
        """``[B, C, T]`` to the same."""
        frames = values.shape[2]
        if frames <= _WHOLE_FRAMES:
            return values @ self._matrix(name, frames)
        half = self._windows[name].shape[0] // 2
        if name not in self._band:
            self._band[name] = self._product(name, _BLOCK + 2 * half, _BLOCK, half)
        padded = functional.pad(values, (half, half + -frames % _BLOCK))
        blocks = padded.unfold(2, _BLOCK + 2 * half, _BLOCK) @ self._band[name]
        return blocks.flatten(2)[:, :, :frames] / self._weight(name, frames)

    def _matrix(self, name: str, frames: int) -> Tensor:
        """The matrix for a whole mel, with its weights; the last few are kept."""
        key = (name, frames)
        found = self._whole.get(key)
        if found is None:
            # What is made in inference mode couldn't be used in training later.
            with torch.inference_mode(False):
                found = self._product(name, frames, frames, 0)
                found = found / found.sum(0, keepdim=True)
            self._whole[key] = found
            while len(self._whole) > _KEPT_MATRICES:
                self._whole.popitem(last=False)
        return found

    def _product(self, name: str, rows: int, columns: int, ahead: int) -> Tensor:
        """``[rows, columns]``: column c holds the window centred on row c + ahead."""
        window = self._windows[name]
        half = window.shape[0] // 2
        with torch.inference_mode(False):
            row = torch.arange(rows, device=window.device)[:, None]
            shift = row - torch.arange(columns, device=window.device) - ahead + half
            inside = (shift >= 0) & (shift < window.shape[0])
            return torch.where(inside, window[shift.clamp(0, window.shape[0] - 1)], 0.0)

    def _weight(self, name: str, frames: int) -> Tensor:
        """The share of the window that lies within the mel, ``[T]``."""
        sums, window = self._sums[name], self._windows[name]
        half = window.shape[0] // 2
        at = torch.arange(frames)
        first, last = (half - at).clamp(min=0), (frames + half - at).clamp(max=window.shape[0])
        return (sums[last] - sums[first]).float().to(window.device)
