"""Stretches of a condition."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def runs(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Find the runs of True: where each begins and the place after its end, ``[runs, 2]``."""
    if not len(flags):
        return np.empty((0, 2), dtype=np.int64)
    edges = np.flatnonzero(flags[1:] != flags[:-1]) + 1
    ends = ([0] if flags[0] else [], [len(flags)] if flags[-1] else [])
    return np.concatenate((ends[0], edges, ends[1])).astype(np.int64).reshape(-1, 2)
