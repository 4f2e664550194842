"""The stereo image of a recording, and what happened to the channels of another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip

_SILENT = 1e-12
_SIDED_DB = 0.5
"""A balance that moves less than this is centred: nothing can be swapped audibly."""

_FRAMES = 256
"""Frames that are summed at once."""


@dataclass(frozen=True, slots=True)
class Image:
    """A stereo image.

    Attributes:
        width: share of the energy in the difference of the channels, from 0 (mono) over 0.5
            (unrelated channels) to 1 (antiphase).
        correlation: of left and right, from -1 to 1.
        balance_db: level of the right channel over the left one.
    """

    width: float
    correlation: float
    balance_db: float


def channel_sums(clip: Clip, hop_s: float) -> NDArray[np.float64]:
    """Sum the energies of left, right, and their product, ``[frames, 3]``.

    Args:
        clip: two channels.
        hop_s: seconds per frame.
    """
    hop = max(1, round(hop_s * clip.sample_rate))
    found = []
    # Some at a time: the products of a long recording would be larger than it is.
    for at in range(0, clip.n_samples, _FRAMES * hop):
        left, right = clip.samples[:, at : at + _FRAMES * hop]
        starts = np.arange(0, len(left), hop)
        products = (left * left, right * right, left * right)
        sums = [np.add.reduceat(part, starts, dtype=np.float64) for part in products]
        found.append(np.stack(sums, axis=1))
    return np.concatenate(found)


def image(sums: NDArray[np.float64] | None) -> Image | None:
    """Measure the image from ``channel_sums``; a mono recording is its middle, silence None."""
    if sums is None:
        return Image(0.0, 1.0, 0.0)
    left, right, both = sums.sum(axis=0)
    if left + right <= _SILENT:
        return None
    width = (left + right - 2 * both) / (2 * (left + right))
    level = float(np.sqrt(left * right))
    correlation = both / level if level > _SILENT else 0.0
    balance = 10 * np.log10((right + _SILENT) / (left + _SILENT))
    return Image(float(width), float(np.clip(correlation, -1, 1)), float(balance))


def channel_changes(
    before: NDArray[np.float64] | None,
    after: NDArray[np.float64] | None,
    frames: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> list[str]:
    """Name what happened to the channels: ``swapped``, ``inverted``, ``mono``.

    Args:
        before: ``channel_sums`` of the baseline.
        after: of the candidate.
        frames: matching frames of the two.
    """
    found = []
    first, second = image(before), image(after)
    if before is None or first is None or second is None or first.width < 1e-4:
        if second is not None and second.correlation < -0.5:
            found.append("inverted")
        return found
    if after is None or second.width < 1e-4 * first.width:
        return ["mono"]
    if first.correlation > 0.2 and second.correlation < -0.2:
        found.append("inverted")
    if not len(frames[0]):
        return found
    sides = [_sides(sums, at) for sums, at in zip((before, after), frames, strict=True)]
    size = [float(np.sqrt(np.mean(side**2))) for side in sides]
    if min(size) > _SIDED_DB:
        alike = float(np.mean(sides[0] * sides[1])) / (size[0] * size[1])
        if alike < -0.6:
            found.append("swapped")
    return found


def _sides(sums: NDArray[np.float64], at: NDArray[np.int64]) -> NDArray[np.float64]:
    left, right = sums[np.minimum(at, len(sums) - 1), :2].T
    heard = left + right > 1e-4 * (sums[:, 0] + sums[:, 1]).max()
    balance = 10 * np.log10((right + _SILENT) / (left + _SILENT))
    return np.where(heard, np.clip(balance, -20, 20), 0.0)
