"""Ranges that threads share within compiled code."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir

from milonga.compute.convolutions.kernels.compile import compile_module, kernel_of
from milonga.compute.convolutions.kernels.emit import INT, Emitter
from milonga.compute.convolutions.kernels.sharing import CALL, Board
from milonga.compute.convolutions.workers import Workers


def counting():
    """Counts up the words of the range, and the first word of the thread's space."""
    module = ir.Module("counting")
    e = Emitter(module, "count", CALL, 1)

    def add(base, index):
        place = e.b.gep(base, [index], source_etype=INT)
        e.b.store(e.b.add(e.b.load(place, typ=INT), e.index(1)), place)

    def one(index, _):
        add(e.args["arguments"], index)
        add(e.args["space"], e.index(0))

    e.loop(e.args["first"], e.args["last"], 1, one)
    e.finish()
    return kernel_of(compile_module(str(module)), "count", CALL)


COUNT = counting()


def spread(workers, total, grain, times=1):
    """How often each was counted, and by how many threads in all."""
    seen, own = np.zeros(max(1, total), np.int64), np.zeros((workers.count, 8), np.int64)
    spaces = np.array([space.ctypes.data for space in own], np.int64)
    for _ in range(times):
        workers.call(COUNT, seen, spaces, total, grain)
    return seen[:total], own[:, 0]


@settings(max_examples=40, deadline=None)
@given(
    total=st.integers(0, 1000),
    grain=st.integers(1, 70),
    count=st.integers(1, 4),
    times=st.integers(1, 5),
)
def test_everything_is_computed_once_each_time(total, grain, count, times):
    seen, own = spread(Workers(count), total, grain, times)
    assert (seen == times).all()
    assert own.sum() == total * times


def test_threads_that_went_to_sleep_are_woken():
    workers = Workers(3)
    for pause in (0, 0.02, 0, 0.02):
        time.sleep(pause)
        seen, _ = spread(workers, 500, 1)
        assert (seen == 1).all()


def test_threads_that_outlive_their_workers_write_into_nobodys_memory():
    # A thread goes to sleep up to some milliseconds after the last range, and says so on the board.
    overwritten = 0
    for _ in range(100):
        workers = Workers(2)
        spread(workers, 500, 1)
        del workers
        others = [np.ones(Board.AWAKE + 2 * Board.EACH, np.int64) for _ in range(4)]
        time.sleep(0.002)
        overwritten += sum((words != 1).any() for words in others)
    assert overwritten == 0


def test_callers_take_turns():
    workers, found = Workers(2), []

    def caller():
        found.append((spread(workers, 300, 1, 50)[0] == 50).all())

    threads = [threading.Thread(target=caller) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 3


def test_nothing_waits_for_threads_that_cannot_be_started(monkeypatch):
    # As at the end of the interpreter, or at the system's limit.
    def none_left(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", none_left)
    workers = Workers(3)
    seen = np.zeros(100)
    for times in (1, 2):
        assert (spread(workers, 100, 1)[0] == 1).all()
        workers.run(100, 1, lambda first, last, worker: seen[first:last].__iadd__(1))
        assert (seen == times).all()
    with pytest.raises(RuntimeError, match="thread"):
        workers.run(3, 1, lambda *_: None, release=lambda: None)


def test_an_interrupt_while_threads_are_woken_leaves_all_parts_done_once(monkeypatch):
    workers = Workers(3)
    own = workers._send
    for late in (False, True):

        def interrupted(task, late=late):
            if late:
                own(task)
            raise KeyboardInterrupt

        for _ in range(50):
            while workers._board[Board.AWAKE + Board.EACH :: Board.EACH].any():
                time.sleep(0.001)
            with monkeypatch.context() as patch:
                patch.setattr(workers, "_send", interrupted)
                seen, spaces = np.zeros(100, np.int64), np.zeros((3, 8), np.int64)
                places = np.array([space.ctypes.data for space in spaces], np.int64)
                with pytest.raises(KeyboardInterrupt):
                    workers.call(COUNT, seen, places, 100, 1)
            assert (seen == 1).all()
            counted, shares = spread(workers, 500, 1, 3)
            assert (counted == 3).all()
            assert shares.sum() == 1500


@pytest.mark.parametrize("interrupts", [0, 2])
def test_a_failure_is_raised_when_nobody_is_at_work_any_more(interrupts):
    workers, ended, together = Workers(3), [], threading.Barrier(3)

    def work(first, last, worker):
        together.wait()
        if worker == 2:
            for _ in range(interrupts):
                time.sleep(0.05)
                signal.raise_signal(signal.SIGINT)
            time.sleep(0.05)
            ended.append(worker)
        elif worker == 1 or interrupts:
            raise ValueError("here")

    with pytest.raises((ValueError, KeyboardInterrupt)):
        workers.run(3, 1, work)
    assert ended == [2]
    seen = np.zeros(100)
    workers.run(100, 1, lambda first, last, worker: seen[first:last].__iadd__(1))
    assert (seen == 1).all()


def test_a_thread_that_comes_late_keeps_nothing_alive():
    workers, busy = Workers(2), threading.Event()
    workers._send(busy.wait)
    kept = np.zeros(10)
    there = weakref.ref(kept)
    workers.run(10, 1, lambda first, last, worker, kept=kept: kept[first:last].__iadd__(1))
    assert (kept == 1).all()
    del kept
    assert there() is None
    busy.set()


def test_threads_end_with_their_workers():
    process = psutil.Process()
    before = process.num_threads()
    for _ in range(30):
        workers = Workers(3)
        spread(workers, 100, 1)
        workers.run(3, 1, lambda *_: None)
        del workers
    deadline = time.monotonic() + 60
    while process.num_threads() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.num_threads() <= before


_FORKED = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_workers import Workers, spread

workers = Workers(3)
spread(workers, 500, 1)
workers.run(3, 1, lambda *_: None)
# As if another thread computed meanwhile.
workers._one_job.acquire()
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
ok = all((spread(workers, 500, 1)[0] == 1).all() for _ in range(5))
met = []
workers.run(3, 1, lambda first, last, worker: met.append(first))
os._exit(0 if ok and sorted(met) == [0, 1, 2] else 1)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_has_threads_of_its_own():
    command = [sys.executable, "-c", _FORKED, str(Path(__file__).parent)]
    assert subprocess.run(command, timeout=120, check=False).returncode == 0
