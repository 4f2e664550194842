"""Weak controls are told in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.sounds.controls.descriptors import NAMES
from milonga.sounds.controls.report import LESS, MORE, ControlReport


def report(moved):
    shown = dict.fromkeys(NAMES) | moved
    effect = {"spearman": shown, "moved": shown, "curve": []}
    values = {"term": "t", "unit": "dB", "mean": 0, "spread": 1, "low": -1, "high": 1}
    return ControlReport(**values, enabled=True, effect=effect)


@pytest.mark.parametrize(
    ("moved", "text"),
    [
        ({"density": 4.0, "loudness": 1.2}, None),
        ({"density": 4.0}, None),
        ({"density": 0.4}, "it hardly makes the sound denser."),
        ({"density": 0.4, "loudness": 0.45}, "it hardly makes the sound denser."),
        (
            {"density": 0.4, "loudness": 1.2},
            "it hardly makes the sound denser; rather it becomes louder.",
        ),
        (
            {"density": 0.4, "pulse": -1.2},
            "it hardly makes the sound denser; rather it becomes steadier.",
        ),
        ({"density": -2.0}, "it hardly makes the sound denser."),
        (
            {"density": 2.0, "brightness": -3.0},
            "it makes the sound denser, but even more so darker.",
        ),
    ],
)
def test_what_a_musician_is_told(moved, text):
    assert report(moved).weakness("density") == text


def test_unmeasured_and_unknown():
    assert report({}).weakness("density") is None
    assert report({}).model_copy(update={"effect": None}).weakness("density") is None
    assert report({"swirl": 0.1}).weakness("swirl") == "it hardly makes the sound different."
    assert set(MORE) == set(LESS) == set(NAMES)


@given(st.dictionaries(st.sampled_from([*NAMES, "x"]), st.none() | st.floats(), max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_figures_give_a_sentence_or_none(moved):
    for name in NAMES:
        text = report(moved).weakness(name)
        assert text is None or text.endswith(".")
