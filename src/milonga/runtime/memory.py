"""Memory of this machine and this process."""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path

from milonga.errors import MilongaError


def total_memory() -> int:
    """Return the bytes of memory that this process may use in all."""
    import psutil

    machine: int = psutil.virtual_memory().total
    limit = _container_number("memory.max")
    return min(machine, limit) if limit else machine


def available_memory() -> int:
    """Return the bytes that can be had without swapping."""
    import psutil

    free: int = psutil.virtual_memory().available
    limit, used = _container_number("memory.max"), _container_number("memory.current")
    if limit is not None and used is not None:
        return max(0, min(free, limit - used))
    return free


def peak_memory() -> int | None:
    """Return the most bytes that this process held so far; None where the system doesn't say."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    try:
        # getrusage also counts what the parent held when it started this process.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def resident_memory() -> int | None:
    """Return the bytes that this process holds now; None where the system doesn't say."""
    import psutil

    try:
        return int(psutil.Process().memory_info().rss)
    except psutil.Error:
        return None


def let_go(address: int, size: int) -> None:
    """Give back memory that is mapped from a file and was read; reading it again takes it from the
    file. Pages that were written to, or are no file's, stay, as does everything on systems other
    than Linux.

    Args:
        address: of the first byte.
        size: in bytes.

    Source: man 2 madvise (MADV_DONTNEED), man 5 proc_pid_pagemap.
    """
    if sys.platform != "linux":
        return
    import ctypes
    import mmap

    # Whole pages alone: what lies beside them is another's.
    first, last = -(-address // mmap.PAGESIZE), (address + size) // mmap.PAGESIZE
    if first < last and _is_in_files(first, last - first):
        start, length = first * mmap.PAGESIZE, (last - first) * mmap.PAGESIZE
        ctypes.CDLL(None).madvise(
            ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED
        )


_THERE, _OF_A_FILE = 0b11 << 62, 1 << 61
"""Of an entry in the table of pages: in memory or swapped out; a file's."""


def _is_in_files(first: int, count: int) -> bool:
    """Check that nothing would be lost: each page is a file's, or was never used."""
    import numpy as np

    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as table:
            table.seek(8 * first)
            entries = np.frombuffer(table.read(8 * count), np.uint64)
    except OSError:
        return False
    own = (entries & np.uint64(_THERE) != 0) & (entries & np.uint64(_OF_A_FILE) == 0)
    return len(entries) == count and not own.any()


SHORT_OF_MEMORY = "Memory ran out. Close other programs, or use fewer seconds at a time."
"""The message where nothing better is known."""

_SHORT = re.compile(
    r"out of memory|not enough memory|(?:can't|cannot|unable to|fail(?:ed|ure) to) allocate"
    r"|memory allocation (?:still )?fail|alloc_failed|out_of_memory|bad[_ ]alloc(?:ation)?"
    r"|invalid buffer size|paging file is too small|os ?error 1455|winerror 1455|os error 12\b",
    re.IGNORECASE,
)
"""How torch (on processors, CUDA, HIP and MPS), cuBLAS, cuDNN, C++, ONNX Runtime, OpenBLAS,
safetensors and Windows say that there is no memory left."""


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell if a failure means that the machine or a device ran out of memory, also where a library
    raised another error because of it."""
    while error is not None:
        if isinstance(error, MemoryError) or (
            isinstance(error, OSError)
            and (error.errno == errno.ENOMEM or getattr(error, "winerror", None) in (8, 14, 1455))
        ):
            return True
        # A wrong value may quote any text, and what milonga explained is explained.
        if not isinstance(error, (ValueError, MilongaError)) and _SHORT.search(str(error)):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def raise_if_short(error: BaseException) -> None:
    """Ask this first of a failure, before it is taken for damage.

    Raises:
        MemoryError: memory ran out.
    """
    if is_out_of_memory(error):
        raise MemoryError(str(error)) from error


def return_freed() -> None:
    """Give memory that was freed back to the system.

    glibc keeps blocks of up to 32 MB for itself, gigabytes in all; other C libraries don't, and
    there this does nothing.

    Source: man 3 malloc_trim, man 3 mallopt (M_MMAP_THRESHOLD).
    """
    if sys.platform != "linux":
        return
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _container_number(name: str) -> int | None:
    # Control groups, version 2: a container's own view of its limits.
    try:
        return int(Path("/sys/fs/cgroup", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
