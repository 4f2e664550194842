"""Workers of the benchmark of jobs that note when they make something: beginning, end, process.

A folder ``times`` beside the output takes the notes; the time between an end and the next beginning
is what dealing out costs a worker.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import tone_worker

from milonga.jobs.local import process
from milonga.jobs.takes.making import make_packet

TIMES = "times.txt"


def _note(folder: Path, begun: float) -> None:
    """Note a sound that was made into ``OUT/takes/SEGMENT``."""
    with open(folder.parents[1] / TIMES, "a") as file:
        file.write(f"{os.getpid()} {begun} {time.time()}\n")


def _timed(packet: Any, *rest: Any) -> Any:
    begun = time.time()
    done = make_packet(packet, *rest)
    _note(packet.folder, begun)
    return done


class IdleActor(tone_worker.TakeActor):
    """The actor of a node; its home is this module, so that it knows the tones, too."""

    def _made(self, packet: Any, *, travels: bool = False) -> dict[str, Any]:
        begun = time.time()
        told = super()._made(packet, travels=travels)
        _note(packet.folder, begun)
        return told


def idle_times(out: Path) -> list[float]:
    """Seconds that workers had nothing to do between two sounds."""
    made: dict[str, list[tuple[float, float]]] = {}
    for line in (out / TIMES).read_text().splitlines():
        pid, begun, ended = line.split()
        made.setdefault(pid, []).append((float(begun), float(ended)))
    return [
        max(0.0, following[0] - before[1])
        for spans in made.values()
        for before, following in itertools.pairwise(sorted(spans))
    ]


if __name__ == "__main__":
    process.make_packet = _timed
    process.main()
