import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.analysis.report.axes import hertz_ticks, note_ticks, time_ticks
from milonga.analysis.shown.figures import (
    COLUMNS,
    DASH,
    MINUS,
    cell,
    match_gains,
    number,
    yardstick_rows,
)
from milonga.analysis.shown.scales import Judged, scales

BY_LABEL = {column.label: column for column in COLUMNS}


@pytest.mark.parametrize(
    ("value", "decimals", "signed", "text"),
    [
        (1234.56, 1, False, "1,234.6"),
        (-0.25, 2, False, f"{MINUS}0.25"),
        (0.25, 2, True, "+0.25"),
        (-0.0004, 3, True, "0.000"),
        (0.0, 0, True, "0"),
        (10, 0, True, "+10"),
    ],
)
def test_numbers_have_a_real_minus_and_no_sign_on_zero(value, decimals, signed, text):
    assert number(value, decimals, signed=signed) == text


def test_a_cell_shows_the_value_and_its_difference_with_units():
    loudness = cell(BY_LABEL["Loudness"], {"loudness_lufs": -14.23}, {"loudness_diff_lu": 2.0})
    assert loudness.value == f"{MINUS}14.2\N{NO-BREAK SPACE}LUFS"
    assert loudness.difference == "+2.0\N{NO-BREAK SPACE}LU"
    centroid = cell(
        BY_LABEL["Centroid"],
        {"spectral_centroid_hz": 2345.6},
        {"spectral_centroid_diff_hz": -120.0, "spectral_centroid_diff_pct": -4.87},
    )
    assert centroid.value == "2,346\N{NO-BREAK SPACE}Hz"
    assert centroid.difference == f"{MINUS}5 %"
    assert not loudness.missing


def test_a_value_that_is_not_defined_is_a_dash_with_its_reason():
    silent = cell(BY_LABEL["Loudness"], {"loudness_lufs": None}, {"loudness_diff_lu": None})
    assert silent.value == DASH
    assert silent.difference == ""
    assert "too quiet" in silent.missing
    half = cell(BY_LABEL["Tempo"], {"tempo_bpm": 120.0}, {"tempo_diff_bpm": None})
    assert half.value.startswith("120.0")
    assert half.difference == DASH
    assert "beat" in half.missing
    assert cell(BY_LABEL["MFCC"], None, {"mfcc_similarity": None}).value == DASH


def test_a_similarity_is_the_value_itself():
    assert cell(BY_LABEL["MFCC"], {}, {"mfcc_similarity": 0.9444}).value == "0.944"
    assert cell(BY_LABEL["Timbre"], {"duration_s": 3.0}, None).value == ""


def test_yardsticks_are_rows_and_one_that_could_not_be_made_says_why():
    yardsticks = {
        "noise": {"features": None, "differences": {"mfcc_similarity": 0.5}, "reason": None},
        "shuffled": {"features": None, "differences": None, "reason": "Too short to shuffle."},
        "self": {"features": {"duration_s": 2.0}, "differences": {"duration_diff_s": 0.0}},
    }
    rows = yardstick_rows(yardsticks, COLUMNS)
    assert [row.label for row in rows] == ["Baseline again", "Baseline shuffled", "Noise"]
    assert rows[1].about == "Too short to shuffle"
    assert {cell.value for cell in rows[1].cells} == {DASH}
    assert rows[0].cells[0].value.startswith("2.00")
    assert yardstick_rows(None, COLUMNS) == []


@given(st.lists(st.none() | st.floats(-70, 10), max_size=8))
def test_matched_levels_only_turn_down_and_meet(loudness):
    gains = match_gains(loudness)
    assert len(gains) == len(loudness)
    played = []
    for lufs, gain in zip(loudness, gains, strict=True):
        if gain is not None:
            assert gain <= 0
            played.append(lufs + gain)
    # One sum and one difference of numbers up to 100: a few ulp.
    assert all(math.isclose(level, played[0], abs_tol=1e-9) for level in played)
    if any(lufs is not None for lufs in loudness):
        assert played


def test_a_recording_far_below_the_others_does_not_drag_them_down():
    assert match_gains([-14.0, -16.0, -60.0]) == [-2.0, 0.0, None]


