"""EnCodec's decoder: its layers, and all of it through the kernels.

No product of torch's comes between: its threads look out for more work for milliseconds after each,
and take the processors from the kernels meanwhile.

Reference:
    Defossez, Copet, Synnaeve, Adi, "High Fidelity Neural Audio Compression", TMLR 2023; names are
    those of transformers' ``EncodecModel``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milonga.compute.convolutions.engine import Engine
from milonga.compute.convolutions.network import (
    Conv,
    Elu,
    Layer,
    Padding,
    Residual,
    Upsample,
    plain_weight,
)
from milonga.compute.convolutions.packing import Floats
from milonga.compute.convolutions.recurrent import Lstm

PIECE = 250
"""Frames at a time of its LSTM: 5 s at 50 frames a second."""

_PADDINGS: dict[str, Padding] = {"reflect": "reflect", "constant": "zeros", "zero": "zeros"}


class EncodecDecoder:
    """The decoder of an ``EncodecModel``, and the codebooks before it.

    Args:
        codec: its weights are copied.
        threads: the caller's included.

    Raises:
        NotImplementedError: it has layers without kernels.
    """

    def __init__(self, codec: Any, threads: int) -> None:
        first, recurrent, *rest = codec.decoder.layers
        if not hasattr(recurrent, "lstm"):
            raise NotImplementedError("no kernels for EnCodec without its LSTM")
        self._books: list[Floats] = [
            layer.codebook.embed.detach().float().numpy() for layer in codec.quantizer.layers
        ]
        self._first = Engine(describe_stages([first]), self._books[0].shape[1], threads)
        self._lstm = Lstm(recurrent.lstm, threads)
        self._stages = Engine(describe_stages(rest), self._lstm.size, threads)

    def run(
        self, codes: NDArray[np.int64], check: Callable[[], None] = lambda: None
    ) -> NDArray[np.float32]:
        """Decode ``[batch, codebooks, frames]`` to ``[batch, channels, samples]``.

        Args:
            codes: the tokens, of as many codebooks as there are.
            check: called every now and then; may raise to stop.
        """
        batch, books, frames = codes.shape
        hidden = np.empty((frames, batch, self._lstm.size), np.float32)
        for row in range(batch):
            entries: Floats = sum(self._books[book][codes[row, book]] for book in range(books))
            for start, stop, piece in self._first.run(entries, check=check):
                hidden[start:stop, row] = piece
        state = self._lstm.start(batch)
        for start in range(0, frames, PIECE):
            check()
            x = hidden[start : start + PIECE]
            x += self._lstm.run(x, state)
        found = np.empty((batch, self._stages.outputs, self._stages.length(frames)), np.float32)
        for row in range(batch):
            through = np.ascontiguousarray(hidden[:, row])
            for start, stop, piece in self._stages.run(through, check=check):
                found[row, :, start:stop] = piece.T
        return found


def describe_stages(layers: Iterable[Any]) -> Iterator[Layer]:
    """The layers of ``EncodecModel.decoder.layers`` after its LSTM, made one after another.

    Raises:
        NotImplementedError: a layer is of another kind, such as a norm over time.
    """
    for layer in layers:
        kind = type(layer).__name__
        if kind == "ELU":
            yield Elu()
        elif kind == "EncodecConv1d":
            yield _conv(layer)
        elif kind == "EncodecConvTranspose1d":
            yield _upsample(layer)
        elif kind == "EncodecResnetBlock":
            shortcut = layer.shortcut
            own = () if type(shortcut).__name__ == "Identity" else (_conv(shortcut),)
            yield Residual(tuple(describe_stages(layer.block)), own)
        else:
            raise NotImplementedError(f"no kernels for {kind}")


def _conv(layer: Any) -> Conv:
    conv = layer.conv
    stride, dilation = conv.stride[0], conv.dilation[0]
    if layer.norm_type != "weight_norm" or layer.pad_mode not in _PADDINGS or stride > 1:
        raise NotImplementedError("no kernels for this convolution of EnCodec")
    total = (conv.kernel_size[0] - 1) * dilation
    right = 0 if layer.causal else total // 2
    return Conv(plain_weight(conv), conv.bias, 1, dilation, total - right, right,
                _PADDINGS[layer.pad_mode])  # fmt: skip


def _upsample(layer: Any) -> Upsample:
    conv = layer.conv
    if layer.norm_type != "weight_norm":
        raise NotImplementedError("no kernels for this upsampler of EnCodec")
    rate = conv.stride[0]
    total = conv.kernel_size[0] - rate
    right = math.ceil(total * layer.trim_right_ratio) if layer.causal else total // 2
    return Upsample(plain_weight(conv), conv.bias, rate, total - right, right)
