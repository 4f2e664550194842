"""Ranges of rows shared among threads.

A piece is taken by whoever is free, so that a core that is busy elsewhere delays its own piece
only. Pieces are computed by a function of Python's, or by a compiled one without coming back.
"""

from __future__ import annotations

import _thread
import os
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

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
Tasks = SimpleQueue[Callable[[], None] | None]


class Workers:
    """A few threads that live as long as the engine.

    Args:
        count: threads, the caller's included.
    """

    def __init__(self, count: int) -> None:
        self.count = max(1, count)
        self._begin()
        _WORKERS.add(self)

    def _begin(self) -> None:
        # Not the library's pool: an interrupt at the wrong moment would leave its locks held.
        self._tasks: Tasks = SimpleQueue()
        self._missing = self.count - 1
        weakref.finalize(self, self._tasks.put, None)
        self._board = np.zeros(Board.AWAKE + Board.EACH * self.count, np.int64)
        self._job, self._one_job = np.zeros(Job.WORDS, np.int64), threading.Lock()

    def run(
        self,
        total: int,
        grain: int,
        work: Callable[[int, int, int], None],
        release: Callable[[], None] | None = None,
    ) -> None:
        """Call ``work(first, last, worker)`` for pieces that cover ``range(total)``.

        Args:
            total: rows.
            grain: pieces are a multiple of it, except the last.
            work: does a piece; ``worker`` is below ``count`` and never runs twice at once.
            release: of pieces that wait for each other, ends the waiting, where one of them fails
                or never comes.

        Raises:
            RuntimeError: the system gives no thread to pieces that wait for each other.
        """
        if self.count == 1 or grain >= total:
            work(0, total, 0)
            return
        smallest = -(-total // (self.count * _SMALLEST))
        done, lock, within = 0, threading.Lock(), set[int]()
        ended, failures = SimpleQueue[None](), list[BaseException]()

        def loop(worker: int) -> None:
            nonlocal done
            while True:
                with lock:
                    first = done
                    piece = max(smallest, -(-(total - first) // (self.count * _SHARE)))
                    done = last = min(total, first + -(-piece // grain) * grain)
                    if first == last:
                        return
                    within.add(worker)
                work(first, last, worker)

        def end() -> None:
            nonlocal done
            with lock:
                done = total
            if release:
                release()

        def help_(worker: int) -> None:
            try:
                loop(worker)
            except BaseException as error:  # noqa: BLE001 - raised by the caller
                failures.append(error)
                end()
            finally:
                within.discard(worker)
                ended.put(None)

        def wait() -> None:
            end()
            within.discard(0)
            while within:
                time.sleep(0.001)

        try:
            try:
                for worker in range(1, self.count):
                    self._send(partial(help_, worker))
            except RuntimeError:
                # As at the interpreter's end: those who are there do the work.
                if release:
                    raise
            loop(0)
            within.discard(0)
            while within:
                ended.get()
            if failures:
                raise failures.pop()
        except BaseException:
            # The others compute in memory that the caller may give away: however often it is
            # interrupted, this waits for them. It calls nothing outside of the inner try.
            while True:
                try:
                    wait()
                    break
                except BaseException:  # noqa: BLE001 - the first is raised
                    continue
            raise
        finally:
            # Who comes too late for any piece keeps nothing alive.
            work, release = _nothing, None

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
            number = int(self._board[Board.BEGUN]) + 1
            try:
                code.post(board, address)
                for worker in self._asleep(threads):
                    self._send(partial(_serve, code, self._board, worker, number))
            except RuntimeError:
                # As at the interpreter's end: those who are there do the work.
                pass
            except BaseException:
                # Who wasn't woken is asleep at the next job, too.
                for worker in self._asleep(threads):
                    self._board[Board.AWAKE + Board.EACH * worker] = 0
                raise
            finally:
                # One call, which no signal interrupts: the others read this memory until they end.
                code.join(board, address, number)

    def _send(self, task: Callable[[], None]) -> None:
        """Have a thread do something.

        Raises:
            RuntimeError: the system gives no more threads.
        """
        while self._missing:
            _thread.start_new_thread(_do, (self._tasks,))
            self._missing -= 1
        self._tasks.put(task)

    def _asleep(self, threads: int) -> set[int]:
        """The threads that were asleep when the last job came."""
        words = self._board[Board.AWAKE + 1 :: Board.EACH]
        return {worker for worker in range(1, threads) if words[worker]}


_WORKERS: weakref.WeakSet[Workers] = weakref.WeakSet()


def _begin_in_child() -> None:
    """A forked process has none of the threads, nor who would give back a lock."""
    for workers in list(_WORKERS):
        workers._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


def _do(tasks: Tasks) -> None:
    """What a thread does until its workers are gone."""
    while (task := tasks.get()) is not None:
        task()
        del task
    tasks.put(None)


def _nothing(_first: int, _last: int, _worker: int) -> None:
    pass


def _serve(code: Sharing, board: Words, worker: int, number: int) -> None:
    """Take part in jobs; the board is kept for as long, since the thread may outlive the workers.

    Args:
        code: that does it.
        board: where jobs are told.
        worker: which thread this is.
        number: of the first job.
    """
    code.serve(board.ctypes.data, worker, number, _LOOKS)
