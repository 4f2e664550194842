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
