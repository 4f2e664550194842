"""The pulse of a process: whether it works or hangs."""

from __future__ import annotations

import time
from collections.abc import Callable

IDLE_S = 300.0
"""A process that computes nothing and reports nothing for so long hangs."""
_LITTLE_S = 0.005
"""Processor time, between two looks, that means nothing."""


class Pulse:
    """Felt by a thread of the process itself.

    Args:
        signs: counts the reports of the work.
    """

    def __init__(self, signs: Callable[[], int]) -> None:
        self._signs_of = signs
        self._signs, self._used = -1, 0.0
        self._last = time.monotonic()

    def felt(self) -> bool:
        """Tell if the process has computed or reported anything lately."""
        used, signs = time.process_time() - time.thread_time(), self._signs_of()
        if used - self._used > _LITTLE_S or signs != self._signs:
            self._last = time.monotonic()
        self._used, self._signs = used, signs
        return time.monotonic() - self._last < IDLE_S
