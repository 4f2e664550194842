"""Alignment of two sequences in time, one of them possibly a part of the other.

Dynamic time warping with the steps (1, 1), (1, 2), (2, 1), so that neither runs more than twice
as fast as the other, and free ends in the longer one (subsequence DTW: Müller, "Fundamentals of
Music Processing", 2015, sections 3.2 and 7.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_WARPING = 0.1
"""Cost of a step that isn't straight on: an alignment bends only where that helps."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Matching frames.

    Attributes:
        first: frames of the first sequence, rising, ``[matches]``.
        second: matching frames of the second one, ``[matches]``.
        cost: mean cost of the matches.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    cost: float


def align(first: NDArray[np.float32], second: NDArray[np.float32]) -> Alignment | None:
    """Align two sequences of vectors; None if either is too short.

    The cost of a match is the squared distance.

    Args:
        first: ``[frames, size]``.
        second: ``[frames, size]``; the shorter of the two matches as a whole.
    """
    if len(first) > len(second):
        found = align(second, first)
        return found and Alignment(found.second, found.first, found.cost)
    if len(first) < 2:
        return None
    energies = [np.einsum("ij,ij->i", part, part) for part in (first, second)]
    cost = energies[0][:, np.newaxis] + energies[1] - 2 * (first @ second.T)
    np.maximum(cost, 0, out=cost)
    return _path(cost)


def _path(cost: NDArray[np.float32]) -> Alignment | None:
    rows, columns = cost.shape
    never = np.float32(np.inf)
    steps = np.zeros((rows, columns), dtype=np.int8)
    before = np.full(columns + 2, never, dtype=np.float32)
    last = before.copy()
    last[2:] = cost[0]
    options = np.empty((3, columns), dtype=np.float32)
    for row in range(1, rows):
        # Each row of the first sequence counts once, whichever way it is passed.
        options[0] = last[1:-1]
        options[1] = last[:-2] + np.float32(_WARPING)
        options[2] = before[1:-1] + np.float32(_WARPING) + cost[row - 1]
        choice = np.argmin(options, axis=0)
        steps[row] = choice
        before, last = last, before
        last[2:] = np.take_along_axis(options, choice[np.newaxis], axis=0)[0] + cost[row]
    column = int(np.argmin(last[2:]))
    if not np.isfinite(last[2 + column]):
        return None
    mean = float(last[2 + column]) / rows
    row, pairs = rows - 1, []
    while True:
        pairs.append((row, column))
        if row <= 0:
            break
        step = steps[row, column]
        row, column = row - (2 if step == 2 else 1), column - (2 if step == 1 else 1)
    first, second = np.array(pairs[::-1]).T
    return Alignment(first, second, mean)
