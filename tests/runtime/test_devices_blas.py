"""Threads of NumPy's products (``runtime/devices.py``)."""

import contextlib

import numpy as np  # noqa: F401 - the library whose threads are counted
from threadpoolctl import threadpool_info, threadpool_limits

from milonga.analysis.comparison import _pool
from milonga.runtime.devices import one_blas_thread


def threads():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_blocks_overlap_and_the_last_one_puts_all_back():
    with threadpool_limits(2, "blas"):
        before = threads()
        first, second = one_blas_thread(), one_blas_thread()
        for entered in (first, second):
            entered.__enter__()
            assert threads() <= {1}
        # The first one ends before the second, as in two threads.
        first.__exit__(None, None, None)
        assert threads() <= {1}
        second.__exit__(None, None, None)
        assert threads() == before
        with contextlib.suppress(ZeroDivisionError), one_blas_thread():
            raise ZeroDivisionError
        assert threads() == before


def test_comparing_divides_the_processors_by_its_own_threads():
    with threadpool_limits(2, "blas"), _pool(2) as pool:
        assert pool.submit(threads).result() <= {1}
