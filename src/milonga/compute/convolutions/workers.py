"""Ranges of rows shared among threads.

A piece is taken by whoever is free, so that a core that is busy elsewhere delays its own piece
only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_PIECES = 6
"""Pieces a thread gets on average."""


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
        piece = -(-total // (self.count * _PIECES))
        piece = max(1, -(-piece // grain)) * grain
        if self.count == 1 or piece >= total:
            work(0, total, 0)
            return
        starts = iter(range(0, total, piece))
        lock = threading.Lock()

        def loop(worker: int) -> None:
            while True:
                with lock:
                    first = next(starts, None)
                if first is None:
                    return
                work(first, min(first + piece, total), worker)

        futures: list[Future[None]] = [
            self._pool.submit(loop, worker) for worker in range(1, self.count)
        ]
        try:
            loop(0)
        finally:
            for future in futures:
                future.result()
