"""Ranges of rows shared among threads.

A piece is taken by whoever is free, so that a core that is busy elsewhere delays its own piece
only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_SHARE, _SMALLEST = 2, 16
"""A piece is half of what would be left for each thread, down to a 16th of its whole share: so all
threads end at about the same time."""


class Workers:
    """A few threads that live as long as the engine.

    Args:
        count: threads, the caller's included.
    """

    def __init__(self, count: int) -> None:
        self.count = max(1, count)
        self._pool = ThreadPoolExecutor(max(1, self.count - 1), "milonga-vocoder")

    def run(self, total: int, grain: int, work: Callable[[int, int, int], None]) -> None:
        """Call ``work(first, last, worker)`` for pieces that cover ``range(total)``.

        Args:
            total: rows.
            grain: pieces are a multiple of it, except the last.
            work: does a piece; ``worker`` is below ``count`` and never runs twice at once.
        """
        if self.count == 1 or grain >= total:
            work(0, total, 0)
            return
        smallest = -(-total // (self.count * _SMALLEST))
        done, lock = 0, threading.Lock()

        def loop(worker: int) -> None:
            nonlocal done
            while True:
                with lock:
                    first = done
                    piece = max(smallest, -(-(total - first) // (self.count * _SHARE)))
                    done = last = min(total, first + -(-piece // grain) * grain)
                if first == last:
                    return
                work(first, last, worker)

        futures: list[Future[None]] = [
            self._pool.submit(loop, worker) for worker in range(1, self.count)
        ]
        try:
            loop(0)
        finally:
            for future in futures:
                future.result()
