"""The BigVGAN generator in plain torch: every device, the reference for the fast engine.

References:
    Lee, Ping, Ginsburg, Catanzaro, Yoon, "BigVGAN: A Universal Neural Vocoder with Large-Scale
    Training", ICLR 2023. Parameter names are those of the published weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from milonga.compute.convolutions.kernels.half_band import HALF_BAND
from milonga.compute.convolutions.spans import Span
from milonga.vocoders.bigvgan.chunks import (
    ChunkPlan,
    pieces_of_stage,
    plan_chunk,
    plan_output,
)
from milonga.vocoders.bigvgan.config import BigVGANConfig

_PIECE = 1 << 19
"""Floats of a signal that a processor computes at once."""

_TINY = 1e-9
"""Added to an amplitude before dividing by it, as the published weights were trained."""


class Snake(nn.Module):
    """``x + sin(alpha x)^2 / beta``, one alpha and beta per channel; beta is alpha in "snake".

    Shape: ``[B, C, T]`` to the same.
    """

    def __init__(self, channels: int, config: BigVGANConfig) -> None:
        super().__init__()
        start = torch.zeros(channels) if config.log_scale else torch.ones(channels)
        self.log_scale = config.log_scale
        self.alpha = nn.Parameter(start.clone())
        self.beta: nn.Parameter | None = None
        if config.activation == "snakebeta":
            self.beta = nn.Parameter(start.clone())

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """Alpha, and the factor of the squared sine, ``[C]`` each."""
        alpha: Tensor = self.alpha
        beta: Tensor = self.alpha if self.beta is None else self.beta
        if self.log_scale:
            alpha, beta = alpha.exp(), beta.exp()
        return alpha, 1.0 / (beta + _TINY)

    def forward(self, x: Tensor) -> Tensor:
        alpha, gain = self.coefficients()
        angle = alpha[:, None] * x
        # Without a backward pass nothing needs the angle: no more memory is asked for.
        training = torch.is_grad_enabled()
        bent = angle.sin().square() if training else angle.sin_().square_()
        return torch.addcmul(x, gain[:, None], bent)


class Activation(nn.Module):
    """Snake at twice the rate, so that its harmonics don't fold back: 12-tap half-band filters
    on the way up and down, the ends repeated.

    The samples of even and of odd places stay apart, so that nothing has to be interleaved.

    Shape: ``[B, C, T]`` to the same.
    """

    up: Tensor
    down: Tensor
    down_phases: Tensor

    def __init__(self, channels: int, config: BigVGANConfig) -> None:
        super().__init__()
        self.act = Snake(channels, config)
        self.make_filters()

    def make_filters(self) -> None:
        """Make the constant filters, which the published weights need not hold."""
        taps = torch.from_numpy(HALF_BAND)
        # The interpolator's two phases see seven samples around each, one tap of them zero.
        phases = torch.zeros(2, 1, 7, device="cpu")
        phases[0, 0, :6] = 2 * taps[1::2].flip(0)
        phases[1, 0, 1:] = 2 * taps[0::2].flip(0)
        self.register_buffer("up", phases, persistent=False)
        self.register_buffer("down", taps[None, None], persistent=False)
        phases = torch.zeros(2, 1, 7, device="cpu")
        phases[0, 0, 1:] = taps[1::2]
        phases[1, 0, :6] = taps[0::2]
        self.register_buffer("down_phases", phases, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        near = functional.pad(x, (3, 3), mode="replicate")
        even, odd = (self.act(_each_channel(near, taps)) for taps in self.up)
        # At twice the rate all that lies beyond an end repeats one sample, of one phase.
        first, last = even[:, :, :1].expand(-1, -1, 3), odd[:, :, -1:].expand(-1, -1, 3)
        even, odd = (
            _each_channel(torch.cat([first, phase, last], 2), taps)
            for phase, taps in zip((even, odd), self.down_phases, strict=True)
        )
        return even + odd


def _each_channel(x: Tensor, taps: Tensor) -> Tensor:
    """Filter every channel with the same taps, ``[1, K]``."""
    channels = x.shape[1]
    return functional.conv1d(x, taps.expand(channels, 1, -1), groups=channels)


def _conv(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    padding = (kernel - 1) * dilation // 2
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=padding)


class Block1(nn.Module):
    """Residual layers of a dilated and an undilated convolution, an activation before each."""

    def __init__(
        self, channels: int, kernel: int, dilations: tuple[int, ...], config: BigVGANConfig
    ) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(_conv(channels, kernel, d) for d in dilations)
        self.convs2 = nn.ModuleList(_conv(channels, kernel, 1) for _ in dilations)
        self.activations = nn.ModuleList(
            Activation(channels, config) for _ in range(2 * len(dilations))
        )

    def layers(self) -> list[list[tuple[Activation, nn.Conv1d]]]:
        """The chain of each residual layer."""
        acts = cast("list[Activation]", list(self.activations))
        first = cast("list[nn.Conv1d]", list(self.convs1))
        second = cast("list[nn.Conv1d]", list(self.convs2))
        return [[(acts[2 * i], first[i]), (acts[2 * i + 1], second[i])] for i in range(len(first))]

    def forward(self, x: Tensor) -> Tensor:
        return _residual(self.layers(), x)


class Block2(nn.Module):
    """Residual layers of one dilated convolution."""

    def __init__(
        self, channels: int, kernel: int, dilations: tuple[int, ...], config: BigVGANConfig
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_conv(channels, kernel, d) for d in dilations)
        self.activations = nn.ModuleList(Activation(channels, config) for _ in dilations)

    def layers(self) -> list[list[tuple[Activation, nn.Conv1d]]]:
        """The chain of each residual layer."""
        acts = cast("list[Activation]", list(self.activations))
        convs = cast("list[nn.Conv1d]", list(self.convs))
        return [[pair] for pair in zip(acts, convs, strict=True)]

    def forward(self, x: Tensor) -> Tensor:
        return _residual(self.layers(), x)


def _residual(layers: list[list[tuple[Activation, nn.Conv1d]]], x: Tensor) -> Tensor:
    for layer in layers:
        y = x
        for activation, conv in layer:
            y = conv(activation(y))
        x = y + x
    return x


class BigVGANGenerator(nn.Module):
    """Mel ``[B, n_mels, T]`` to waveform ``[B, 1, T * hop]``."""

    def __init__(self, config: BigVGANConfig) -> None:
        super().__init__()
        self.config = config
        self.conv_pre = nn.Conv1d(config.mel_spec.n_mels, config.channels, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        block = Block1 if config.block == 1 else Block2
        for stage, (rate, kernel) in enumerate(
            zip(config.upsample_rates, config.upsample_kernels, strict=True)
        ):
            width = config.width(stage)
            up = nn.ConvTranspose1d(2 * width, width, kernel, rate, padding=(kernel - rate) // 2)
            # A list of one: the published names count them.
            self.ups.append(nn.ModuleList([up]))
            for taps, dilations in zip(config.kernels, config.dilations, strict=True):
                self.resblocks.append(block(width, taps, dilations, config))
        last = config.width(len(config.upsample_rates) - 1)
        self.activation_post = Activation(last, config)
        self.conv_post = nn.Conv1d(last, 1, 7, padding=3, bias=config.final_bias)

    @classmethod
    def empty(cls, config: BigVGANConfig) -> BigVGANGenerator:
        """A generator without memory for its weights: their shapes, to be filled by ``holding``.

        Otherwise torch would first draw 122 million random numbers.
        """
        with torch.device("meta"):
            return cls(config)

    def holding(self, weights: Mapping[str, Tensor]) -> BigVGANGenerator:
        """Itself with these weights, not copied, ready to run."""
        self.load_state_dict(weights, assign=True)
        for module in self.modules():
            if isinstance(module, Activation):
                module.make_filters()
        return self.eval().requires_grad_(False)

    def stage(self, index: int) -> tuple[nn.ConvTranspose1d, list[Block1 | Block2]]:
        """The upsampler and the parallel residual blocks of a stage."""
        count = len(self.config.kernels)
        up = cast(nn.ModuleList, self.ups[index])[0]
        blocks = list(self.resblocks)[index * count : (index + 1) * count]
        return cast(nn.ConvTranspose1d, up), cast("list[Block1 | Block2]", blocks)

    def forward(self, mel: Tensor) -> Tensor:
        frames = mel.shape[2]
        return self.chunk(mel, plan_chunk(self.config, 0, frames, frames))

    def chunk(self, mel: Tensor, plan: ChunkPlan) -> Tensor:
        """The waveform of ``plan.output`` from the mel frames ``plan.mel``."""
        before = _crop(self.conv_pre(mel), plan.mel, plan.pre)
        # A processor is quicker with signals that stay in its cache.
        small = mel.device.type == "cpu" and not torch.is_grad_enabled()
        most = _PIECE if small else plan.output.size * self.config.channels
        found = list(self._from_stage(0, before, plan.pre, plan.output, most))
        return torch.cat(found, dim=2) if len(found) > 1 else found[0]

    def _from_stage(
        self, index: int, before: Tensor, have: Span, output: Span, most: int
    ) -> Iterator[Tensor]:
        """The waveform from the samples ``have`` before a stage, in pieces whose signals have
        ``most`` floats.

        The order of the compiled kernels' ``Engine``, whose signals are taken from one memory and
        given back: torch's go by themselves, so the two share no more than ``Span``.
        """
        if index == len(self.config.upsample_rates):
            x = _crop(self.conv_post(self.activation_post(before)), have, output)
            yield torch.tanh(x) if self.config.final_tanh else x.clamp(-1.0, 1.0)
            return
        rate, (up, blocks) = self.config.upsample_rates[index], self.stage(index)
        for piece in pieces_of_stage(self.config, index, output, most):
            plan = plan_output(self.config, piece)
            seen, span = plan.stages[index - 1] if index else plan.pre, plan.stages[index]
            x = up(_crop(before, have, seen))
            start = seen.start * rate
            x = _crop(x, Span(start, start + x.shape[2], seen.length * rate), span)
            total = blocks[0](x)
            for block in blocks[1:]:
                total = total + block(x)
            yield from self._from_stage(index + 1, total / len(blocks), span, piece, most)


def _crop(x: Tensor, have: Span, want: Span) -> Tensor:
    start = want.start - have.start
    return x[:, :, start : start + want.size]
