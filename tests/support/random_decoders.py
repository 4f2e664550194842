"""Decoders of random weights, and the distance of their odds."""

import torch

from milonga.compute.tokens.description import Block, Cross, Description, Norm
from milonga.compute.tokens.matrix import stored


def nothing():
    pass


def described(
    width=32, heads=4, layers=2, tokens=50, *, cross=True, bias=False, precision="float32", seed=0,
    tails=0.0,
):  # fmt: skip
    """A decoder of random weights; ``tails``: share of weights that are ten times as large."""
    source = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        found = torch.randn(*shape, generator=source) / shape[-1] ** 0.5
        far = torch.rand(*shape, generator=source) < tails
        return torch.where(far, 10 * found, found)

    def matrix(outer, inner):
        weight = drawn(outer, inner)
        return stored([weight], torch.randn(outer, generator=source) if bias else None, precision)

    def norm():
        return Norm(1 + drawn(width), drawn(width) if bias else None)

    blocks = []
    for _ in range(layers):
        text = None
        if cross:
            text = Cross(norm(), matrix(width, width), matrix(2 * width, width),
                         matrix(width, width))  # fmt: skip
        blocks.append(Block(norm(), matrix(3 * width, width), matrix(width, width), text, norm(),
                            matrix(4 * width, width), matrix(width, 4 * width)))  # fmt: skip
    odds = stored([drawn(tokens, width)], None, precision)
    return Description(heads, tuple(blocks), norm(), odds, places=200)


def divergence(true, other):
    """Kullback-Leibler divergence in nats, on average over rows."""
    a, b = torch.log_softmax(true, -1), torch.log_softmax(other, -1)
    return float((a.exp() * (a - b)).sum(-1).mean())
