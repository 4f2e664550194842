"""The worker process, ``python -m milonga.jobs.local.process``: lines of JSON in and out.

It reads ``{"make": {...}}`` and ``{"cancel": true}``, and writes ``ready``, ``beat``, ``update``,
``message`` and ``done``. When its caller is gone, its input ends, and so does it.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import asdict
from typing import IO, Any

from milonga.errors import Cancelled
from milonga.jobs.job import BEAT_S
from milonga.jobs.pulse import Pulse
from milonga.jobs.takes.making import make_packet, read_packet
from milonga.jobs.takes.packets import Bench, Packet
from milonga.runtime.progress import Progress, Update

_LEAST_S = 0.2
"""Between two lines about one task."""
_LAST_S = 5.0
"""After its caller is gone, a worker that doesn't stop by itself is ended."""


class PipeProgress(Progress):
    """Progress that is told to the caller."""

    def __init__(self, out: IO[str]) -> None:
        super().__init__()
        self._out, self._lock = out, threading.Lock()
        self._told: dict[int, float] = {}
        self.signs = 0

    def check(self) -> None:
        self.signs += 1
        super().check()

    def show(self, update: Update) -> None:
        self.signs += 1
        now = time.monotonic()
        if update.finished:
            self._told.pop(update.task, None)
        elif now - self._told.get(update.task, 0.0) < _LEAST_S:
            return
        else:
            self._told[update.task] = now
        self.tell(update=asdict(update))

    def message(self, text: str) -> None:
        self.signs += 1
        self.tell(message=text)

    def tell(self, **what: Any) -> None:
        """Write a line; a caller that is gone hears nothing."""
        with self._lock:
            try:
                self._out.write(json.dumps(what) + "\n")
                self._out.flush()
            except (OSError, ValueError):
                self.cancel()


def _read(source: IO[str], packets: queue.Queue[Packet | None], progress: Progress) -> None:
    for line in source:
        asked = json.loads(line)
        if "make" in asked:
            packets.put(read_packet(asked["make"]))
        else:
            progress.cancel()
    packets.put(None)
    progress.cancel()
    time.sleep(_LAST_S)
    os._exit(1)


def _beat(progress: PipeProgress) -> None:
    pulse = Pulse(lambda: progress.signs)
    while True:
        time.sleep(BEAT_S)
        if pulse.felt():
            progress.tell(beat=True)


def main() -> int:
    """Make sounds until there are no more."""
    # What a library prints must not get between the lines.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    progress, bench = PipeProgress(out), Bench()
    packets: queue.Queue[Packet | None] = queue.Queue()
    for target, arguments in ((_read, (sys.stdin, packets, progress)), (_beat, (progress,))):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    progress.tell(ready=True)
    try:
        while (packet := packets.get()) is not None:
            progress.signs += 1
            done = make_packet(packet, bench, progress)
            progress.tell(done=asdict(done), number=packet.number)
    except Cancelled:
        pass
    # Without the end of libraries, which may take as long as their start.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
