"""Memory of this machine and this process, without a library."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def total_memory() -> int | None:
    """Bytes of memory that this process may use in all; None where that isn't known."""
    machine = _windows_memory()[0] if sys.platform == "win32" else _physical()
    limits = [size for size in (machine, _container_limit()) if size]
    return min(limits, default=None)


def available_memory() -> int | None:
    """Bytes that can be had without swapping; None where that isn't known."""
    if sys.platform == "win32":
        return _windows_memory()[1]
    free = None
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    except (OSError, ValueError):
        return None
    limit, used = _container_limit(), _container_number("memory.current")
    if free is not None and limit is not None and used is not None:
        return max(0, min(free, limit - used))
    return free


def peak_memory() -> int | None:
    """The most bytes that this process held so far; None where the system doesn't say."""
    if sys.platform == "win32":
        return None
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


def return_freed() -> None:
    """Gives memory that was freed back to the system.

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


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _container_limit() -> int | None:
    return _container_number("memory.max")


def _container_number(name: str) -> int | None:
    # Control groups, version 2: a container's own view of its limits.
    try:
        return int(Path("/sys/fs/cgroup", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _windows_memory() -> tuple[int | None, int | None]:
    if sys.platform != "win32":
        return None, None
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "a", "b", "c", "d", "e")),
        ]

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None, None
    return int(status.total), int(status.free)
