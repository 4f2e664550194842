"""One worker with two threads, or two with one: what each generator makes more of two cores with.

Models have their published sizes and random weights (see ``growth``). A whole run takes about five
minutes and writes the table by which plans choose, ``jobs/local/threads.toml``;
``python -m bench.threads NAME...`` measures and writes some of it.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tomllib
from typing import Any

from bench.growth import GENERATORS, ROOT, Series
from bench.models import MODELS

TABLE = ROOT / "src" / "milonga" / "jobs" / "local" / "threads.toml"
HEAD = """\
# Takes a second of two workers with a thread each, and of one worker with two threads, as multiples
# of those of one worker with one thread. Written by `python -m bench threads`.
"""
_SLICE_S = 5.0
_ROUNDS = 2
_SECONDS = {"guide": 6.0, "ace-step": 10.0}
"""Of a take; of others 2: short ones, so that several fit into a slice."""

WORKER = """
import json, sys, time
from milonga.generators.base import LyricLine, Request
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress

name, options, role, seconds = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], float(sys.argv[4])
generator = make_generator(name, options)
lines = (LyricLine(text="we laugh at the chaos", language="en"),)

def take(seed):
    generator.render(Request(role=role, section="verse", style="trap beats", seconds=seconds,
                             tempo=120, key="A minor", seed=seed,
                             lyrics=lines if role in ("vocals", "song") else ()), Progress())

take(0)
print("ready", flush=True)
for line in sys.stdin:
    begun, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - begun < float(line):
        count += 1
        take(count)
    print(count / (time.perf_counter() - begun), flush=True)
"""


class _Worker:
    """A process that makes takes for as long as it is told."""

    def __init__(self, series: Series, threads: int) -> None:
        env = {**os.environ, "MILONGA_HOME": str(MODELS / "home"),
               **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))}  # fmt: skip
        seconds = _SECONDS.get(series.name, 2.0)
        command = [WORKER, series.name, json.dumps(series.given()), series.role, seconds]
        self._process = subprocess.Popen(
            [sys.executable, "-c", *map(str, command)], env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def ask(self, seconds: float) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()

    def answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise RuntimeError("a worker of the benchmark died")
        return line

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def run(quick: bool = False) -> str:
    found = {
        series.name: measure(series, 1 if quick else _ROUNDS)
        for series in (GENERATORS[:1] if quick else GENERATORS)
    }
    if not quick:
        write(found)
    return show(found)


def show(found: dict[str, dict[str, float]]) -> str:
    """Write the section of the page for what was measured."""
    rows = [
        f"| {series.name}{f' ({series.note})' if series.note else ''} "
        f"| {found[series.name]['workers']:.2f} | {found[series.name]['threads']:.2f} |"
        for series in GENERATORS
        if series.name in found
    ]
    rest = [series.name for series in GENERATORS if series.name not in found]
    lacking = f" Not measured, 1.8 and 1.4 are taken: {', '.join(rest)}." if rest else ""
    return "\n".join(
        [
            "## Jobs: two workers, or two threads",
            "",
            "Takes a second on two cores, as multiples of one worker with one thread. All models "
            "are loaded beforehand, and the three take turns:",
            "",
            "| | two workers, a thread each | one worker, two threads |",
            "| --- | --- | --- |",
            *rows,
            "",
            "Plans choose by this (`jobs/local/threads.toml`), until the takes made on a machine "
            f"show otherwise.{lacking}",
        ]
    )


def measure(series: Series, rounds: int) -> dict[str, float]:
    """Measure a generator: multiples of one worker with one thread."""
    print(f"threads: {series.name} ...", file=sys.stderr, flush=True)
    # One after the other: the first leaves what they share, such as int8 copies.
    workers = []
    try:
        for threads in (1, 1, 2):
            workers.append(_Worker(series, threads))
            if len(workers) == 1:
                workers[0].answer()
        for worker in workers[1:]:
            worker.answer()
        first, second, wide = workers
        ways = {"one": (first,), "workers": (first, second), "threads": (wide,)}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            if number and 1 / rates["one"][0] > _SLICE_S:
                # A take is long enough by itself.
                break
            for name, chosen in ways.items():
                for worker in chosen:
                    worker.ask(_SLICE_S)
                rates[name].append(sum(float(worker.answer()) for worker in chosen))
    finally:
        for worker in workers:
            worker.end()
    middle = {name: statistics.median(found) for name, found in rates.items()}
    return {name: round(middle[name] / middle["one"], 2) for name in ("workers", "threads")}


def write(found: dict[str, dict[str, float]]) -> None:
    """Put what was measured into the table."""
    known: dict[str, Any] = tomllib.loads(TABLE.read_text()) if TABLE.exists() else {}
    known |= found
    lines = [
        f"\n[{name}]\nworkers = {figures['workers']}\nthreads = {figures['threads']}\n"
        for name, figures in sorted(known.items())
    ]
    TABLE.write_text(HEAD + "".join(lines))


def main() -> None:
    """Measure the generators that are named, and write them into the table."""
    for series in GENERATORS:
        if series.name in sys.argv[1:]:
            found = measure(series, _ROUNDS)
            print(series.name, found, flush=True)
            write({series.name: found})


if __name__ == "__main__":
    main()
