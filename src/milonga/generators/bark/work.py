"""How far a take of Bark is: the work of its three stages, in percent."""

from __future__ import annotations

from collections.abc import Sequence

from milonga.generators.bark import stages
from milonga.generators.bark.stages import Numbers
from milonga.runtime.progress import Task

_COARSE_WORK, _FINE_WORK = 2.2, 230.0
"""Work of a coarse token and of a window of the fine model, in semantic tokens, as measured at the
size of bark-small."""


class Work:
    """Work done and to be done, in percent: first by what is expected, then by what came out."""

    def __init__(self, task: Task, numbers: Numbers, expected_s: Sequence[float]) -> None:
        self._task, self._numbers = task, numbers
        rate = float(numbers.semantic.semantic_rate_hz)
        self._waiting = [max(1.0, seconds * rate) for seconds in expected_s]
        self._done = 0.0
        self._left = sum(map(self._whole, self._waiting))

    def _whole(self, semantic: float) -> float:
        return semantic + self._rest(semantic)

    def _rest(self, semantic: float) -> float:
        frames = self._numbers.frames(round(semantic))
        windows = len(stages.fine_windows(self._numbers, frames, 0))
        books = int(self._numbers.coarse.n_coarse_codebooks)
        return frames * books * _COARSE_WORK + windows * _FINE_WORK

    def _advance(self, work: float) -> None:
        # What takes longer than expected never shows as more than all.
        self._done += work
        self._left = max(self._left - work, 0.02 * self._done)
        now = 100 * self._done / (self._done + self._left)
        self._task.advance(max(0.0, now - self._task.done))

    def semantic(self, tokens: float) -> None:
        self._advance(tokens)

    def coarse(self, tokens: float) -> None:
        self._advance(tokens * _COARSE_WORK)

    def fine(self, windows: float) -> None:
        self._advance(windows * _FINE_WORK)

    def known(self, lengths: Sequence[int]) -> None:
        """Of the first of the waiting parts it is known now how long they are."""
        self._waiting = self._waiting[len(lengths) :]
        self._left = sum(map(self._rest, lengths)) + sum(map(self._whole, self._waiting))
