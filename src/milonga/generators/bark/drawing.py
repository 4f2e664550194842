"""Draw tokens: each row from its own numbers, so that its neighbours don't matter."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Drawing:
    """Settings for drawing in one stage.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_k: from how many of the likeliest; 0 for all.
    """

    temperature: float = 0.7
    top_k: int = 50


def generator_for(seed: int, part: int) -> torch.Generator:
    """The source of numbers for one part of a take. Parts of one seed are independent."""
    import torch

    digest = sha256(f"{seed}/{part}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))


def draw(odds: torch.Tensor, numbers: torch.Tensor, drawing: Drawing) -> torch.Tensor:
    """Tokens by inversion of the distribution's sums.

    Args:
        odds: logits, ``[..., tokens]``; ``-inf`` for a token that may not come.
        numbers: uniform in [0, 1), ``[...]``.
        drawing: temperature and cut.

    Returns:
        Indices, ``[...]``.
    """
    import torch

    if drawing.temperature == 0:
        return odds.argmax(-1)
    count = odds.shape[-1]
    if 0 < drawing.top_k < count:
        count = drawing.top_k
    best, places = torch.topk(odds, count) if count < odds.shape[-1] else (odds, None)
    sums = torch.softmax(best / drawing.temperature, -1).cumsum(-1)
    # The sum of all may be a little off 1.
    wanted = numbers.to(sums)[..., None] * sums[..., -1:]
    found = torch.searchsorted(sums, wanted, right=True).clamp_(max=count - 1)
    if places is not None:
        found = places.gather(-1, found)
    return found[..., 0]
