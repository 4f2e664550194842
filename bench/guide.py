"""The instrumental guide: a song of 60 s in its own process, loading included."""

from __future__ import annotations

import statistics
import sys

from bench.timing import run_process

SEGMENTS = (
    ("intro", 8, "Latin trap, bandoneon"),
    ("verse", 16, "Latin trap reggaeton backing"),
    ("chorus", 16, "Latin trap / reggaetón / electronic milonga fusion, strings"),
    ("instrumental", 10, "Bandoneón solo with trap beats, 808 drops, tango-trap fusion"),
    ("outro", 10, "piano, pads"),
)

PROGRAM = f"""
from milonga.generators.base import Request
from milonga.generators.registry import generator_class
from milonga.runtime.progress import Progress

guide = generator_class("guide")()
for seed, (section, seconds, style) in enumerate({SEGMENTS!r}):
    request = Request(role="instrumental", section=section, seconds=seconds, style=style,
                      tempo=120, key="A minor", seed=seed)
    guide.render(request, Progress())
guide.model()
"""


def run(quick: bool = False) -> str:
    song_s = sum(seconds for _, seconds, _ in SEGMENTS)
    runs = [run_process([sys.executable, "-c", PROGRAM]) for _ in range(3 if quick else 9)]
    seconds = statistics.median(run.seconds for run in runs)
    ratio = song_s / seconds
    megabytes = statistics.median(run.peak_mb for run in runs)
    return f"""## `guide`, instrumental

| song | wall time | faster than real time | peak memory |
| --- | --- | --- | --- |
| {song_s} s, {len(SEGMENTS)} segments | {seconds:.2f} s | {ratio:.1f} times | {megabytes:.0f} MB |

The whole process with the interpreter's start and all imports, median of {len(runs)} runs after
each other; up to seven instruments a segment, 44.1 kHz stereo.
"""
