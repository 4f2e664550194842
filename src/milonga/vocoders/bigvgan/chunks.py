"""Stretches of every stage that a stretch of output needs.

A chunk is computed with what its convolutions see on both sides, and that is cropped stage by
stage: the wide, expensive stages run at a low rate, where few extra samples suffice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from milonga.compute.convolutions.spans import Span
from milonga.vocoders.bigvgan.config import BigVGANConfig

PRE_REACH = 3
"""Frames that the first convolution sees to each side."""

POST_REACH = 5 + 3
"""Samples that the last activation and convolution see to each side."""


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """The stretches that are computed for one chunk.

    Attributes:
        mel: frames that go into the first convolution.
        pre: frames of its output.
        stages: samples that each stage's residual blocks work on.
        output: samples of the waveform.
    """

    mel: Span
    pre: Span
    stages: tuple[Span, ...]
    output: Span


def block_reach(config: BigVGANConfig) -> int:
    """Samples that the residual blocks of a stage see to each side: 5 for an activation,
    half a kernel times its dilation for a convolution."""
    reach = 0
    for kernel, dilations in zip(config.kernels, config.dilations, strict=True):
        half = (kernel - 1) // 2
        total = sum(5 + half * dilation for dilation in dilations)
        if config.block == 1:
            total += len(dilations) * (5 + half)
        reach = max(reach, total)
    return reach


def plan_chunk(config: BigVGANConfig, first: int, last: int, frames: int) -> ChunkPlan:
    """The plan for mel frames ``first`` to ``last`` of ``frames``."""
    hop = config.mel_spec.hop
    return plan_output(config, Span(first * hop, last * hop, frames * hop))


def plan_output(config: BigVGANConfig, output: Span) -> ChunkPlan:
    """The plan for samples of the waveform."""
    reach = block_reach(config)
    stages: list[Span] = []
    need = output.wider(POST_REACH)
    for rate, kernel in zip(
        reversed(config.upsample_rates), reversed(config.upsample_kernels), strict=True
    ):
        stages.insert(0, need.wider(reach))
        need = _before_upsampling(stages[0], rate, kernel)
    return ChunkPlan(need.wider(PRE_REACH), need, tuple(stages), output)


def _before_upsampling(span: Span, rate: int, kernel: int) -> Span:
    padding = (kernel - rate) // 2
    start = (span.start + padding - kernel) // rate + 1
    stop = (span.stop - 1 + padding) // rate + 1
    length = span.length // rate
    return Span(max(0, start), min(length, stop), length)


def pieces_of_stage(config: BigVGANConfig, index: int, output: Span, most: int) -> Iterator[Span]:
    """Divide samples of the waveform so that a stage's signal stays small.

    Args:
        config: of the generator.
        index: of the stage.
        output: samples of the waveform.
        most: floats of the stage's signal; more where what it sees around a piece, which is
            computed twice, would be more than a tenth.
    """
    before = prod(config.upsample_rates[: index + 1])
    samples = max(most // config.width(index), 20 * block_reach(config))
    size = samples * config.mel_spec.hop // before
    return output.divided(max(1, round(output.size / size)))
