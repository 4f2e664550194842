"""The autoencoder of Stable Audio Open and ACE-Step, Oobleck, in pieces.

Decoded whole, 47 s take gigabytes. Decoder and encoder look only a little around, so a piece with
that margin on both sides gives what the whole gives, in the memory of one piece. On a processor
compiled kernels do it, elsewhere the library's modules do, in tiles.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from milonga.generators.neural.parts import TakingTurns
from milonga.runtime.devices import device_of, in_chunks
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

    from milonga.compute.convolutions.engine import Engine

EngineName = Literal["auto", "fast", "torch"]

TILE = 96
"""Latent frames that a tile adds: 4.5 s at 21.5 frames a second."""

_ENGINES: weakref.WeakKeyDictionary[Any, tuple[tuple[str, int], Engine]]
_ENGINES = weakref.WeakKeyDictionary()
"""What was packed for which processor and threads, for as long as the module is there."""

_SMALLEST = 8
"""Frames of a tile that is not divided further."""

_RESIDUAL = 3 * (1 + 3 + 9)
"""Reach of three residual units: kernels of 7 with dilations 1, 3, 9."""
_KERNEL = 3
"""Reach of a kernel of 7."""


def load(parts: TakingTurns, child: str) -> Any:
    """Load the ``decoder`` or the ``encoder`` from the part ``vae``.

    For the kernels its weights stay the file's own until they are packed, which is done here, too,
    so that decoding takes what decoding takes; for torch the weight norm is computed.

    Raises:
        GeneratorError: the files are damaged or lack something.
    """
    from diffusers import AutoencoderOobleck
    from torch.nn.utils import remove_weight_norm

    model = parts.load_diffusers("vae", AutoencoderOobleck, child=child)
    if engine_on(parts.device) == "torch":
        for module in model.modules():
            if hasattr(module, "weight_g"):
                remove_weight_norm(module)
    else:
        _engine_of(model, child)
    return model


def engine_on(device: str) -> Literal["fast", "torch"]:
    """What computes on a device: ``fast`` for compiled kernels, or ``torch``."""
    from milonga.compute.convolutions.kernels.available import why_no_kernels

    return "fast" if device == "cpu" and why_no_kernels() is None else "torch"


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
    engine: EngineName = "auto",
) -> torch.Tensor:
    """The first samples of what latents decode to; what comes after them isn't computed.

    Args:
        decoder: of an ``AutoencoderOobleck``.
        latents: ``[1, channels, frames]``.
        samples: how many are wanted, at most ``frames * prod(ratios)``.
        ratios: the downsampling ratios.
        progress: shows the seconds, or rather frames, done.
        tile: frames at a time, in torch.
        engine: ``fast``, ``torch``, or ``auto`` for the first that works.

    Returns:
        ``[channels, samples]`` float32 on the processor; within rounding what the whole
        decoder gives.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    hop, margin = math.prod(ratios), margin_of(ratios)
    if _is_fast(engine, decoder):
        wanted = min(samples, latents.shape[-1] * hop)
        label = ("Decoding", math.ceil(wanted / hop))
        packed = _engine_of(decoder, "decoder")
        return _compiled(packed, latents[0], wanted, hop, label, progress)
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
    engine: EngineName = "auto",
) -> torch.Tensor:
    """What samples encode to: mean and spread of each latent.

    Args:
        encoder: of an ``AutoencoderOobleck``.
        samples: ``[channels, frames * prod(ratios)]`` float32.
        ratios: the downsampling ratios.
        progress: shows the frames done.
        tile: frames at a time, in torch.
        engine: ``fast``, ``torch``, or ``auto`` for the first that works.

    Returns:
        ``[1, 2 * latent channels, frames]`` float32 on the processor; within rounding what the
        whole encoder gives.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    hop, margin = math.prod(ratios), encoder_margin_of(ratios)
    frames = samples.shape[-1] // hop
    if _is_fast(engine, encoder):
        packed = _engine_of(encoder, "encoder")
        return _compiled(packed, samples, frames, 1, ("Encoding", frames), progress)[None]

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


def _is_fast(engine: EngineName, module: Any) -> bool:
    return engine == "fast" or (engine == "auto" and engine_on(device_of(module)) == "fast")


def _engine_of(module: Any, child: str) -> Engine:
    """What is packed for this processor and these threads, of a ``decoder`` or an ``encoder``; for
    as long as the module is kept, so is that."""
    import torch

    from milonga.compute import processor
    from milonga.compute.convolutions import oobleck
    from milonga.compute.convolutions.engine import Engine

    here = processor.target(), torch.get_num_threads()
    made_for, engine = _ENGINES.get(module, (None, None))
    if engine is None or made_for != here:
        describe = oobleck.describe_decoder if child == "decoder" else oobleck.describe_encoder
        with torch.inference_mode():
            engine = Engine(describe(module), module.conv1.in_channels, torch.get_num_threads())
        _ENGINES[module] = here, engine
    return engine


def _compiled(
    engine: Engine,
    x: torch.Tensor,
    wanted: int,
    unit: int,
    label: tuple[str, int],
    progress: Progress,
) -> torch.Tensor:
    """Rows of output through the kernels, ``[channels, wanted]``.

    Args:
        engine: the packed network.
        x: ``[channels, rows]``.
        wanted: rows of output.
        unit: rows of output that count one for the progress.
        label: of the progress, and its total.
        progress: shows it; asked all the time whether to stop.
    """
    import torch

    with torch.inference_mode(), progress.task(*label, "frames") as task:
        progress.check()
        rows = x.detach().float().cpu().t().contiguous().numpy()
        found = torch.empty(engine.outputs, wanted)
        for start, stop, piece in engine.run(rows, wanted, progress.check):
            found[:, start:stop] = torch.from_numpy(piece).t()
            task.advance(-(-stop // unit) - -(-start // unit))
    return found


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
