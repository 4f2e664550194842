"""EnCodec's decoder as layers.

Reference:
    Defossez, Copet, Synnaeve, Adi, "High Fidelity Neural Audio Compression", TMLR 2023; names are
    those of transformers' ``EncodecModel``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from milonga.compute.convolutions.network import (
    Conv,
    Elu,
    Layer,
    Padding,
    Residual,
    Upsample,
    plain_weight,
)

_PADDINGS: dict[str, Padding] = {"reflect": "reflect", "constant": "zeros", "zero": "zeros"}


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
