"""Memory of mapped files given back: what is read again is the same, what was written stays."""

import mmap
import sys

import numpy as np
import pytest

from milonga.runtime.memory import let_go

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked to")


def resident(first, size):
    """Bytes of a range that are in memory, by the system's own table."""
    page = mmap.PAGESIZE
    with open("/proc/self/pagemap", "rb") as table:
        table.seek(first // page * 8)
        entries = np.frombuffer(table.read(size // page * 8), np.uint64)
    return int((entries >> np.uint64(63)).sum()) * page


def test_pages_of_a_file_are_given_back_and_read_again(tmp_path):
    numbers = np.arange(1 << 18, dtype=np.float64)
    numbers.tofile(tmp_path / "weights")
    mapped = np.memmap(tmp_path / "weights", np.float64, "c")
    assert mapped.sum() == numbers.sum()
    address, size = mapped.ctypes.data, mapped.nbytes
    assert resident(address, size) == size
    let_go(address + 1, size - 1)
    assert resident(address, size) <= mmap.PAGESIZE
    assert np.array_equal(mapped, numbers)
    # A page of its own now: it would be lost.
    mapped[1000] = -1
    let_go(address, size)
    assert mapped[1000] == -1


def test_memory_that_is_no_files_stays():
    numbers = np.arange(1 << 18, dtype=np.float64)
    let_go(numbers.ctypes.data, numbers.nbytes)
    let_go(0, 0)
    assert np.array_equal(numbers, np.arange(1 << 18))
