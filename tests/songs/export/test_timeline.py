from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.generators.measures import METRES
from milonga.songs.export.timeline import Place, tempo_map

SEGMENT = st.tuples(
    st.floats(0.3, 40.0), st.floats(30.0, 240.0), st.sampled_from(sorted(METRES)),
    st.sampled_from([0.0, 0.0, 1.0, 0.5, 1.5]),
)  # fmt: skip


def places_of(segments, overlap_s=0.03):
    places, at = [], 0.0
    for number, (seconds, tempo, time, pickup) in enumerate(segments, 1):
        overlap = min(overlap_s, seconds / 4)
        places.append(
            Place(number, "x", "verse", at, at + seconds, tempo, METRES[time], pickup=pickup)
        )
        at += seconds - overlap
    return places


@settings(max_examples=60, deadline=None)
@given(segments=st.lists(SEGMENT, min_size=1, max_size=6), share=st.floats(0, 1))
def test_every_segment_begins_a_bar_and_time_goes_both_ways(segments, share):
    places = places_of(segments)
    tempo = tempo_map(places)
    assert tempo.points[0].at_s == 0
    for place in places:
        # A float's rounding over a song of minutes.
        point = [p for p in tempo.points if p.at_s <= place.start_s + 1e-9][-1]
        quarters = tempo.quarters(place.start_s) - point.quarters
        bars = quarters * point.denominator / 4 / point.numerator
        assert bars == pytest.approx(round(bars), abs=1e-6)
    end = places[-1].end_s
    at = share * end
    assert tempo.seconds(tempo.quarters(at)) == pytest.approx(at, abs=1e-6)
    steps = [tempo.quarters(end * n / 50) for n in range(51)]
    assert steps == sorted(steps)
    for before, after in zip(tempo.points, tempo.points[1:], strict=False):
        assert after.bar > before.bar
        played = (after.at_s - before.at_s) * before.bpm / 60
        # Beyond the tempos that workstations take a bar of a sliver is cut short.
        if 5 < before.bpm < 960:
            assert played == pytest.approx(after.quarters - before.quarters, rel=1e-6)


def test_whole_bars_keep_the_tempo_of_the_sheet():
    # Two segments of whole bars, joined without an overlap: 4 of 4/4 at 120, 3 of 6/8 at 60.
    tempo = tempo_map(places_of([(8.0, 120.0, "4/4", 0.0), (6.0, 60.0, "6/8", 0.0)], 0.0))
    assert [(p.at_s, p.bar, p.bpm, p.numerator, p.denominator) for p in tempo.points] == [
        (0.0, 0, 120.0, 4, 4),
        # Sixty dotted quarters are ninety quarters.
        (8.0, 4, 90.0, 6, 8),
    ]


def test_a_song_of_one_tempo_has_one_point():
    assert len(tempo_map(places_of([(8.0, 120.0, "4/4", 0.0)] * 3, 0.0)).points) == 1


def test_beats_left_over_are_a_shorter_bar_and_a_pickup_comes_first():
    # Five and a half bars of 4/4; then a pickup of a beat before two bars.
    tempo = tempo_map(places_of([(11.0, 120.0, "4/4", 0.0), (4.5, 120.0, "4/4", 1.0)], 0.0))
    assert [(p.bar, p.numerator, round(p.bpm)) for p in tempo.points] == [
        (0, 4, 120), (5, 2, 120), (6, 1, 120), (7, 4, 120),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "points"),
    [
        # Eight bars less a beat, and a pickup of one: the song is in 3/4 throughout.
        ((11.5, 120.0, "3/4"), (6.5, 120.0, "3/4", 1.0), [(0, 3, 4, 120)]),
        # The pickup has the tempo of what follows, within the bar.
        (
            (11.5, 120.0, "3/4"), (3.25, 240.0, "3/4", 1.0),
            [(0, 3, 4, 120), (7 + 2 / 3, 3, 4, 240)],
        ),
        ((11.25, 120.0, "3/4"), (6.75, 120.0, "3/4", 1.5), [(0, 3, 4, 120)]),
        # A dotted quarter in the end of a bar of 4/4.
        (
            (2 * 2.0 - 0.75, 120.0, "4/4"), (5 * 0.75, 80.0, "6/8", 1.0),
            [(0, 4, 4, 120), (2, 6, 8, 120)],
        ),
        # More than a bar of it.
        ((1.5, 120.0, "4/4"), (8.0 + 2.5, 120.0, "4/4", 5.0), [(0, 4, 4, 120)]),
    ],
)  # fmt: skip
def test_a_pickup_completes_the_bar_before_it(before, after, points):
    tempo = tempo_map(places_of([(*before, 0.0), after], 0.0))
    assert [(p.bar, p.numerator, p.denominator, p.bpm) for p in tempo.points] == [
        pytest.approx(point, abs=1e-9) for point in points
    ]


def test_segments_that_start_on_samples_keep_one_tempo_and_begin_on_bars():
    # A bar at 122 beats a minute is no whole number of samples.
    bar, rate = 240 / 122, 44_100
    starts = [round(n * 3 * bar * rate) / rate for n in range(9)]
    places = [Place(n, "x", "verse", a, b, 122.0) for n, (a, b) in enumerate(pairwise(starts), 1)]
    tempo = tempo_map(places)
    assert tempo.steady
    assert [tempo.on_grid(place.start_s) for place in places] == [12.0 * n for n in range(8)]
