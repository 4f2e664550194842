"""Fair timing of whole processes: turns, medians, peak memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One finished process."""

    seconds: float
    peak_mb: float


def run_process(command: Sequence[str], env: Mapping[str, str] | None = None) -> Run:
    """Runs a command to its end; its output is thrown away.

    Raises:
        RuntimeError: it failed; with what it wrote to standard error.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {errors.decode(errors='replace')[-2000:]}")
    scale = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_maxrss * scale / 1e6)


def in_turns(
    ours: Callable[[], float], theirs: Callable[[], float], runs: int, warm_up: int = 1
) -> tuple[float, float, float]:
    """Measures two things in turns.

    Returns:
        The median of each, and the median of the pairwise ratios theirs / ours.
    """
    for _ in range(warm_up):
        ours()
        theirs()
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )
