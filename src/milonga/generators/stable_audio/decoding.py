"""The decoder of the autoencoder in tiles: any length in the memory of one tile.

Decoded whole, 47 s take gigabytes. The decoder looks only a few latent frames around, so a tile
with that margin on both sides gives the samples of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from milonga.runtime.devices import device_of, in_chunks
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

TILE = 96
"""Latent frames that a tile adds: 4.5 s at 21.5 frames a second."""

_SMALLEST = 8
"""Frames of a tile that is not divided further."""

_RESIDUAL = 3 * (1 + 3 + 9)
"""Reach of three residual units: kernels of 7 with dilations 1, 3, 9."""
_KERNEL = 3
"""Reach of a kernel of 7."""


def margin_of(ratios: Sequence[int]) -> int:
    """Latent frames on each side that a sample depends on.

    From the samples back to the latents: a kernel of 7; per stage three residual units, then a
    transposed convolution with twice its stride as kernel, in which a sample sees the two frames
    around it; a kernel of 7.

    Args:
        ratios: the downsampling ratios, from samples to latents.
    """
    seen = _KERNEL
    for ratio in ratios:
        seen = math.ceil((seen + _RESIDUAL) / ratio) + 1
    return seen + _KERNEL


def decode(
    decoder: Any,
    latents: torch.Tensor,
    samples: int,
    ratios: Sequence[int],
    progress: Progress,
    tile: int = TILE,
) -> torch.Tensor:
    """The first samples of what latents decode to; what comes after them isn't computed.

    Args:
        decoder: of an ``AutoencoderOobleck``.
        latents: ``[1, channels, frames]``.
        samples: how many are wanted, at most ``frames * prod(ratios)``.
        ratios: the downsampling ratios.
        progress: shows the seconds, or rather frames, done.
        tile: frames at a time.

    Returns:
        ``[channels, samples]`` float32 on the processor; within rounding what the whole
        decoder gives.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    hop, margin = math.prod(ratios), margin_of(ratios)
    frames = min(latents.shape[-1], math.ceil(samples / hop) + margin)
    wanted = min(frames, math.ceil(samples / hop))

    def compute(start: int, stop: int) -> torch.Tensor:
        low, high = max(0, start - margin), min(frames, stop + margin)
        sound: torch.Tensor = decoder(latents[..., low:high].to(next(decoder.parameters()).device))[
            0
        ]
        first = (start - low) * hop
        return sound[:, first : first + (stop - start) * hop].float().cpu()

    pieces = []
    with torch.inference_mode(), progress.task("Decoding", wanted, "frames") as task:
        for start, stop, piece in in_chunks(
            wanted, tile, _SMALLEST, compute, lambda: device_of(decoder),
            lambda: decoder.to("cpu"), progress,
        ):  # fmt: skip
            pieces.append(piece)
            task.advance(stop - start)
    return torch.cat(pieces, dim=-1)[:, :samples]
