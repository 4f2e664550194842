"""Statistics of listening tests and studies: intervals, paired tests, and when to say nothing.

Answers of one listener, or takes of one segment, belong together; whoever ignores that finds
differences that aren't there. So values carry the group they come from, and the groups are what is
drawn anew or flipped.

References:
    Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26 (1934).
    Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 13 and 15.
    Westfall, Young, "Resampling-Based Multiple Testing" (1993), chapter 2 (step-down max-T).
    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Of intervals; the error allowed in tests is the rest."""
FEWEST_PAIRS = 6
"""With five pairs even five differences of one sign have a chance of 1 in 16: no test of them
finds anything at 1 in 20."""
_ROUNDS = 4000
_EXACT_UP_TO = 12
"""Pairs whose signs are all tried (4096 ways); more are drawn."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval of ``LEVEL``."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Return plain values."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Share:
    """A count of successes with its exact interval and the chance of one as far from half."""

    successes: int
    trials: int
    share: Interval
    p: float
    """Two-sided."""
    p_more: float
    """Of as many successes or more."""


def share_of(successes: int, trials: int) -> Share:
    """Estimate a share, exactly (Clopper and Pearson), against one half.

    Args:
        successes: from 0 to ``trials``.
        trials: independent ones, at least 1.

    Example:
        >>> found = share_of(12, 16)
        >>> round(found.share.low, 2), round(found.share.high, 2), round(found.p_more, 3)
        (0.48, 0.93, 0.038)
    """
    from scipy.stats import binomtest

    test = binomtest(successes, trials)
    low, high = test.proportion_ci(LEVEL, "exact")
    more = binomtest(successes, trials, alternative="greater").pvalue
    share = Interval(successes / trials, float(low), float(high))
    return Share(successes, trials, share, float(test.pvalue), float(more))


def mean_of(values: Sequence[float], groups: Sequence[Hashable], seed: int = 0) -> Interval:
    """Estimate the mean over groups, with a bootstrap interval that draws whole groups.

    Each group counts alike, however many values it has.

    Args:
        values: at least one.
        groups: of each value, such as its listener.
        seed: of the draws.
    """
    means = group_means(values, groups)
    rng = np.random.default_rng(seed)
    drawn = means[rng.integers(0, len(means), (_ROUNDS, len(means)))].mean(axis=1)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Interval(float(means.mean()), float(low), float(high))


Test = tuple[Sequence[float], Sequence[Hashable]]
"""Differences, and the group that each comes from."""


def sign_flips(tests: Sequence[Test], seed: int = 0) -> list[float]:
    """Compute the chance of mean differences as large, were each group's sign a coin's (p),
    corrected for their number.

    A group's sign turns in all tests at once, so that tests that hang together don't count as
    independent ones; each difference is held against the largest of those not yet found (step-down
    max-T). The chance of one false finding stays 1 in 20, and six unanimous groups suffice for any
    number of tests. All signs of up to 12 groups are tried, else 4000 draws; two-sided. Needs no
    distribution, only that a difference and its negative are equally likely where there is no
    effect.

    Args:
        tests: at least one value each.
        seed: of the draws.

    Example:
        >>> sign_flips([([3, 2, 4, 3, 5, 2], "abcdef"), ([1, -1, 2, -2, 1, -1], "abcdef")])
        [0.03125, 1.0]
    """
    if not tests:
        return []
    names = list(dict.fromkeys(group for _, groups in tests for group in groups))
    place = {group: number for number, group in enumerate(names)}
    means = np.zeros((len(tests), len(names)))
    for row, (values, groups) in zip(means, tests, strict=True):
        for group, mean in zip(dict.fromkeys(groups), group_means(values, groups), strict=True):
            row[place[group]] = mean
    # Signs don't change this size, so figures of any unit can be held against each other.
    size = np.linalg.norm(means, axis=1)
    means /= np.where(size > 0, size, 1)[:, None]
    count = len(names)
    if count <= _EXACT_UP_TO:
        bits = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        signs, extra = 1 - 2 * bits, 0
    else:
        draws = np.random.default_rng(seed).integers(0, 2, (_ROUNDS, count))
        # The signs as they are count among those drawn, or p could be 0.
        signs, extra = 1 - 2 * draws, 1
    flipped = np.abs(signs @ means.T)
    own = np.abs(means.sum(axis=1))
    order = np.argsort(-own, kind="stable")
    largest = np.maximum.accumulate(flipped[:, order[::-1]], axis=1)[:, ::-1]
    as_large = np.count_nonzero(largest >= own[order] * (1 - 1e-9), axis=0)
    found = np.maximum.accumulate((as_large + extra) / (len(signs) + extra))
    return [float(found[rank]) for rank in np.argsort(order, kind="stable")]


def group_means(values: Sequence[float], groups: Sequence[Hashable]) -> NDArray[np.float64]:
    """Average each group's values, groups in order of their first value."""
    found: dict[Hashable, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        found.setdefault(group, []).append(value)
    return np.array([math.fsum(each) / len(each) for each in found.values()])


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct the p of several tests, so that the chance of one false finding stays 1 in 20.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    count = len(p_values)
    corrected, largest = [0.0] * count, 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        largest = max(largest, (count - rank) * p_values[index])
        corrected[index] = min(1.0, largest)
    return corrected
