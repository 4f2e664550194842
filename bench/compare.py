"""``milonga compare`` against the same figures by librosa, and 200 short clips."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.timing import in_turns, run_process
from milonga import audio

REFERENCE = Path(__file__).with_name("reference_compare.py")
MILONGA = str(Path(sys.executable).with_name("milonga"))


MANY = 100


def run(quick: bool = False) -> str:
    runs = 3 if quick else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pair = [str(path) for path in _clips(folder, 2, 20.0)]
        worst = _agreement(*_commands(pair))
        warm = _turns(pair, runs)
        related = _turns([pair[0], _hissing(pair[0])], runs)
        ours, theirs = _commands(pair)
        cold = in_turns(
            lambda: run_process(ours, _nothing_compiled(folder)).seconds,
            lambda: run_process(theirs, _nothing_compiled(folder)).seconds,
            runs=1 if quick else 2,
            warm_up=0,
        )
        long = [str(path) for path in _clips(folder, 4, 180.0)]
        few_long, many_long = (_turns(long[:n], 1, warm_up=0) for n in (2, 4))
        many = [str(path) for path in _clips(folder, MANY, 3.0)]
        one, two, ratio, peak, few = _many(many, 1 if quick else 3)
    each = [(many_long[n] - few_long[n]) / 2 for n in (0, 1)]
    return f"""## `milonga compare`

Two recordings, whole process, all caches warm; milonga also measures its yardsticks and holds the
baseline against sixteen other recordings:

| what | `milonga compare` | librosa calls in order | ratio |
| --- | --- | --- | --- |
| 20 s, unrelated | {warm[0]:.2f} s | {warm[1]:.2f} s | {warm[2]:.1f} |
| 20 s, the same with hiss, which asks for the ladder of damage | {related[0]:.2f} s \
| {related[1]:.2f} s | {related[2]:.1f} |
| 20 s, nothing was ever compiled | {cold[0]:.2f} s | {cold[1]:.2f} s | {cold[2]:.1f} |
| 3 minutes | {few_long[0]:.1f} s | {few_long[1]:.1f} s | {few_long[2]:.1f} |
| each further candidate of 3 minutes | {each[0]:.2f} s | {each[1]:.2f} s \
| {each[1] / each[0]:.1f} |

Goal: 4 times. {runs} runs in turns, 2 where nothing was compiled, one of 3 minutes; the largest
relative difference between the figures of the two is {worst:.1e}.

{MANY} clips of 3 s against one baseline:

| workers | wall time | peak memory |
| --- | --- | --- |
| 1 | {one:.2f} s | |
| {os.cpu_count()} | {two:.2f} s | {peak:.0f} MB (20 clips: {few:.0f} MB) |

All cores are {ratio:.2f} times as fast as one.
""".replace("\\\n", "")


def _commands(paths: list[str]) -> tuple[list[str], list[str]]:
    return [MILONGA, "compare", *paths, "--json"], [sys.executable, str(REFERENCE), *paths]


def _turns(paths: list[str], runs: int, warm_up: int = 1) -> tuple[float, float, float]:
    ours, theirs = _commands(paths)
    return in_turns(
        lambda: run_process(ours).seconds, lambda: run_process(theirs).seconds, runs, warm_up
    )


def _hissing(path: str) -> str:
    """Write a recording with hiss 25 dB under it, beside it."""
    clip = audio.read(path)
    hiss = np.random.default_rng(0).standard_normal(clip.samples.shape)
    level = float(np.sqrt(np.mean(np.square(clip.samples)))) * 10 ** (-25 / 20)
    made = audio.Clip((clip.samples + level * hiss).astype(np.float32), clip.sample_rate)
    target = Path(path).with_stem("hissing")
    audio.write(target, made, on_clip="level")
    return str(target)


def _clips(folder: Path, count: int, seconds: float) -> list[Path]:
    """Music-like clips: chords over a beat, each with its own key and tempo."""
    rng = np.random.default_rng(count)
    rate, paths = 44_100, []
    for number in range(count):
        time_s = np.arange(round(seconds * rate)) / rate
        root, beat = rng.uniform(110, 220), rng.uniform(0.4, 0.7)
        tone = sum(np.sin(2 * np.pi * root * r * time_s) for r in (1, 1.26, 1.5, 2, 3))
        wave = 0.05 * tone * np.exp(-3 * (time_s % beat))
        wave += 0.2 * rng.standard_normal(len(time_s)) * np.exp(-40 * (time_s % (beat / 2)))
        path = folder / f"{count}-{number}.wav"
        audio.write(path, audio.Clip(np.stack([wave, 0.9 * wave]), rate), on_clip="level")
        paths.append(path)
    return paths


def _agreement(ours: list[str], theirs: list[str]) -> float:
    """The largest relative difference between the two programs' features.

    Raises:
        AssertionError: they differ by more than the third decimal.
    """
    document = json.loads(subprocess.run(ours, capture_output=True, check=True).stdout)
    reference = json.loads(subprocess.run(theirs, capture_output=True, check=True).stdout)
    worst = 0.0
    for key, found, expected in _pairs(document, reference):
        apart = np.abs(np.atleast_1d(found).astype(float) - np.atleast_1d(expected))
        # Loudness meters may differ by 0.1 (EBU Tech 3341).
        loose = "loudness" in key or "true_peak" in key
        scale = np.maximum(1.0, np.abs(expected))
        assert (apart <= (0.1 if loose else 5e-4) * scale).all(), (key, found, expected)
        if not loose:
            worst = max(worst, float((apart / scale).max()))
    assert math.isfinite(worst)
    return worst


def _pairs(document: dict[str, Any], reference: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for mine, other in zip(
        [document["baseline"], *document["candidates"]],
        [reference["baseline"], *reference["candidates"]],
        strict=True,
    ):
        for part in ("features", "differences"):
            for key, expected in other.get(part, {}).items():
                yield key, mine[part][key], expected


def _nothing_compiled(folder: Path) -> Mapping[str, str]:
    """Empty caches for Python's byte code and numba's machine code."""
    fresh = tempfile.mkdtemp(dir=folder)
    return {"PYTHONPYCACHEPREFIX": f"{fresh}/py", "NUMBA_CACHE_DIR": f"{fresh}/numba"}


def _many(paths: list[str], runs: int) -> tuple[float, float, float, float, float]:
    from milonga.analysis.comparison import compare

    def timed(workers: int | None) -> float:
        begun = time.perf_counter()
        compare(paths[0], paths, workers=workers)
        return time.perf_counter() - begun

    both, one, ratio = in_turns(lambda: timed(None), lambda: timed(1), runs)
    peaks = [
        statistics.median(
            run_process([MILONGA, "compare", paths[0], *paths[:n], "--json"]).peak_mb
            for _ in range(runs)
        )
        for n in (len(paths), 20)
    ]
    return one, both, ratio, peaks[0], peaks[1]
