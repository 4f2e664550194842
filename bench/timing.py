"""Fair timing of whole processes: turns, medians, peak memory."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One finished process.

    Attributes:
        seconds: from its start to its end.
        peak_mb: the most memory that it held, mapped files included.
        own_mb: the most without mapped files, which the system can take back; looked at 50 times a
            second.
    """

    seconds: float
    peak_mb: float
    own_mb: float = 0.0


def run_process(command: Sequence[str], env: Mapping[str, str] | None = None) -> Run:
    """Runs a command to its end; its output is thrown away.

    Raises:
        RuntimeError: it failed; with what it wrote to standard error.
    """
    with tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=errors, env={**os.environ, **(env or {})}
        )
        watch = _Peak(process.pid)
        process.wait()
        seconds = time.perf_counter() - begun
        if process.returncode:
            errors.seek(0)
            text = errors.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)}: {text}")
    watch.join()
    return Run(seconds, watch.peak * 1024 / 1e6, watch.own * 1024 / 1e6)


class _Peak(threading.Thread):
    """Reads a process's own peak from time to time. ``wait4`` would count its parent's, too."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status, self.peak, self.own = Path(f"/proc/{pid}/status"), 0, 0
        self.start()

    def run(self) -> None:
        while True:
            try:
                text = self._status.read_text()
            except OSError:
                return
            found = re.search(r"VmHWM:\s+(\d+) kB", text)
            own = re.search(r"RssAnon:\s+(\d+) kB", text)
            if found is None or own is None:
                return
            self.peak, self.own = int(found[1]), max(self.own, int(own[1]))
            time.sleep(0.02)


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
