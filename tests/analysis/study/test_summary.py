import numpy as np
import pytest

from milonga.analysis.intervals_picture import intervals_svg, round_ticks
from milonga.analysis.statistics import Interval
from milonga.analysis.study.page import study_page
from milonga.analysis.study.summary import summarise


def table(segments, seeds, effect, rng, *, of_segment=0.5, of_take=0.1):
    """Takes of two conditions; segments differ by much, takes by little."""
    rows = []
    for segment in range(segments):
        level = rng.normal(0, of_segment)
        for seed in range(seeds):
            for condition, more in (("guide", 0.0), ("musicgen", effect)):
                value = level + more + rng.normal(0, of_take)
                rows.append({"condition": condition, "segment": segment, "role": "backing",
                             "seed": seed, "harmony": value, "gone": None})  # fmt: skip
    return rows


def test_a_known_difference_is_found_under_much_larger_ones_between_segments():
    found = summarise(table(8, 4, 0.2, np.random.default_rng(0)), ["harmony", "gone"])
    (paired,) = found.differences
    # 32 pairs with a spread of 0.14: a standard error of 0.025.
    assert paired.difference.value == pytest.approx(-0.2, abs=0.08)
    # All eight segments on one side: 2 of 256.
    assert paired.p == pytest.approx(2 / 256)
    assert paired.verdict == "harmony is lower for guide than for musicgen."
    assert paired.of_segments
    assert [mean.takes for mean in found.means] == [32, 32]


def test_findings_of_few_segments_are_of_these_segments():
    found = summarise(table(2, 8, 0.3, np.random.default_rng(1)), ["harmony"])
    (paired,) = found.differences
    assert not paired.of_segments
    assert paired.verdict.endswith("in these segments.")


def test_no_difference_is_not_called_alike():
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(60):
        (paired,) = summarise(table(7, 3, 0.0, rng), ["harmony"]).differences
        wrong += paired.p < 0.05
        assert paired.p < 0.05 or "isn't proof" in paired.verdict
    # At 1 in 20: 3 of 60; nine have a chance under 1 %.
    assert wrong <= 8


def test_too_few_pairs_say_nothing():
    (paired,) = summarise(table(1, 5, 9.0, np.random.default_rng(3)), ["harmony"]).differences
    assert paired.p is None
    assert paired.verdict == (
        "Too few to say anything about guide and musicgen: 5 pairs of takes, it takes 6."
    )


def test_only_takes_that_both_have_are_paired():
    rows = table(3, 4, 0.0, np.random.default_rng(4))
    rows = [r for r in rows if not (r["condition"] == "guide" and r["seed"] == 3)]
    (paired,) = summarise(rows, ["harmony"]).differences
    assert paired.pairs == 9


def test_the_page_escapes_and_needs_nothing_else():
    rows = [row | {"condition": "<b>"} if row["condition"] == "guide" else row
            for row in table(2, 2, 0.1, np.random.default_rng(5))]  # fmt: skip
    page = study_page("A & B", rows, ["harmony"], summarise(rows, ["harmony"]), {"Sheet": "x"})
    assert "<b>" not in page.replace("&lt;b&gt;", "")
    assert "A &amp; B" in page
    assert page.count("<svg") == 1
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


@pytest.mark.parametrize(("low", "high"), [(0.03, 0.91), (-3, 7), (120, 120), (0, 0), (1e-4, 2e-4)])
def test_ticks_are_round_and_cover_the_range(low, high):
    ticks = round_ticks(low, high)
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= high - 1e-9
    assert 2 <= len(ticks) <= 8
    assert "<circle" in intervals_svg("t", [("a", Interval(low, low, high))], ticks)
