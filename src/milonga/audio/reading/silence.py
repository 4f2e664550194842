"""Silence of the decoders: mpg123 writes to standard error, between milonga's own lines."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_lock = threading.Lock()
_inside = 0


@contextlib.contextmanager
def no_stray_messages() -> Iterator[None]:
    """Keep what C libraries print through C's own ``stderr`` from standard error.

    Python's standard error doesn't pass there, so nothing of milonga's is lost, in any thread.
    """
    global _inside
    streams = _streams()
    if streams is None:
        yield
        return
    variable, own, nowhere = streams
    with _lock:
        _inside += 1
        variable.value = nowhere
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                variable.value = own


@lru_cache(maxsize=1)
def _streams() -> tuple[ctypes.c_void_p, Any, Any] | None:
    """C's variable, what it points to, and a stream that leads nowhere; None on other systems."""
    name = {"linux": "stderr", "darwin": "__stderrp"}.get(sys.platform)
    if name is None:
        return None
    try:
        libc = ctypes.CDLL(None)
        variable = ctypes.c_void_p.in_dll(libc, name)
        libc.fopen.restype = ctypes.c_void_p
        nowhere = libc.fopen(os.devnull.encode(), b"w")
    except (OSError, ValueError, AttributeError):
        return None
    return (variable, variable.value, nowhere) if nowhere else None
