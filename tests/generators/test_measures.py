"""Metres, and chords as musicians write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.generators.measures import (
    METRES,
    bars_of,
    chords_text,
    metre_of,
    parse_chord,
    parse_chords,
)

SYMBOLS = (
    "C", "Am", "F#m7", "Bbmaj7", "E7", "Dm7b5", "C/E", "Gsus4", "Adim", "Caug", "Am/G", "D9", "B°7",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "root", "intervals", "bass"),
    [
        ("Am", 9, (0, 3, 7), 9),
        ("C/E", 0, (0, 4, 7), 4),
        ("F♯m7", 6, (0, 3, 7, 10), 6),
        ("Bbmaj7/D", 10, (0, 4, 7, 11), 2),
        ("AM7", 9, (0, 4, 7, 11), 9),
        ("Dm7b5", 2, (0, 3, 6, 10), 2),
        ("Lam", 9, (0, 3, 7), 9),
        ("Mi7", 4, (0, 4, 7, 10), 4),
        ("Sol", 7, (0, 4, 7), 7),
        ("Sib", 10, (0, 4, 7), 10),
    ],
)
def test_a_chord(text, root, intervals, bass):
    chord = parse_chord(text)
    assert (chord.root, chord.intervals, chord.bass) == (root, intervals, bass)


@pytest.mark.parametrize("text", ["H", "am", "Am:2", "Cfoo", "", "C/", "C/Q", "do", "1"])
def test_what_is_no_chord(text):
    with pytest.raises(ValueError, match="no chord"):
        parse_chord(text)


def test_a_german_h_is_explained():
    with pytest.raises(ValueError, match="H is written B here, and the German B is Bb"):
        parse_chord("H7")


lengths = st.fractions(Fraction(1, 4), 8, max_denominator=4)


@given(st.lists(st.tuples(st.sampled_from(SYMBOLS), lengths), min_size=1, max_size=8))
def test_chords_are_written_as_they_are_read(pairs):
    changes = parse_chords(" ".join(f"{name}:{bars}" for name, bars in pairs))
    assert [(change.chord.name, change.bars) for change in changes] == pairs
    assert parse_chords(chords_text(changes)) == changes
    assert bars_of(changes) == sum(bars for _, bars in pairs)


def test_chords_share_a_bar_between_bar_lines():
    changes = parse_chords("|: Am F | C / G | % :|")
    assert chords_text(changes) == "Am:1/2 F:1/2 C:2/3 G:1/3 C:2/3 G:1/3"
    with pytest.raises(ValueError, match="begins with %"):
        parse_chords("| % | Am |")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("| Am | F |: C | G :| E7 |]", "Am F C G C G E7"),
        ("|: Am | F :| C | G |", "Am F Am F C G"),
        ("|: Am :||: F :|", "Am Am F F"),
        # Two lines of a chart.
        ("| Am | F | | C | % ||", "Am F C C"),
        ("N.C. Am:2 n.c. NC:1/2", "N.C. Am:2 N.C. N.C.:1/2"),
        ("Am - F – C:2 - G", "Am F C:2 G"),
        ("| Am N.C. | N. C. |", "Am:1/2 N.C.:1/2 N.C."),
    ],
)
def test_repeats_and_bars_without_a_chord(text, written):
    changes = parse_chords(text)
    assert chords_text(changes) == written
    assert parse_chords(written) == changes
    assert all(change.chord.silent == (change.chord.name == "N.C.") for change in changes)
    with pytest.raises(ValueError, match=r"no chord in it but N\.C\."):
        parse_chords("N.C.")
    with pytest.raises(ValueError, match="H is written B"):
        parse_chords("C Hm7")


def test_a_metre_counts_the_beats_of_its_tempo():
    assert {name: (m.beats, m.quarters) for name, m in METRES.items()} == {
        "4/4": (4, 4), "3/4": (3, 3), "6/8": (2, 3), "2/4": (2, 2), "12/8": (4, 6),
    }  # fmt: skip
    assert metre_of("6/8").bar_s(60) == 2
    with pytest.raises(ValueError, match="no metre"):
        metre_of("5/4")
