"""The wish for an edit: what to do with a recording, before there is a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from milonga.errors import Problem
from milonga.generators.base import Task

SHORTEST_S = 0.1
LONGEST_S = 600.0
_OVER_S = 0.05
"""A range may end so far after a recording whose length is shown in tenths."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of an edit, in seconds of the source.

    Attributes:
        task: what to do.
        start: of the range to repaint; None: the beginning.
        end: of it; None: the end.
        by: seconds to add.
        before: add them before the source instead of after it.
        strength: how much of the source a cover keeps, 0 to 1.
        reference: a recording whose timbre a cover gets.
        tracks: instruments: one take of each for ``extract`` and ``lego``, all in one for
            ``complete``.
        lyrics: the whole lyric, instead of the source's.
        lines: single lines of it, by their number among the sung ones, from 1.
        style: instead of the source's, as are the others.
    """

    task: Task
    start: float | None = None
    end: float | None = None
    by: float | None = None
    before: bool = False
    strength: float | None = None
    reference: Path | None = None
    tracks: tuple[str, ...] = ()
    lyrics: str | None = None
    lines: Mapping[int, str] = field(default_factory=dict)
    style: str | None = None
    mood: str | None = None
    voice: str | None = None
    negative: str | None = None

    def problems(self, seconds: float) -> Iterator[Problem]:
        """Find what can't be done with a source of this length."""
        yield from self._misplaced()
        if self.task == "repaint":
            yield from self._range_problems(seconds)
        if self.task == "extend" and self.by is None:
            yield Problem("It isn't said how long to go on.", step="Give --by, in seconds.")
        elif self.by is not None and not SHORTEST_S <= self.by <= LONGEST_S:
            yield Problem(
                f"A recording can't go on for {self.by:g} s.", "by",
                step=f"Take {SHORTEST_S:g} to {LONGEST_S:g} s.",
            )  # fmt: skip
        if self.strength is not None and not 0 <= self.strength <= 1:
            yield Problem(
                f"The strength is {self.strength:g}, not 0 to 1.", "strength",
                step="1 keeps as much of the source as the model can, 0 nothing.",
            )  # fmt: skip
        if self.lyrics is not None and self.lines:
            yield Problem(
                "Both a whole lyric and single lines are given.", "lyrics",
                step="Give one of them.",
            )  # fmt: skip

    def _misplaced(self) -> Iterator[Problem]:
        """Find what has no meaning for the task."""
        for name, given, tasks in (
            ("start", self.start is not None, ("repaint",)),
            ("end", self.end is not None, ("repaint",)),
            ("by", self.by is not None, ("extend",)),
            ("before", self.before, ("extend",)),
            ("strength", self.strength is not None, ("cover",)),
            ("reference", self.reference is not None, ("cover",)),
            ("tracks", bool(self.tracks), ("extract", "lego", "complete")),
        ):
            if given and self.task not in tasks:
                yield Problem(f"{self.task} has no {name!r}.", name)

    def _range_problems(self, seconds: float) -> Iterator[Problem]:
        if self.start is None and self.end is None:
            yield Problem(
                "It isn't said which range to repaint.",
                step="Give its start and its end in seconds, as in --from 12 --to 15.5.",
            )
            return
        start, end = self.range(seconds)
        lasts = f"The source lasts {seconds:.2f} s."
        if start < 0 or not start < seconds:
            yield Problem(f"The range begins at {start:g} s. {lasts}", "start",
                          step="Let it begin inside the source.")  # fmt: skip
        elif self.end is not None and self.end > seconds + _OVER_S:
            yield Problem(
                f"The range ends at {self.end:g} s. {lasts}", "end",
                step="Let it end inside the source; 'extend' makes it longer.",
            )  # fmt: skip
        elif not end - start >= SHORTEST_S:
            yield Problem(
                f"From {start:g} s to {end:g} s there is nothing to repaint.", "end",
                step=f"A range lasts at least {SHORTEST_S:g} s.",
            )  # fmt: skip

    def range(self, seconds: float) -> tuple[float, float]:
        """Return where the range to repaint starts and ends in a source of this length."""
        return self.start or 0.0, seconds if self.end is None else min(self.end, seconds)
