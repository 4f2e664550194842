import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from milonga.analysis.statistics import group_means, holm, mean_of, share_of, sign_flips


def test_a_share_is_that_of_scipys_exact_test():
    found = share_of(14, 20)
    low, high = stats.binomtest(14, 20).proportion_ci(0.95, "exact")
    assert (found.share.low, found.share.high) == pytest.approx((low, high), abs=1e-12)
    assert found.p == pytest.approx(stats.binomtest(14, 20).pvalue, abs=1e-12)
    assert share_of(0, 3).share.low == 0.0
    assert share_of(3, 3).share.high == 1.0


@settings(max_examples=25)
@given(st.lists(st.integers(-50, 50).filter(bool), min_size=2, max_size=10))
def test_all_signs_give_scipys_permutation_test(values):
    theirs = stats.permutation_test(
        (np.array(values, float),), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    # Two-sided by scipy is twice the smaller tail, the same for symmetric distributions.
    assert sign_flips([(values, range(len(values)))])[0] == pytest.approx(min(1, theirs), abs=1e-9)


def test_drawn_signs_are_near_all_signs():
    rng = np.random.default_rng(1)
    values = rng.normal(0.5, 1, 13)
    exact = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    # 4000 draws: three standard errors.
    assert sign_flips([(values, range(13))])[0] == pytest.approx(
        exact, abs=3 * (exact / 4000) ** 0.5
    )


def test_without_an_effect_one_in_twenty_is_found():
    """Listeners with tastes of their own and no common one: their answers hang together."""
    rng = np.random.default_rng(2)
    found = 0
    for _ in range(300):
        taste = rng.normal(0, 1, 10)
        answers = rng.normal(taste[:, None], 0.3, (10, 8)).ravel()
        found += sign_flips([(answers, np.repeat(range(10), 8).tolist())])[0] < 0.05
    # Binomial around 15 of 300: 3.5 standard deviations are 13.
    assert 2 <= found <= 28


def test_intervals_hold_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        values = rng.normal(1, 1, (30, 2)) + rng.normal(0, 1, (30, 1))
        found = mean_of(values.ravel(), np.repeat(range(30), 2).tolist())
        inside += found.low <= 1 <= found.high
    # 95 % of 200 less what percentiles of 30 groups lose (about 2 %); three standard deviations.
    assert inside >= 176


def test_groups_count_alike_however_many_values_they_have():
    assert group_means([1, 1, 1, 5], ["a", "a", "a", "b"]).tolist() == [1, 5]
    assert mean_of([1, 1, 1, 5], ["a", "a", "a", "b"]).value == 3


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lessens_and_keeps_the_order(values):
    corrected = holm(values)
    assert all(0 <= a <= b <= 1 for a, b in zip(values, corrected, strict=True))
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()
    assert corrected[int(order[0])] == pytest.approx(min(1, min(values) * len(values)))


def test_tests_that_hang_together_are_corrected_less_than_by_holm():
    people = range(7)
    strong = [9, 8, 10, 9, 7, 8, 9]
    tests = [([k * value for value in strong], people) for k in (1, 2, -3)]
    # Two of 128 ways, whatever their number; Holm would ask for three times that.
    assert sign_flips([*tests, ([1, -1, 1, -1, 1, -1, 0.5], people)])[:3] == [2 / 128] * 3


def test_one_false_finding_among_many_comparisons_stays_rare():
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(120):
        # Six conditions without any difference, rated by eight: fifteen pairs.
        ratings = rng.normal(size=(6, 8)) + rng.normal(size=8)
        tests = [(ratings[i] - ratings[j], range(8)) for i in range(6) for j in range(i)]
        found += min(sign_flips(tests)) < 0.05
    # At 1 in 20: 6 of 120; thirteen have a chance under 1 %.
    assert found <= 13
