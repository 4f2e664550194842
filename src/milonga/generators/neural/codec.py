"""EnCodec's decoder for audio of any length: in pieces, with the samples of the whole.

Its LSTM runs over the whole sequence and would neither stop for the user nor fit in memory
for long audio together with the stages after it. Here the LSTM takes its state from piece to
piece, and the stages after it, which look only a few frames around, get pieces with a margin. On a
processor compiled kernels compute these stages.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from milonga.runtime.devices import device_of, in_chunks
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

    from milonga.compute.convolutions.encodec import EncodecDecoder

PIECE = 250
"""Frames at a time: 5 s at 50 frames a second."""

_SMALLEST = 8
"""Frames of a piece that is not divided further."""

MARGIN = 8
"""Frames that a piece sees on both sides. A transposed convolution reaches one frame, the others
less with every stage; together they stay under three."""


_ENGINES: weakref.WeakKeyDictionary[Any, EncodecDecoder | None] = weakref.WeakKeyDictionary()
_MAKING = threading.Lock()


def decode(
    codec: Any,
    codes: torch.Tensor,
    progress: Progress,
    engine: Literal["auto", "torch"] = "auto",
) -> torch.Tensor:
    """The waveform of audio tokens.

    Args:
        codec: transformers' ``EncodecModel`` without chunks of its own.
        codes: ``[batch, codebooks, frames]``.
        progress: asked between the pieces whether to stop.
        engine: ``auto`` for compiled kernels where they work.

    Returns:
        ``[batch, channels, frames * hop]`` on the processor, within rounding the same as
        ``codec.decode``.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    layers = list(codec.decoder.layers)
    # A norm over time sees everything at once.
    known = len(layers) > 2 and hasattr(layers[1], "lstm")
    known = known and codec.config.norm_type == "weight_norm"

    def on_device(
        total: int, chunk: int, compute: Callable[[int, int], torch.Tensor]
    ) -> torch.Tensor:
        found = in_chunks(
            total, chunk, _SMALLEST, compute, lambda: device_of(codec), lambda: codec.to("cpu"),
            progress,
        )  # fmt: skip
        return torch.cat([piece.cpu() for _, _, piece in found], dim=-1)

    def whole(start: int, stop: int) -> torch.Tensor:
        there = codes.to(codec.device)
        if not known:
            audio: torch.Tensor = codec.decode(there[None], [None]).audio_values
            return audio
        hidden: torch.Tensor = layers[0](codec.quantizer.decode(there.transpose(0, 1)))
        return _recurrent(layers[1].lstm, hidden, progress)

    with torch.inference_mode():
        if known and engine == "auto" and device_of(codec) == "cpu":
            fast = _engine_of(codec)
            if fast is not None:
                return torch.from_numpy(fast.run(codes.cpu().numpy(), progress.check))
        hidden = on_device(1, 1, whole)
        if not known:
            return hidden

        def convolved(start: int, stop: int) -> torch.Tensor:
            low, high = max(0, start - MARGIN), min(hidden.shape[-1], stop + MARGIN)
            piece: torch.Tensor = hidden[..., low:high].to(codec.device)
            for layer in layers[2:]:
                progress.check()
                piece = layer(piece)
            hop = piece.shape[-1] // (high - low)
            return piece[..., (start - low) * hop : (stop - low) * hop]

        return on_device(hidden.shape[-1], PIECE, convolved)


def engine_of(codec: Any) -> Literal["fast", "torch"]:
    """What computes the stages of a codec where it is now: ``fast`` for compiled kernels."""
    return "fast" if device_of(codec) == "cpu" and _engine_of(codec) else "torch"


def _engine_of(codec: Any) -> EncodecDecoder | None:
    """The kernels for a codec, made once; None if they can't be used."""
    from milonga.compute.convolutions.kernels.available import why_no_kernels

    with _MAKING:
        if codec not in _ENGINES:
            _ENGINES[codec] = _make_engine(codec) if why_no_kernels() is None else None
        return _ENGINES[codec]


def _make_engine(codec: Any) -> EncodecDecoder | None:
    import torch

    from milonga.compute.convolutions.encodec import EncodecDecoder

    if len(codec.decoder.layers) < 3:
        return None
    try:
        with torch.inference_mode():
            return EncodecDecoder(codec, torch.get_num_threads())
    except NotImplementedError:
        return None


def _recurrent(lstm: Any, hidden: torch.Tensor, progress: Progress) -> torch.Tensor:
    import torch

    pieces, state = [], None
    for piece in torch.split(hidden.permute(2, 0, 1), PIECE):
        progress.check()
        found, state = lstm(piece, state)
        pieces.append(found + piece)
    return torch.cat(pieces).permute(1, 2, 0)
