"""Stretches of signals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Span:
    """Samples ``start`` to ``stop`` of a signal of ``length``; ends within are cut, not padded."""

    start: int
    stop: int
    length: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def wider(self, reach: int) -> Span:
        """The span with ``reach`` more on each side, as far as there is any."""
        return self.between(self.start - reach, self.stop + reach)

    def between(self, start: int, stop: int) -> Span:
        """The part from ``start`` to ``stop`` that there is."""
        return Span(max(0, start), min(self.length, stop), self.length)

    def with_(self, other: Span) -> Span:
        """The span that holds both."""
        return Span(min(self.start, other.start), max(self.stop, other.stop), self.length)

    def divided(self, count: int) -> Iterator[Span]:
        """So many parts in turn, of one length give or take a sample; none is empty."""
        edges = [self.start + self.size * part // count for part in range(count + 1)]
        for start, stop in pairwise(edges):
            if start < stop:
                yield self.between(start, stop)
