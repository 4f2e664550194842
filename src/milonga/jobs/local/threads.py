"""How cores are divided: many workers with a thread each, or few with many.

What a generator makes more of was measured on two cores (``threads.toml``, written by
``python -m bench threads``); from the takes that are made on a machine it is learnt for that one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from milonga.generators.neural.calibration import known_speed, learn_speed
from milonga.runtime.documents import read_table
from milonga.runtime.progress import Progress
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.render import Outcome, TakeRunner

_USUAL = (1.8, 1.4)
"""Of a generator that nobody measured."""
_CLEARLY = 1.1
"""So many times better must a way be than the one of more workers, which is also the safer one:
what is measured beside other work sways."""


@dataclass(frozen=True, slots=True)
class Division:
    """Workers, and the threads of each."""

    workers: int
    threads: int

    def work(self, generator: str) -> str:
        """The name of its speed in the calibration of this machine."""
        return f"takes of {generator}, {self.workers} workers of {self.threads} threads"


def divide(generator: str, cores: int, most: int) -> Division:
    """Choose how many workers render a generator's takes.

    Args:
        generator: its name.
        cores: to be divided.
        most: workers for which there is memory and work.
    """
    ways = [Division(count, cores // count) for count in range(max(1, min(cores, most)), 0, -1)]
    expected = {way: _expected(generator, way) for way in ways}
    learnt = {way: way.workers / seconds for way in ways
              if (seconds := known_speed(way.work(generator))) is not None}  # fmt: skip
    # What was learnt of one way tells how fast this machine is, for the others.
    scale = statistics.fmean(learnt[way] / expected[way] for way in learnt) if learnt else 1.0
    rates = {way: learnt.get(way, scale * expected[way]) for way in ways}
    best = ways[0]
    for way in ways[1:]:
        if rates[way] > _CLEARLY * rates[best]:
            best = way
    return best


def _expected(generator: str, way: Division) -> float:
    workers, threads = _table().get(generator, _USUAL)
    return float(way.workers ** math.log2(workers) * way.threads ** math.log2(threads))


@cache
def _table() -> dict[str, tuple[float, float]]:
    table = read_table("milonga.jobs.local", "threads.toml")
    return {name: (row["workers"], row["threads"]) for name, row in table.items()}


@dataclass(slots=True)
class Learning:
    """A ``TakeRunner`` that learns how long takes need where cores are so divided.

    Attributes:
        runner: does the work.
        way: how the cores are divided.
    """

    runner: TakeRunner
    way: Division
    _seconds: dict[str, list[float]] = field(default_factory=dict)

    def __call__(
        self, takes: Sequence[PlannedTake], progress: Progress
    ) -> Iterator[tuple[int, Outcome]]:
        try:
            for number, outcome in self.runner(takes, progress):
                if outcome.status == "rendered" and outcome.receipt is not None:
                    planned = outcome.planned
                    each = outcome.receipt.duration_s / planned.request.seconds
                    self._seconds.setdefault(planned.generator.name, []).append(each)
                yield number, outcome
        finally:
            for generator, seconds in self._seconds.items():
                # Of few, those that loaded the model decide.
                if len(seconds) > 2 * self.way.workers:
                    learn_speed(self.way.work(generator), 1.0, statistics.median(seconds))