def _yardsticks(noise, shuffled):
    scores = {"self": 1.0, "shuffled": shuffled, "noise": noise, "silence": None}
    return {
        name: {"common": {"sound_similarity": score}, "differences": {}}
        for name, score in scores.items()
    }


def _take(label, value, **verdict):
    verdicts = {"sound_similarity": verdict} if verdict else {}
    return Judged(label, {"sound_similarity": value}, verdicts)


def test_a_scale_runs_from_best_to_undefined():
    takes = [_take("near", 0.96, text="between x and y"), _take("far", 0.6)]
    (scale,) = scales(takes, _yardsticks(0.9, 0.99))
    labels = ["Baseline again", "Baseline shuffled", "near", "Noise", "far", "Silence"]
    assert [mark.label for mark in scale.marks] == labels
    places = [mark.at for mark in scale.marks[:-1]]
    assert places == sorted(places, reverse=True)
    assert places[0] == 100
    assert 0 < places[-1] < 20
    assert scale.marks[-1].at is None
    assert scale.take("near").verdict == "between x and y"
    assert "Baseline shuffled scores 0.990" in scale.sentence


def test_steps_beside_a_take_and_the_best_other_recording_are_shown():
    take = _take("t", 0.9, text="between a and c", better="a", worse="c")
    steps = {"a": 0.95, "b": 0.2, "c": 0.8}
    ladder = [{"label": name, "sound_similarity": at} for name, at in steps.items()]
    others = {
        f"another recording ({style})": {"sound_similarity": score}
        for style, score in (("tango", 0.3), ("house", 0.5), ("folk", None))
    }
    (scale,) = scales([take], _yardsticks(0.1, 0.4), others, ladder)
    marks = {mark.label: (mark.kind, mark.value) for mark in scale.marks}
    assert marks["a"] == ("step", "0.950")
    assert marks["c"] == ("step", "0.800")
    assert "b" not in marks
    assert marks["Another recording"] == ("yardstick", "0.500")


def test_a_take_named_like_a_yardstick_stays_a_take():
    (scale,) = scales([_take("Noise", 0.2)], _yardsticks(0.9, 0.99))
    assert [m.label for m in scale.marks if m.kind == "take"] == ["Noise"]
    assert scale.marks[-2].value == "0.200"


def test_a_document_of_milonga_01_still_has_its_scales():
    # Its similarities were means over time alone, and "controls" its yardsticks.
    controls = {
        name: {"differences": {"mfcc_similarity": score}}
        for name, score in (("self", 1.0), ("noise", 0.8), ("shuffled", 0.99), ("silence", None))
    }
    takes = [
        Judged("good", differences={"mfcc_similarity": 0.95}),
        Judged("poor", differences={"mfcc_similarity": 0.7}),
    ]
    (scale,) = scales(takes, controls)
    assert scale.name == "MFCC"
    assert scale.take("good").verdict == ""
    assert scale.take("poor").verdict == "noise scores as much"


def test_without_yardsticks_the_scale_says_so():
    (scale,) = scales([_take("take", 0.95)], None)
    assert "yardstick is missing" in scale.sentence
    assert scales([Judged("take"), Judged("other", differences={})], None) == []


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_places_stay_on_the_scale(take, noise, shuffled):
    (scale,) = scales([_take("t", take)], _yardsticks(noise, shuffled))
    assert all(0 <= mark.at <= 100 for mark in scale.marks if mark.at is not None)


@given(st.floats(0.01, 7200))
def test_time_labels_are_few_and_within_the_picture(span):
    ticks = time_ticks(span)
    assert 1 <= len(ticks) <= 8
    assert all(0 <= tick.at <= 100.001 for tick in ticks)


def test_labels_name_hertz_and_notes():
    centres = [50.0 * 1.06**band for band in range(100)]
    ticks = hertz_ticks(centres)
    assert {"200", "1k", "8k"} <= {tick.text for tick in ticks}
    # 50 Hz * 1.06**k = 1000 Hz at k = 51.4, counted from the bottom.
    (kilo,) = [tick for tick in ticks if tick.text == "1k"]
    assert kilo.at == pytest.approx(100 * (1 - 51.9 / 100), abs=0.2)
    notes = note_ticks()
    assert [tick.text for tick in notes] == list("CDEFGAB")
    assert notes[0].at > notes[-1].at
