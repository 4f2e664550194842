"""The distance of a decoder with fewer bits from its own: the divergence of their odds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class Witness:
    """Keeps the odds of every drawing, and what was drawn.

    Args:
        first: of another run; its tokens are taken in place of those that were drawn, so that both
            runs give odds of the same things.
    """

    def __init__(self, first: Witness | None = None) -> None:
        self._first = first
        self._odds: list[torch.Tensor] = []
        self._tokens: list[torch.Tensor] = []

    def __call__(self, odds: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Hear of a drawing, and say which tokens are to be taken.

        Args:
            odds: logits, ``[..., tokens]``.
            tokens: drawn from them, ``[...]``.
        """
        if self._first is not None:
            tokens = self._first._tokens[len(self._tokens)]
        # The logarithms of the odds; what may not come is left out of the sum.
        self._odds.append(odds.float().log_softmax(-1).cpu())
        self._tokens.append(tokens)
        return tokens

    def divergence(self) -> float:
        """The divergence of this run's odds from those of the first, in nats, on average.

        Source: Kullback and Leibler 1951, "On information and sufficiency".
        """
        import torch

        if self._first is None or not self._odds:
            raise ValueError("There is no first run, or nothing was drawn.")
        found = []
        for true, other in zip(self._first._odds, self._odds, strict=True):
            apart = torch.where(true > -torch.inf, true - other, 0.0)
            found.append((true.exp() * apart).sum(-1).reshape(-1))
        return float(torch.cat(found).mean())
