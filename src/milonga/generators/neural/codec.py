"""EnCodec's decoder for audio of any length: in pieces, with the samples of the whole.

Its LSTM runs over the whole sequence and would neither stop for the user nor fit in memory
for long audio together with the stages after it. Here the LSTM takes its state from piece to
piece, and the stages after it, which look only a few frames around, get pieces with a margin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

PIECE = 250
"""Frames at a time: 5 s at 50 frames a second."""

MARGIN = 8
"""Frames that a piece sees on both sides. A transposed convolution reaches one frame, the others
less with every stage; together they stay under three."""


def decode(codec: Any, codes: torch.Tensor, progress: Progress) -> torch.Tensor:
    """The waveform of audio tokens.

    Args:
        codec: transformers' ``EncodecModel`` without chunks of its own.
        codes: ``[batch, codebooks, frames]``.
        progress: asked between the pieces whether to stop.

    Returns:
        ``[batch, channels, frames * hop]``, within rounding the same as ``codec.decode``.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    layers = list(codec.decoder.layers)
    known = len(layers) > 2 and hasattr(layers[1], "lstm")
    with torch.inference_mode():
        if not known or codec.config.norm_type != "weight_norm":
            # A norm over time sees everything at once.
            whole: torch.Tensor = codec.decode(codes[None], [None]).audio_values
            return whole
        hidden = layers[0](codec.quantizer.decode(codes.transpose(0, 1)))
        hidden = _recurrent(layers[1].lstm, hidden, progress)
        return _convolved(layers[2:], hidden, progress)


def _recurrent(lstm: Any, hidden: torch.Tensor, progress: Progress) -> torch.Tensor:
    import torch

    pieces, state = [], None
    for piece in torch.split(hidden.permute(2, 0, 1), PIECE):
        progress.check()
        found, state = lstm(piece, state)
        pieces.append(found + piece)
    return torch.cat(pieces).permute(1, 2, 0)


def _convolved(layers: list[Any], hidden: torch.Tensor, progress: Progress) -> torch.Tensor:
    import torch

    frames, pieces = hidden.shape[-1], []
    for start in range(0, frames, PIECE):
        stop = min(start + PIECE, frames)
        low, high = max(0, start - MARGIN), min(frames, stop + MARGIN)
        piece = hidden[..., low:high]
        for layer in layers:
            progress.check()
            piece = layer(piece)
        hop = piece.shape[-1] // (high - low)
        pieces.append(piece[..., (start - low) * hop : (stop - low) * hop])
    return torch.cat(pieces, dim=-1)
