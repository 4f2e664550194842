"""Layers in the form that the kernels read.

Every layer becomes one convolution without stride, of ``taps`` rows ``[inputs]`` to rows
``[outputs]``: where a layer has a stride, several rows of its input lie side by side in one row;
where it raises the rate, or has few channels, several rows of its output do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from milonga.compute.convolutions.kernels.compile import has_wide_vectors
from milonga.compute.convolutions.kernels.gemm import Tiling
from milonga.compute.convolutions.kernels.minimal import LARGE, MEDIUM, SMALL, TINY, Filtering
from milonga.compute.convolutions.network import Conv, Padding, Snake, Upsample
from milonga.compute.convolutions.packing import Floats, floats, padded, panels, widened
from milonga.compute.convolutions.spans import Span

_FEW = 8
"""Up to so many floats of a row of output, several rows are computed side by side."""

_MOST_TAPS = 15
_LARGE_FROM = 192


@dataclass(frozen=True, slots=True)
class Shape:
    """How a layer reads and writes rows.

    Attributes:
        taps: rows of the product's input behind a row of its output.
        dilation: rows between them.
        read: rows of the signal in one row of the product's input.
        written: rows of the signal in one row of the product's output.
        stride: rows of input between the starts of rows of output.
        left: rows of padding before the start; of an upsampler, rows that are cut there.
        right: padding after the end; of an upsampler, rows cut.
        extent: rows of input from the first tap to the last; of an upsampler, taps.
        padding: what padding holds.
        upsamples: the layer raises the rate.
    """

    taps: int
    dilation: int
    read: int
    written: int
    stride: int
    left: int
    right: int
    extent: int
    padding: Padding
    upsamples: bool

    def length(self, rows: int) -> int:
        """Rows of output for rows of input."""
        if self.upsamples:
            return (rows - 1) * self.written + self.extent - self.left - self.right
        return (rows + self.left + self.right - self.extent) // self.stride + 1

    def place(self, want: Span) -> tuple[int, int, int]:
        """First row of input, rows of the product, and rows it makes before the wanted ones."""
        if self.upsamples:
            first = (want.start + self.left) // self.written
            last = -(-(want.stop + self.left) // self.written)
            skip = want.start + self.left - first * self.written
            return first - (self.taps - 1), last - first, skip
        return want.start * self.stride - self.left, -(-want.size // self.written), 0

    def reads(self, want: Span) -> tuple[int, int]:
        """The rows of padded input that are read."""
        first, rows, _ = self.place(want)
        return first, first + (rows + (self.taps - 1) * self.dilation) * self.read

    @property
    def most(self) -> int:
        """The larger of the two paddings."""
        return max(self.left, self.right)

    def needs(self, want: Span, rows: int) -> Span:
        """The rows of input, of ``rows``, that must be there."""
        start, stop = self.reads(want)
        if self.padding == "reflect":
            # Reflected rows lie opposite of those that they stand for.
            start, stop = (
                min(start, rows - 1 - self.most) if stop > rows else start,
                max(stop, 1 + self.most) if start < 0 else stop,
            )
        return Span(0, rows, rows).between(start, stop)


def shape_of(layer: Conv | Upsample, *, final: bool = False) -> Shape:
    """The shape of a layer; of few channels only the final one writes several rows at once."""
    if isinstance(layer, Upsample):
        return Shape(layer.reach, 1, 1, layer.rate, 1, layer.left, layer.right,
                     layer.weight.shape[2], "zeros", True)  # fmt: skip
    taps, read, written = layer.taps, layer.stride, 1
    if final and layer.stride == 1 and layer.dilation == 1 and taps > 1:
        outputs = layer.weight.shape[0]
        if outputs <= _FEW and _FEW % outputs == 0:
            read = written = 2 * _FEW // outputs
            taps = taps + written - 1
    dilation = layer.dilation if taps > 1 else 1
    return Shape(math.ceil(taps / read), dilation, read, written, layer.stride, layer.left,
                 layer.right, layer.extent, layer.padding, False)  # fmt: skip


def taps_of(layer: Conv | Upsample, shape: Shape, width: int) -> Floats:
    """The weights as ``[taps, inputs, rows written, outputs of one]`` of the product; where they
    can be, those of the layer, not copied.

    Args:
        layer: the layer.
        shape: its shape.
        width: channels of the input in memory.
    """
    weight = layer.weight.detach().float()
    outputs = out_width(layer, shape)
    if isinstance(layer, Upsample):
        # With n = rate q + r, output n sums input q - j times tap r + rate j.
        wide = widened(weight, (width, outputs, shape.taps * shape.written))
        split = wide.reshape(width, outputs, shape.taps, shape.written)
        return split.numpy()[:, :, ::-1].transpose(2, 0, 3, 1)
    if shape.written == 1:
        wide = widened(weight, (outputs, width, shape.taps * shape.read))
        split = wide.reshape(outputs, width, shape.taps, shape.read)
        taps = split.permute(2, 3, 1, 0).reshape(shape.taps, shape.read * width, outputs)
        return taps.unsqueeze(2).numpy()
    # Each row of output that lies beside the others sees the input one row later.
    wide = widened(weight, (outputs, width, layer.taps))
    found = torch.zeros(shape.taps * shape.read, width, shape.written, outputs)
    for index in range(shape.written):
        found[index : index + layer.taps, :, index] = wide.permute(2, 1, 0)
    return found.reshape(shape.taps, shape.read * width, shape.written, outputs).numpy()


def out_width(layer: Conv | Upsample, shape: Shape) -> int:
    """Floats of a row of the layer's output in memory."""
    if isinstance(layer, Upsample):
        return padded(layer.weight.shape[1])
    outputs = int(layer.weight.shape[0])
    return outputs if shape.written > 1 else padded(outputs)


