"""The anti-aliased activation with a backward pass of its own.

Torch's gradient of a convolution with one channel takes longer than all else in a training step
together, and keeps every signal of twice the rate. Here a filter over a block of samples is one
product with a banded matrix, the adjoint of either filter has the form of the other one, and the
wide signals are computed again instead of being kept.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from milonga.vocoders.bigvgan.generator import Activation, BigVGANGenerator

_BLOCK = 32
"""Samples at the lower rate in a row of a product: more multiplies too many zeros, fewer leaves
small products."""


def quicken(generator: BigVGANGenerator) -> BigVGANGenerator:
    """Give every activation of a generator the quick backward pass; parameters and their names
    stay."""
    for module in generator.modules():
        for name, child in list(module.named_children()):
            if type(child) is Activation:
                setattr(module, name, QuickActivation(child))
    return generator


class QuickActivation(Activation):
    """``Activation`` in a form that trains faster.

    Shape: ``[B, C, T]`` to the same.
    """

    def __init__(self, plain: Activation) -> None:
        nn.Module.__init__(self)
        self.act = plain.act
        self.make_filters()

    def forward(self, x: Tensor) -> Tensor:
        alpha, gain = self.act.coefficients()
        made = _Quick.apply(x, alpha, gain, self.up, self.down)  # type: ignore[no-untyped-call]
        return cast(Tensor, made)


class _Quick(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, alpha: Tensor, gain: Tensor, up: Tensor, down: Tensor
    ) -> Tensor:
        ctx.save_for_backward(x, alpha, gain, up, down)
        wide = _raise(x, up)
        bent = wide + gain[:, None] * torch.sin(alpha[:, None] * wide).square_()
        return _lower(bent, down)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, alpha, gain, up, down = ctx.saved_tensors
        wide = _raise(x, up)
        bent = _lower_adjoint(grad, down)
        angle = alpha[:, None] * wide
        # d/dx of sin(ax)^2 is a sin(2ax), d/da is x sin(2ax).
        slope = bent * torch.sin(2 * angle)
        for_alpha = gain * (slope * wide).sum((0, 2))
        for_gain = (bent * torch.sin(angle).square_()).sum((0, 2))
        for_wide = bent + (gain * alpha)[:, None] * slope
        return _raise_adjoint(for_wide, up), for_alpha, for_gain, None, None


def _raise(x: Tensor, up: Tensor) -> Tensor:
    """``[B, C, T]`` to ``[B, C, 2T]``; three samples beyond each end are the outermost."""
    length = x.shape[2]
    blocks = -(-length // _BLOCK)
    rows = _repeated(x, 3, 3 + blocks * _BLOCK - length)
    taps = up[:, 0]
    matrix = x.new_zeros(_BLOCK + 6, _BLOCK, 2)
    for sample in range(_BLOCK):
        matrix[sample : sample + 7, sample] = taps.T
    return _product(rows, matrix.flatten(1), _BLOCK)[:, :, : 2 * length]


def _lower(x: Tensor, down: Tensor) -> Tensor:
    """``[B, C, 2T]`` to ``[B, C, T]``; five samples before and six after repeat the outermost."""
    length = x.shape[2] // 2
    blocks = -(-length // _BLOCK)
    rows = _repeated(x, 5, 5 + 2 * (blocks * _BLOCK - length))
    taps = down[0, 0]
    matrix = x.new_zeros(2 * _BLOCK + 10, _BLOCK)
    for sample in range(_BLOCK):
        matrix[2 * sample : 2 * sample + 12, sample] = taps
    return _product(rows, matrix, 2 * _BLOCK)[:, :, :length]


def _lower_adjoint(grad: Tensor, down: Tensor) -> Tensor:
    """``[B, C, T]`` to ``[B, C, 2T]``."""
    length = grad.shape[2]
    blocks = -(-(2 * length + 11) // (2 * _BLOCK))
    rows = functional.pad(grad, (5, blocks * _BLOCK - length))
    taps = down[0, 0]
    matrix = grad.new_zeros(_BLOCK + 5, 2 * _BLOCK + 20)
    for sample in range(_BLOCK + 5):
        matrix[sample, 2 * sample : 2 * sample + 12] = taps
    matrix = matrix[:, 10 : 10 + 2 * _BLOCK].contiguous()
    return _folded(_product(rows, matrix, _BLOCK), 5, 2 * length, 6)


def _raise_adjoint(grad: Tensor, up: Tensor) -> Tensor:
    """``[B, C, 2T]`` to ``[B, C, T]``."""
    length = grad.shape[2] // 2
    blocks = -(-(length + 6) // _BLOCK)
    rows = functional.pad(grad, (12, 2 * (blocks * _BLOCK - length)))
    reversed_taps = up[:, 0].flip(1).T.reshape(-1)
    matrix = grad.new_zeros(2 * _BLOCK + 12, _BLOCK)
    for sample in range(_BLOCK):
        matrix[2 * sample : 2 * sample + 14, sample] = reversed_taps
    return _folded(_product(rows, matrix, 2 * _BLOCK), 3, length, 3)


def _product(rows: Tensor, matrix: Tensor, step: int) -> Tensor:
    """Every ``step`` samples, the next ``len(matrix)`` times the matrix."""
    return (rows.unfold(2, len(matrix), step) @ matrix).flatten(2)


def _repeated(x: Tensor, before: int, after: int) -> Tensor:
    return functional.pad(x, (before, after), mode="replicate")


def _folded(x: Tensor, before: int, length: int, after: int) -> Tensor:
    """The adjoint of repeating the outermost samples."""
    inside = x[:, :, before : before + length].clone()
    inside[:, :, 0] += x[:, :, :before].sum(2)
    inside[:, :, -1] += x[:, :, before + length : before + length + after].sum(2)
    return inside
