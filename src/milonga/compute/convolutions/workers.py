"""Ranges of rows shared among threads.

A piece is taken by whoever is free, so that a core that is busy elsewhere delays its own piece
only. Pieces are computed by a function of Python's, or by a compiled one without coming back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from milonga.compute.convolutions.kernels.compile import Kernel, address_of
from milonga.compute.convolutions.kernels.sharing import Board, Job, Sharing, sharing

_SHARE, _SMALLEST = 2, 16
"""A piece is half of what would be left for each thread, down to a 16th of its whole share: so all
threads end at about the same time."""


_LOOKS = 4000
"""Of a thread for the next job before it sleeps: some 200 microseconds."""

Words = NDArray[np.int64]


class Workers:
    """A few threads that live as long as the engine.

    Args:
        count: threads, the caller's included.
    """

    def __init__(self, count: int) -> None:
        self.count = max(1, count)
        self._pool = ThreadPoolExecutor(max(1, self.count - 1), "milonga-vocoder")
        self._board = np.zeros(Board.AWAKE + Board.EACH * self.count, np.int64)
        self._job, self._one_job = np.zeros(Job.WORDS, np.int64), threading.Lock()

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

    def call(
        self, function: Kernel, arguments: Words, spaces: Words, total: int, grain: int
    ) -> None:
        """Call a compiled function for pieces that cover ``range(total)``.

        Args:
            function: takes ``sharing.CALL``.
            arguments: what it gets.
            spaces: one for each thread, of which it gets the caller's.
            total: rows.
            grain: pieces are a multiple of it, except the last.
        """
        threads = 1 if grain >= total else self.count
        smallest = -(-total // (threads * _SMALLEST)) if threads > 1 else total
        code, board, address = sharing(), self._board.ctypes.data, self._job.ctypes.data
        with self._one_job:
            self._job[: Job.THREADS + 1] = (
                address_of(function), arguments.ctypes.data, spaces.ctypes.data, total, grain,
                smallest, threads * _SHARE, threads,
            )  # fmt: skip
            self._job[Job.NEXT] = self._job[Job.ENDED] = 0
            if threads == 1:
                code.take(address, 0)
                return
            before, sent = int(self._board[Board.BEGUN]), set[int]()
            try:
                code.post(board, address)
                for worker in self._asleep(threads):
                    self._pool.submit(_serve, code, self._board, worker, before + 1)
                    sent.add(worker)
            finally:
                # Also where it is interrupted: the others read this memory until they have ended.
                if self._board[Board.BEGUN] > before:
                    # Whom nobody could wake, as at the interpreter's end, has his part done here.
                    for worker in self._asleep(threads) - sent:
                        self._board[Board.AWAKE + Board.EACH * worker] = 0
                        code.take(address, worker)
                    code.join(address, 0)

    def _asleep(self, threads: int) -> set[int]:
        """The threads that were asleep when the last job came."""
        words = self._board[Board.AWAKE + 1 :: Board.EACH]
        return {worker for worker in range(1, threads) if words[worker]}


def _serve(code: Sharing, board: Words, worker: int, number: int) -> None:
    """Take part in jobs; the board is kept for as long, since the thread may outlive the workers.

    Args:
        code: that does it.
        board: where jobs are told.
        worker: which thread this is.
        number: of the first job.
    """
    code.serve(board.ctypes.data, worker, number, _LOOKS)
