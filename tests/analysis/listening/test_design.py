import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.listening.design import ANCHORS, design
from milonga.errors import MilongaError

ITEMS = {"one": ["bark", "guide", "baseline"], "two": ["guide", "baseline"]}


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["ab", "abx"]),
    repeats=st.integers(1, 5),
    sizes=st.lists(st.integers(2, 4), min_size=1, max_size=3),
)
def test_every_pair_is_asked_both_ways_equally_often(seed, kind, repeats, sizes):
    items = {f"item {n}": [f"c{k}" for k in range(size)] for n, size in enumerate(sizes)}
    key = design(kind, items, seed=seed, repeats=repeats)
    for item, conditions in items.items():
        for pair in itertools.combinations(conditions, 2):
            orders = [
                tuple(s.condition for s in trial.stimuli[:2])
                for trial in key.trials
                if trial.item == item and {s.condition for s in trial.stimuli[:2]} == set(pair)
            ]
            assert len(orders) == repeats
            assert abs(orders.count(pair) - orders.count(pair[::-1])) <= repeats % 2
    names = [s.name for trial in key.trials for s in trial.stimuli] + [t.name for t in key.trials]
    assert len(set(names)) == len(names)


def test_x_is_one_of_the_two_and_the_key_knows_which():
    key = design("abx", ITEMS, seed=1, repeats=6)
    for trial in key.trials:
        a, b, x = (stimulus.condition for stimulus in trial.stimuli)
        assert x == {"a": a, "b": b}[trial.answer]
    assert {trial.answer for trial in key.trials} == {"a", "b"}


def test_mushra_hides_the_reference_and_both_anchors():
    key = design("mushra", ITEMS, seed=2, reference="baseline")
    for trial in key.trials:
        opened, *hidden = (stimulus.condition for stimulus in trial.stimuli)
        assert opened == "baseline"
        assert sorted(hidden) == sorted([*ITEMS[trial.item], *ANCHORS])


def test_a_seed_gives_one_order_and_another_test_other_names():
    assert design("ab", ITEMS, seed=5) == design("ab", ITEMS, seed=5)
    first, second = design("ab", ITEMS, seed=5), design("ab", ITEMS, seed=6)
    assert [t.item for t in first.trials] != [t.item for t in second.trials]
    assert design("ab", {"one": ["x", "y"]}, seed=5).test != first.test


def test_what_can_t_be_compared_is_refused():
    with pytest.raises(MilongaError, match="a comparison needs two"):
        design("ab", {"one": ["guide"]})
    with pytest.raises(MilongaError, match=r"two has no recording of the reference 'bark'"):
        design("mushra", ITEMS, reference="bark")
