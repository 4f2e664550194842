"""Weights in the form that the kernels read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from milonga.compute.convolutions.kernels.gemm import Tiling
from milonga.compute.convolutions.kernels.minimal import Filtering

Floats = NDArray[np.float32]

LANES = 8
"""Channels are padded with zeros to a multiple of this."""


def padded(channels: int) -> int:
    """The width that a signal of ``channels`` has in memory."""
    return -(-channels // LANES) * LANES


@dataclass(frozen=True, slots=True)
class PackedConv:
    """A convolution of equal width in and out.

    Attributes:
        filtering: how it is computed.
        factors: ``[products, panels, channels in, columns]``; or the taps themselves,
            ``[taps, panels, channels in, columns]``.
        bias: ``[channels]``.
        dilation: samples between taps.
    """

    filtering: Filtering
    factors: Floats
    bias: Floats
    dilation: int

    @property
    def transformed(self) -> bool:
        """Whether the factors are those of the products."""
        return len(self.factors) == self.filtering.products


@dataclass(frozen=True, slots=True)
class PackedProduct:
    """A convolution or upsampler as one matrix product over consecutive rows.

    Attributes:
        factors: ``[panels, inner, columns]``.
        bias: ``[panels * columns]``.
        inner: floats of input behind each row of output.
        taps: rows of input behind each row of output.
    """

    factors: Floats
    bias: Floats
    inner: int
    taps: int


@dataclass(frozen=True, slots=True)
class PackedActivation:
    """Frequency over pi and amplitude, ``[channels]`` each."""

    alpha: Floats
    gain: Floats


def pack_conv(
    conv: nn.Conv1d, filtering: Filtering, tiling: Tiling, *, transform: bool = True
) -> PackedConv:
    """Transform the taps, or leave that for later. Their rounding adds 3e-7 to an error of some
    1e-6."""
    width = padded(conv.in_channels)
    weight = widened(conv.weight, (width, width, filtering.taps))
    taps = weight.permute(2, 1, 0).reshape(filtering.taps, width, -1, tiling.columns)
    flat = taps.transpose(1, 2).reshape(filtering.taps, -1)
    if transform:
        flat = torch.from_numpy(filtering.kernel_matrix).float() @ flat
    return PackedConv(filtering, floats(flat), _bias(conv.bias, width), conv.dilation[0])


def pack_product(conv: nn.Conv1d, tiling: Tiling, *, inputs: int, gain: float) -> PackedProduct:
    """A convolution without dilation over rows of ``inputs`` channels, its input times ``gain``."""
    width = -(-conv.out_channels // tiling.columns) * tiling.columns
    taps = conv.kernel_size[0]
    weight = widened(conv.weight, (width, inputs, taps)) * gain
    matrix = weight.permute(2, 1, 0).reshape(taps * inputs, width)
    bias = _bias(conv.bias, width)
    return PackedProduct(panels(matrix, tiling), bias, taps * inputs, taps)


def pack_upsampler(up: nn.ConvTranspose1d, tiling: Tiling, gain: float) -> PackedProduct:
    """A transposed convolution: ``rate`` output rows are side by side in one row of the product.

    With ``n + padding = rate q + r``, output ``n`` sums input ``q - j`` times tap ``r + rate j``.
    """
    rate, kernel = up.stride[0], up.kernel_size[0]
    inputs, outputs = padded(up.in_channels), padded(up.out_channels)
    taps = math.ceil(kernel / rate)
    weight = widened(up.weight, (inputs, outputs, taps * rate)) * gain
    split = weight.reshape(inputs, outputs, taps, rate).flip(2)
    matrix = split.permute(2, 0, 3, 1).reshape(taps * inputs, rate * outputs)
    bias = np.tile(_bias(up.bias, outputs), rate)
    return PackedProduct(panels(matrix, tiling), bias, taps * inputs, taps)


def panels(matrix: Tensor, tiling: Tiling) -> Floats:
    """Order ``[inner, columns]`` as ``[panels, inner, columns]``."""
    inner, columns = matrix.shape
    split = matrix.reshape(inner, columns // tiling.columns, tiling.columns).transpose(0, 1)
    return floats(split)


def widened(value: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Put zeros after the values along every axis."""
    value = value.detach().float()
    if value.shape == shape:
        return value
    wide = torch.zeros(shape)
    wide[tuple(slice(size) for size in value.shape)] = value
    return wide


def _bias(bias: Tensor | None, width: int) -> Floats:
    if bias is None:
        return np.zeros(width, np.float32)
    return floats(widened(bias, (width,)))


def floats(value: Tensor) -> Floats:
    """Copy where it must be, so that the numbers lie in order."""
    return np.ascontiguousarray(value.float().contiguous().numpy())
