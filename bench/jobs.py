"""Takes on one worker, two, and a Ray cluster of two nodes of one core; the queue; a simulation."""

from __future__ import annotations

import heapq
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SUPPORT = ROOT / "tests" / "support"
TAKES = 24
SHEET = (
    "{{title: B, segments: [{{number: 1, name: A, section: verse, seconds: {seconds}, tempo: 120,"
    " style: tango, lyrics: 'We laugh at the chaos, we play with the luck',"
    " generators: [{generator}]}}]}}"
)


@dataclass(frozen=True)
class Timing:
    """One run: all of it, until the first takes were there, and takes a second with all at work."""

    wall_s: float
    first_s: float
    rate: float


def run(quick: bool = False) -> str:
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(SUPPORT), str(ROOT), os.environ.get("PYTHONPATH")))
    )
    sys.path.insert(0, str(SUPPORT))
    import ray_cluster

    os.environ["RAY_AUTH_TOKEN"] = ray_cluster.TOKEN
    with tempfile.TemporaryDirectory() as folder, ray_cluster.TwoNodes() as nodes:
        place = Path(folder)
        sheets = {"guide": ({}, 6, 1 if quick else 2), "ace-step": (_tiny(place), 10, 1)}
        tables = [
            _throughput(place, name, *rest, nodes.address, 8 if quick else TAKES)
            for name, rest in sheets.items()
        ]
        local, far = _overhead(place, nodes.address, 20 if quick else 100)
    return "\n\n".join(
        ["## Jobs: workers, a cluster, the queue", *tables, _overhead_text(local, far),
         _queue(10_000), _planning(2_000 if quick else 10_000), _simulation(far.driver_s)]
    )  # fmt: skip


def _tiny(place: Path) -> dict[str, Any]:
    import tiny_ace_step

    return {"model": str(tiny_ace_step.save(place / "tiny")), "device": "cpu"}


def _crew(size: int) -> Any:
    from milonga.jobs.local.crew import LocalCrew
    from milonga.jobs.takes.dealer import Dealer

    return lambda takes: Dealer(LocalCrew(size, 1))


def _ray(address: str) -> Any:
    from milonga.jobs.placing import Place

    return lambda takes: Place(on=address).runner(takes)[0]


