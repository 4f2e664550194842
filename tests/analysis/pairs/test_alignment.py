"""Alignments of sequences of any length."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.pairs.alignment import align


def walk(frames, seed=0):
    steps = np.random.default_rng(seed).standard_normal((frames, 5))
    return np.cumsum(steps, axis=0).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60))
def test_paths_rise_and_stay_within_both(first, second):
    found = align(walk(first), walk(second, seed=1))
    if found is None:
        assert min(first, second) < 2 or max(first, second) > 2
        return
    for path, frames in ((found.first, first), (found.second, second)):
        assert (np.diff(path) >= 1).all()
        assert (np.diff(path) <= 2).all()
        assert path[0] >= 0
        assert path[-1] < frames
    shorter = found.first if first <= second else found.second
    assert shorter[0] == 0 or shorter[0] == 1
    assert shorter[-1] == min(first, second) - 1
    # The path's own cost is the one that was minimised, however the path was found.
    steps = np.stack([found.first, found.second], axis=1)
    if first > second:
        steps = steps[:, ::-1]
    rows = [walk(first), walk(second, seed=1)]
    rows = rows if first <= second else rows[::-1]
    cost = np.sum((rows[0][:, np.newaxis] - rows[1]) ** 2, axis=2)
    total = cost[tuple(steps[0])]
    for before, after in itertools.pairwise(steps):
        down, right = after - before
        total += cost[tuple(after)] + (0.1 if down != right else 0)
        total += cost[before[0] + 1, after[1]] if down == 2 else 0
    # Sums of some hundred squared distances in float32.
    assert found.cost * len(cost) == pytest.approx(total, rel=1e-3)


@given(st.integers(2, 50))
@settings(max_examples=20, deadline=None)
def test_a_sequence_aligns_with_itself_frame_by_frame(frames):
    found = align(walk(frames), walk(frames))
    assert found.first.tolist() == found.second.tolist() == list(range(frames))
    # Squared distances from a difference of products, float32.
    assert found.cost == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("start", [0, 17, 60])
def test_a_part_finds_its_place(start):
    whole = walk(100)
    found = align(whole[start : start + 40], whole)
    assert (found.second - found.first == start).all()
    back = align(whole, whole[start : start + 40])
    assert (back.first - back.second == start).all()


def test_a_slower_one_is_followed():
    fine = walk(121)
    at = np.arange(0, 120, 3 / 4)
    slow = np.stack([np.interp(at, np.arange(121), row) for row in fine.T], axis=1)
    found = align(fine, slow.astype(np.float32))
    # Steps of one and two frames: within two of the line.
    assert np.abs(found.second - found.first * 4 / 3).max() <= 2
