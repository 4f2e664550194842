"""Oobleck, the autoencoder of Stable Audio and ACE-Step, as layers.

Reference:
    Evans, Carr, Taylor, Hawley, Pons, "Fast Timing-Conditioned Latent Audio Diffusion", ICML 2024;
    parameter names are those of diffusers' ``AutoencoderOobleck``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from milonga.compute.convolutions.network import (
    Conv,
    Layer,
    Residual,
    Snake,
    Upsample,
    plain_weight,
)

_TINY = 1e-9
"""Added to an amplitude before dividing by it, as the published weights were trained."""


def describe_decoder(decoder: Any) -> Iterator[Layer]:
    """The layers of ``AutoencoderOobleck.decoder``, made one after another."""
    yield _conv(decoder.conv1)
    for block in decoder.block:
        up = block.conv_t1
        cut = up.padding[0]
        yield _snake(block.snake1)
        yield Upsample(plain_weight(up), up.bias, up.stride[0], cut, cut - up.output_padding[0])
        yield from _residuals(block)
    yield _snake(decoder.snake1)
    yield _conv(decoder.conv2)


def describe_encoder(encoder: Any) -> Iterator[Layer]:
    """The layers of ``AutoencoderOobleck.encoder``, made one after another."""
    yield _conv(encoder.conv1)
    for block in encoder.block:
        yield from _residuals(block)
        yield _snake(block.snake1)
        yield _conv(block.conv1)
    yield _snake(encoder.snake1)
    yield _conv(encoder.conv2)


def _residuals(block: Any) -> Iterator[Residual]:
    for unit in (block.res_unit1, block.res_unit2, block.res_unit3):
        body = _snake(unit.snake1), _conv(unit.conv1), _snake(unit.snake2), _conv(unit.conv2)
        yield Residual(body)


def _snake(snake: Any) -> Snake:
    alpha, beta = snake.alpha.detach().flatten(), snake.beta.detach().flatten()
    if snake.logscale:
        alpha, beta = alpha.exp(), beta.exp()
    return Snake(alpha, 1.0 / (beta + _TINY))


def _conv(conv: Any) -> Conv:
    padding = conv.padding[0]
    return Conv(plain_weight(conv), conv.bias, conv.stride[0], conv.dilation[0], padding, padding)