def _throughput(
    place: Path, generator: str, options: dict[str, Any], seconds: int, rounds: int, address: str,
    count: int,
) -> str:  # fmt: skip
    ways = {"one worker": (_crew(1), 1), "two workers": (_crew(2), 2),
            "Ray, two nodes of one core": (_ray(address), 2)}  # fmt: skip
    runs: dict[str, list[Timing]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, (way, hands) in ways.items():
            takes = _takes(place / f"{generator}-{number}-{hands}-{name[:3]}", generator, options,
                           seconds, count)  # fmt: skip
            runs[name].append(_timed(way, takes, hands))
    rates = {name: statistics.median(r.rate for r in found) for name, found in runs.items()}
    rows = [
        f"| {name} | {statistics.median(r.wall_s for r in found):.1f} s "
        f"| {statistics.median(r.first_s for r in found):.1f} s | {rates[name]:.2f} "
        f"| {rates[name] / rates['one worker']:.2f} |"
        for name, found in runs.items()
    ]
    two, ray = rates["two workers"], rates["Ray, two nodes of one core"]
    what = "guide takes of 6 s" if generator == "guide" else "takes of 10 s by a tiny ACE-Step"
    return "\n".join(
        [
            f"{count} {what}, one thread a worker, {rounds} rounds in turns:",
            "",
            "| | wall time | until the first takes | takes a second, all at work | of one worker |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Two workers: {two / rates['one worker']:.2f} times one (goal: 1.7 on two free "
            f"cores). Ray takes {two / ray:.2f} times as long as two local workers, once started "
            "(goal: 1.2).",
        ]
    )


def _takes(
    out: Path, generator: str, options: dict[str, Any], seconds: int, count: int
) -> Sequence[Any]:
    from milonga.songs.sheet.load import parse_sheet
    from milonga.workflows.songs import plan_song

    sheet = parse_sheet(SHEET.format(seconds=seconds, generator=generator))
    return plan_song(
        sheet, out, takes=count, report=False, options={generator: options} if options else {}
    ).takes


def _timed(way: Callable[[Any], Any], takes: Sequence[Any], hands: int) -> Timing:
    from milonga.runtime.progress import Progress

    begun = time.perf_counter()
    ends = []
    for _, outcome in way(takes)(takes, Progress()):
        if outcome.status != "rendered":
            raise RuntimeError(outcome.error or outcome.status)
        ends.append(time.perf_counter() - begun)
    # With all workers at work: the second one of a cluster may start late, and one is done first.
    begin, end = len(ends) // 3, len(ends) - hands
    rate = (end - begin) / (ends[end] - ends[begin])
    return Timing(ends[-1], ends[hands - 1], rate)


@dataclass(frozen=True)
class Overhead:
    """What a take costs beyond its rendering.

    Attributes:
        idle_s: a worker's time between two takes.
        driver_s: the command's own time for a take.
    """

    idle_s: float
    driver_s: float


def _overhead(place: Path, address: str, count: int) -> tuple[Overhead, Overhead]:
    """Measure local workers, then Ray, with tones of 5 s."""
    from bench import idle_worker
    from milonga.jobs.cluster import crew as far
    from milonga.jobs.local import crew as local

    near, distant = local._MODULE, far.TakeActor
    local._MODULE, far.TakeActor = "bench.idle_worker", idle_worker.IdleActor
    try:
        found = []
        for name, way in (("local", _crew(2)), ("ray", _ray(address))):
            out = place / f"tone-{name}"
            takes = _takes(out, "tone", {}, 5, count)
            out.mkdir()
            driver = _driver_s(way, takes)
            found.append(Overhead(statistics.median(idle_worker.idle_times(out)), driver / count))
        return found[0], found[1]
    finally:
        local._MODULE, far.TakeActor = near, distant


def _driver_s(way: Callable[[Any], Any], takes: Sequence[Any]) -> float:
    """Seconds that the command is busy itself, not waiting for news, once workers have started."""
    from milonga.runtime.progress import Progress

    runner = way(takes)
    crew = runner._crew
    news, busy, since = crew.news, 0.0, None

    def timed(seconds: float) -> Any:
        nonlocal busy, since
        if since is not None:
            busy += time.perf_counter() - since
        events = news(seconds)
        since = time.perf_counter()
        return events

    crew.news = timed
    used = time.process_time()
    for _, outcome in runner(takes, Progress()):
        if outcome.status != "rendered":
            raise RuntimeError(outcome.error or outcome.status)
    # What ``news`` itself computes counts, its waiting doesn't.
    return max(busy, time.process_time() - used)


def _overhead_text(local: Overhead, far: Overhead) -> str:
    return (
        f"Overhead of a take (tones of 5 s): a worker has nothing to do for "
        f"{local.idle_s * 1000:.1f} ms between two takes with local workers, for "
        f"{far.idle_s * 1000:.1f} ms with Ray (goal: under 50 ms). The command itself is busy for "
        f"{local.driver_s * 1000:.0f} ms a take with local workers, for {far.driver_s * 1000:.0f} "
        "ms with Ray."
    )


def _queue(count: int) -> str:
    from milonga.jobs import Cost, Queue
    from milonga.jobs.queue import NewJob

    with tempfile.TemporaryDirectory() as folder:
        queue = Queue(Path(folder))
        new = [NewJob("render", f"take {n}", 1, {"n": n}, Cost(1.0, 1)) for n in range(count)]
        times = []
        for work in (lambda: queue.add_all(new), queue.jobs, queue.ready):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
    add, listed, ready = times
    return (
        f"{count:,} jobs: queued in {add:.2f} s, listed in {listed:.2f} s (goal: under 1 s), put "
        f"in order in {ready:.2f} s."
    )


def _planning(count: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        planned = len(_takes(Path(folder), "guide", {}, 6, count))
        seconds = time.perf_counter() - begun
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        few = _takes(Path(folder), "guide", {}, 6, count // 10)
        each = (tracemalloc.get_traced_memory()[1] - before) / len(few)
        tracemalloc.stop()
    return f"{planned:,} takes are planned in {seconds:.1f} s, with {each / 1000:.1f} kB each."


def _simulation(overhead_s: float) -> str:
    """Dealing on more workers than there are here, with the overhead that was measured."""
    cases = [
        ("1,000 takes", 1_000, 6.0, 32), ("1,000 takes", 1_000, 60.0, 32),
        ("1,000,000 takes", 1_000_000, 6.0, 32), ("1,000,000 takes", 1_000_000, 6.0, 256),
        ("1,000,000 takes", 1_000_000, 6.0, 1024),
    ]  # fmt: skip
    rows = []
    for name, takes, seconds, workers in cases:
        wall, busy = simulate(takes, seconds, workers, overhead_s)
        rows.append(
            f"| {name} | {seconds:g} s | {workers} | {wall / 3600:.2f} h | {100 * busy:.0f} % |"
        )
    return "\n".join(
        [
            f"Simulation: each worker loads its model for 60 s, then takes of a given length "
            f"(spread by a tenth); the command needs the {overhead_s * 1000:.0f} ms of Ray above "
            "for each take, one after the other:",
            "",
            "| work | a take | graphics cards | wall time | workers busy |",
            "| --- | --- | --- | --- | --- |",
            *rows,
        ]
    )


def simulate(
    takes: int, seconds: float, workers: int, overhead_s: float, load_s: float = 60.0
) -> tuple[float, float]:
    """Simulate takes dealt to workers by a driver that serves one at a time.

    Returns:
        Seconds until all are done, and the share of the workers' time spent on rendering.
    """
    import random

    chance = random.Random(0)
    free = [(load_s, number) for number in range(workers)]
    heapq.heapify(free)
    driver = last = 0.0
    work = 0.0
    for _ in range(takes):
        ready, number = heapq.heappop(free)
        driver = max(driver, ready) + overhead_s
        length = seconds * chance.uniform(0.9, 1.1)
        work += length
        last = max(last, driver + length)
        heapq.heappush(free, (driver + length, number))
    return last, work / (last * workers)
