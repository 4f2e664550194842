"""What a take took over from its baseline: a passage that is more alike than chance makes any.

A generator that has learnt a recording by heart, or was given it, plays some seconds of it
again. The most alike passages of the two are held against those of what can have taken nothing
from the baseline: the other recordings, and the baseline backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from milonga.analysis.pairs.passages import Passage, shared_passage
from milonga.analysis.pairs.sketch import Sketch
from milonga.analysis.verdicts.judge import SHARE

LEAST = 0.75
"""Similarity from which a passage can be the baseline's: 756 pairs of unrelated recordings
reached 0.63 at most."""


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A passage that is the baseline's.

    Attributes:
        at_s: where it begins in the take.
        from_s: where it begins in the baseline.
        seconds: its length.
        similarity: correlation of what changes, over its best 2.5 s.
        chance: what the most alike passage of anything else reached.
        chance_of: what that was, in words.
    """

    at_s: float
    from_s: float
    seconds: float
    similarity: float
    chance: float
    chance_of: str

    @property
    def text(self) -> str:
        """One sentence."""
        return (
            f"{self.seconds:.1f} s of it, from {_clock(self.at_s)}, are the baseline's from "
            f"{_clock(self.from_s)} (alike to {self.similarity:.2f}; by chance {self.chance:.2f})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {"text": self.text}


def borrowed(
    baseline: Sketch, take: Sketch, innocent: Callable[[], Mapping[str, Sketch]]
) -> Borrowed | None:
    """Find a passage of the baseline in a take; None where chance gives as much.

    Args:
        baseline: the baseline.
        take: the take.
        innocent: gives what can have taken nothing from it, by its name in words; asked only where
            there is a passage.
    """
    found = shared_passage(baseline, take)
    if found is None or found.similarity < LEAST:
        return None
    chances = {
        who: _similarity(shared_passage(baseline, other)) for who, other in innocent().items()
    }
    best = max(chances, key=lambda who: chances[who])
    if 1 - found.similarity > SHARE * (1 - chances[best]):
        return None
    return Borrowed(found.at_s, found.from_s, found.seconds, found.similarity, chances[best], best)


def _similarity(found: Passage | None) -> float:
    return found.similarity if found else 0.0


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"
