"""Memory of this machine and this process."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterable
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


def let_go(ranges: Iterable[tuple[int, int]]) -> None:
    """Give back the memory of what is mapped from files and isn't needed for now; reading it
    again takes it from the file. Does nothing to memory that isn't mapped or was written to, and
    on systems other than Linux.

    Args:
        ranges: address of the first byte, and size in bytes.
    """
    if sys.platform != "linux":
        return
    import ctypes
    import mmap

    page, advise = mmap.PAGESIZE, ctypes.CDLL(None).madvise
    mappings = _untouched()
    for address, size in ranges:
        first, last = -(-address // page) * page, (address + size) // page * page
        if first < last and any(begin <= first and last <= end for begin, end in mappings):
            advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_DONTNEED)


def _untouched() -> list[tuple[int, int]]:
    """List what is mapped from files and was never written to, which would be lost."""
    found: list[tuple[int, int]] = []
    try:
        lines = Path("/proc/self/smaps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return found
    head: tuple[int, int] | None = None
    for line in lines:
        if (match := _MAPPING.match(line)) is not None:
            head = (int(match[1], 16), int(match[2], 16)) if match[3] != "0" else None
        elif head is not None and line.startswith("Anonymous:") and line.split()[1] == "0":
            found.append(head)
    return found


_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+)")
"""A line of a mapping: from, to, and the number of its file, 0 for none."""

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


def unmap_read(address: int, size: int) -> None:
    """Take pages of a file that was mapped into memory and read out of this process's memory; they
    stay in the system's cache, and reading them again is allowed. Other memory is left alone, and
    so is all where the system isn't Linux.

    Args:
        address: of the first byte; nothing there may have been written.
        size: bytes.

    Source: man 2 madvise (MADV_DONTNEED), man 5 proc_pid_maps.
    """
    if sys.platform != "linux":
        return
    import ctypes
    import mmap

    # Whole pages alone: what lies beside them is another's.
    first = -(-address // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (address + size) // mmap.PAGESIZE * mmap.PAGESIZE - first
    if length > 0 and _is_mapped_file(first, first + length):
        ctypes.CDLL(None).madvise(
            ctypes.c_void_p(first), ctypes.c_size_t(length), mmap.MADV_DONTNEED
        )


def _is_mapped_file(first: int, stop: int) -> bool:
    try:
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        span, _, _, _, inode, *_ = line.split(maxsplit=5)
        low, high = (int(end, 16) for end in span.split("-"))
        if low <= first and stop <= high:
            return inode != "0"
    return False


def _container_number(name: str) -> int | None:
    # Control groups, version 2: a container's own view of its limits.
    try:
        return int(Path("/sys/fs/cgroup", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