def pack_factors(taps: Floats, filtering: Filtering | None, tiling: Tiling) -> Floats:
    """The weights ``[products, panels, inputs, columns]``, or of one product over all taps."""
    count, inputs, rows, outputs = taps.shape
    if filtering is None:
        return panels(torch.from_numpy(taps.reshape(count * inputs, rows * outputs)), tiling)
    matrix = torch.from_numpy(filtering.kernel_matrix).float()
    found = np.empty((filtering.products, rows * outputs * inputs), np.float32)
    into = torch.from_numpy(found)
    # One row's weights at a time: a copy of all would be in memory beside them.
    step = 1 if outputs % tiling.columns == 0 else rows
    for row in range(0, rows, step):
        some = taps[:, :, row : row + step].reshape(count, inputs, -1, tiling.columns)
        size = step * outputs * inputs
        flat = np.ascontiguousarray(some.swapaxes(1, 2)).reshape(count, -1)
        into[:, row * outputs * inputs :][:, :size] = matrix @ torch.from_numpy(flat)
    return found


def pack_bias(bias: Tensor | None, width: int, times: int = 1) -> Floats:
    """The bias, zeros if there is none, ``times`` times in a row."""
    if bias is None:
        return np.zeros(width * times, np.float32)
    return np.tile(floats(widened(bias, (width,))), times)


def pack_snake(snake: Snake, width: int, times: int = 1) -> tuple[Floats, Floats]:
    """Frequency over pi, and amplitude, each ``times`` times in a row."""
    return (
        np.tile(floats(widened(snake.alpha / math.pi, (width,))), times),
        np.tile(floats(widened(snake.gain, (width,))), times),
    )


def tiling_for(width: int) -> Tiling:
    """The block of sums that fills the registers: 32 with AVX-512 and on ARM, else 16."""
    wide = has_wide_vectors()
    if wide and width % 48 == 0:
        return Tiling(16, 3, 8)
    if wide and width % 32 == 0:
        return Tiling(16, 2, 12)
    if wide and width % 16 == 0:
        return Tiling(16, 1, 14)
    if width % 24 == 0:
        return Tiling(8, 3, 8 if wide else 4)
    if width % 16 == 0:
        return Tiling(8, 2, 12 if wide else 5)
    return Tiling(8, 1, 12 if wide else 8)


def lanes_for(width: int) -> int:
    """Floats in a vector for rows of ``width``."""
    return 16 if has_wide_vectors() and width % 16 == 0 else 8


def filtering_for(taps: int, inputs: int, outputs: int, dilation: int) -> Filtering | None:
    """The algorithm for a convolution; None for a plain product.

    Larger tiles save products and cost additions, which narrow signals don't repay; and they hold
    more transformed weights.
    """
    if taps == 1 or (min(inputs, outputs) < 16 and dilation == 1):
        return None
    if taps == 2:
        # The smaller of these holds twice the weights, the larger four times.
        points = SMALL if inputs * outputs <= 1 << 18 else TINY
        return Filtering(points, taps) if inputs * outputs <= 1 << 22 else None
    if taps <= 5:
        return Filtering(SMALL, taps)
    if taps <= 9 or (taps <= 11 and inputs < _LARGE_FROM):
        return Filtering(MEDIUM, taps)
    return Filtering(LARGE, taps)


def can_pack(layer: Conv | Upsample) -> bool:
    """Check if there is an algorithm for the layer."""
    shape = shape_of(layer)
    if isinstance(layer, Conv) and layer.stride > 1 and layer.dilation > 1:
        return False
    return shape.taps <= _MOST_TAPS
