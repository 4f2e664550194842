"""Tokens drawn from odds, as the libraries draw them: with the same numbers, the same tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Choice:
    """Settings for drawing tokens.

    Attributes:
        guidance: how far the odds of a text go beyond those of none; 1 for no such guidance.
        temperature: above 0; lower is likelier.
        top_k: from how many of the likeliest; 0 for all.
    """

    guidance: float = 1.0
    temperature: float = 1.0
    top_k: int = 0


def guided(odds: torch.Tensor, guidance: float) -> torch.Tensor:
    """The odds of rows with guidance: those with a text, then as many without one.

    Source: classifier-free guidance (arXiv:2207.12598).
    """
    if guidance <= 1:
        return odds
    told, untold = odds.chunk(2)
    return untold + (told - untold) * guidance


def drawn(odds: torch.Tensor, choice: Choice) -> torch.Tensor:
    """Draw from torch's global random state, one token for each row of ``[rows, tokens]``."""
    import torch

    if choice.temperature != 1:
        odds = odds / choice.temperature
    if 0 < choice.top_k < odds.shape[-1]:
        least = torch.topk(odds, choice.top_k).values[:, -1:]
        odds = odds.masked_fill(odds < least, -torch.inf)
    return torch.multinomial(torch.softmax(odds, -1), 1)[:, 0]
