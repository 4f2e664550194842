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
    bend = np.float32(_WARPING)
    # Two columns and a row before the first can't be reached; each row of the first sequence
    # counts once, whichever way it is passed.
    total = np.full((rows + 1, columns + 2), np.inf, dtype=np.float32)
    total[1, 2:] = cost[0]
    best, other = np.empty((2, columns), dtype=np.float32)
    for row in range(1, rows):
        np.add(total[row, :-2], bend, out=best)
        np.add(total[row - 1, 1:-1], cost[row - 1], out=other)
        other += bend
        np.minimum(best, other, out=best)
        np.minimum(best, total[row, 1:-1], out=best)
        np.add(best, cost[row], out=total[row + 1, 2:])
    column = int(np.argmin(total[rows, 2:]))
    if not np.isfinite(total[rows, 2 + column]):
        return None
    mean = float(total[rows, 2 + column]) / rows
    row, pairs = rows - 1, []
    while True:
        pairs.append((row, column))
        if row <= 0:
            break
        options = (
            total[row, 1 + column],
            total[row, column] + bend,
            total[row - 1, 1 + column] + cost[row - 1, column] + bend,
        )
        step = options.index(min(options))
        row, column = row - (2 if step == 2 else 1), column - (2 if step == 1 else 1)
    first, second = np.array(pairs[::-1]).T
    return Alignment(first, second, mean)
