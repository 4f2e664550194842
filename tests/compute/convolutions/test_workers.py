"""Ranges that threads share within compiled code."""

import threading
import time

import numpy as np
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


def test_nothing_waits_for_threads_that_cannot_be_woken():
    workers = Workers(2)
    # As at the end of the interpreter.
    workers._pool.shutdown()
    seen = np.zeros(100, np.int64)
    own = np.zeros((2, 8), np.int64)
    spaces = np.array([space.ctypes.data for space in own], np.int64)
    for times in (1, 2):
        with pytest.raises(RuntimeError, match="shutdown"):
            workers.call(COUNT, seen, spaces, 100, 1)
        assert (seen == times).all()
