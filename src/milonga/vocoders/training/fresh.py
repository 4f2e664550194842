"""A generator that has learnt nothing yet."""

from __future__ import annotations

import numpy as np
import torch

from milonga.runtime.seeding import seeded
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.bigvgan.generator import BigVGANGenerator
from milonga.vocoders.training.pairs import Pairs

_LEVEL = 0.03
_PAIRS, _FRAMES = 16, 32


def fresh_generator(config: BigVGANConfig, pairs: Pairs, seed: int) -> BigVGANGenerator:
    """Random weights, with the first convolution fitted to the mels that it will see and the last
    one to a modest level: an output beyond full scale is cut, and what is cut can't learn.

    Args:
        config: what to build.
        pairs: what it will be trained on.
        seed: of the weights.
    """
    with seeded(seed):
        generator = BigVGANGenerator(config)
    draw = np.random.default_rng((seed, 1))
    mel = torch.from_numpy(pairs.batch(draw, _PAIRS, _FRAMES, 0.0)[0])
    mean, spread = mel.mean((0, 2)), mel.std((0, 2)).clamp_min(0.5)
    with torch.no_grad():
        first = generator.conv_pre
        first.weight.div_(spread[None, :, None])
        if first.bias is not None:
            first.bias.sub_((first.weight * mean[None, :, None]).sum((1, 2)))
        level = float(generator(mel).std())
        generator.conv_post.weight.mul_(_LEVEL / max(level, 1e-6))
    return generator
