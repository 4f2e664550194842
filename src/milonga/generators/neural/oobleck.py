"""The autoencoder of Stable Audio Open and ACE-Step, Oobleck, in tiles.

Decoded whole, 47 s take gigabytes. Decoder and encoder look only a little around, so a tile with
that margin on both sides gives what the whole gives, in the memory of one tile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from milonga.generators.neural.parts import TakingTurns
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


def load(parts: TakingTurns, child: str) -> Any:
    """Load the ``decoder`` or the ``encoder`` from the part ``vae``, without its weight norm.

    Raises:
        GeneratorError: the files are damaged or lack something.
    """
    from diffusers import AutoencoderOobleck
    from torch.nn.utils import remove_weight_norm

    model = parts.load_diffusers("vae", AutoencoderOobleck, child=child)
    for module in model.modules():
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)
    return model


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


def encode(
    encoder: Any,
    samples: torch.Tensor,
    ratios: Sequence[int],
    progress: Progress,
    tile: int = TILE,
) -> torch.Tensor:
    """What samples encode to: mean and spread of each latent.

    Args:
        encoder: of an ``AutoencoderOobleck``.
        samples: ``[channels, frames * prod(ratios)]`` float32.
        ratios: the downsampling ratios.
        progress: shows the frames done.
        tile: frames at a time.

    Returns:
        ``[1, 2 * latent channels, frames]`` float32 on the processor; within rounding what the
        whole encoder gives.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    hop, margin = math.prod(ratios), encoder_margin_of(ratios)
    frames = samples.shape[-1] // hop

    def compute(start: int, stop: int) -> torch.Tensor:
        low, high = max(0, start - margin), min(frames, stop + margin)
        piece = samples[None, :, low * hop : high * hop]
        found: torch.Tensor = encoder(piece.to(next(encoder.parameters()).device))[0]
        return found[:, start - low : stop - low].float().cpu()

    pieces = []
    with torch.inference_mode(), progress.task("Encoding", frames, "frames") as task:
        for start, stop, piece in in_chunks(
            frames, tile, _SMALLEST, compute, lambda: device_of(encoder),
            lambda: encoder.to("cpu"), progress,
        ):  # fmt: skip
            pieces.append(piece)
            task.advance(stop - start)
    return torch.cat(pieces, dim=-1)[None]


def encoder_margin_of(ratios: Sequence[int]) -> int:
    """Latent frames on each side that hold all samples that a latent depends on.

    From the latents back to the samples: a kernel of 3; per stage a convolution of twice its
    stride, whose output sees up to half a stride beyond its own samples, and three residual
    units; a kernel of 7.

    Args:
        ratios: the downsampling ratios, from samples to latents.
    """
    seen = 1
    for ratio in reversed(ratios):
        seen = (seen + 1) * ratio + _RESIDUAL
    return math.ceil((seen + _KERNEL) / math.prod(ratios))
