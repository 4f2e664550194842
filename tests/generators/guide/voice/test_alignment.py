from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.generators.guide.score import MelodyLine, MelodyNote
from milonga.generators.guide.voice.alignment import stretches, syllables
from milonga.generators.guide.voice.contour import pitch_contour
from milonga.generators.guide.voice.phones import Phone, nuclei


def spoken(*words):
    """Phones of words given as lists of symbols, 80 ms each."""
    phones, at = [], 0.0
    for index, symbols in enumerate(words):
        for symbol in symbols:
            phones.append(Phone(symbol, at, at + 0.08, index))
            at += 0.08
    return nuclei(phones)


def line(counts, *, each=0.4, gap=0.0, start=1.0):
    notes, index = [], 0
    for count in counts:
        for _ in range(count):
            begin = start + index * each
            notes.append(MelodyNote(begin, begin + each - gap, 60 + index % 5, index, False))
            index += 1
    words = tuple(tuple("x" for _ in range(count)) for count in counts)
    return MelodyLine(0, "x", start, notes[-1].end_s, 0, tuple(notes), words=words)


def test_syllables_that_agree_take_one_note_each():
    placed = syllables(line([2, 1]), spoken(["k", "a", "s", "a"], ["s", "i"]))
    assert [len(s.notes) for s in placed] == [1, 1, 1]
    assert [s.nucleus.word for s in placed] == [0, 0, 1]


def test_fewer_spoken_syllables_hold_several_notes():
    placed = syllables(line([3, 1]), spoken(["a", "s"], ["i"]))
    assert [len(s.notes) for s in placed] == [3, 1]


def test_more_spoken_syllables_share_a_note():
    placed = syllables(line([1, 1]), spoken(["a", "b", "o", "d", "u"], ["i"]))
    assert [s.nucleus.word for s in placed] == [0, 0, 0, 1]
    edges = [(s.start_s, s.end_s) for s in placed]
    assert edges[0][0] == 1.0
    assert edges[2][1] == pytest.approx(1.4)
    assert edges[0][1] == pytest.approx(edges[1][0])


def test_a_word_that_makes_no_sound_is_held_over():
    placed = syllables(line([1, 1, 1]), spoken(["a"], [], ["i"]))
    assert [len(s.notes) for s in placed] == [2, 1]
    first = syllables(line([1, 1]), spoken([], ["i"]))
    assert [len(s.notes) for s in first] == [2]


def test_the_first_consonants_come_before_the_beat():
    placed = syllables(line([1]), spoken(["s", "t", "a"]))
    pieces = stretches(placed)
    # Two consonants of 80 ms; the vowel is on the note, at 1 s.
    assert pieces[0].target_s[0] == pytest.approx(0.84)
    assert next(piece for piece in pieces if piece.held).target_s[0] == pytest.approx(1.0)
    late = stretches(placed, earliest_s=0.9)
    assert late[0].target_s[0] == pytest.approx(0.9)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=8),
    st.floats(0.05, 2.0),
    st.floats(0.0, 0.9),
    st.floats(0.0, 0.3),
)
def test_whatever_the_counts_the_song_runs_forward_and_vowels_begin_with_notes(
    words, each, rest, start
):
    """Any number of spoken syllables over any number of notes, dense or with rests."""
    said = spoken(*(["s", "t", "a"] * spoken_count for spoken_count, _ in words))
    tune = line([count for _, count in words], each=each, gap=rest * each, start=start)
    placed = syllables(tune, said)
    assert len(placed) == len(said)
    # No note is lost, as long as anything is sung at all.
    if placed:
        covered = [note for s in placed for note in s.notes]
        assert covered[0].start_s == tune.notes[0].start_s
        assert covered[-1].end_s == pytest.approx(tune.notes[-1].end_s)
        pieces = stretches(placed)
        at = 0.0
        for piece in pieces:
            assert piece.target_s[0] >= at - 1e-9
            assert piece.target_s[1] > piece.target_s[0]
            assert piece.source_s[1] > piece.source_s[0]
            at = piece.target_s[1]
        starts = np.array([p.target_s[0] for p in pieces if p.held])
        for syllable in placed[1:]:
            assert np.abs(starts - syllable.start_s).min() < 1e-6
        # The first may come late by what its consonants need at least.
        assert -1e-9 <= starts[0] - placed[0].start_s <= 0.041


def test_consonants_keep_their_length_and_leave_the_vowel_its_share():
    placed = syllables(line([1, 1], each=1.0), spoken(["s", "a", "s"], ["t", "a"]))
    pieces = stretches(placed)
    consonants = [p for p in pieces if not p.held]
    assert all(0.0 < p.target_s[1] - p.target_s[0] <= 0.081 for p in consonants)
    quick = stretches(syllables(line([1, 1], each=0.1), spoken(["a", "s", "s"], ["t", "a"])))
    vowel = sum(p.target_s[1] - p.target_s[0] for p in quick if p.held and p.target_s[0] < 1.1)
    assert vowel >= 0.045 - 1e-9


def test_a_held_vowel_keeps_its_edges_and_stretches_its_middle():
    pieces = [p for p in stretches(syllables(line([1], each=2.0), spoken(["a"]))) if p.held]
    lengths = [p.target_s[1] - p.target_s[0] for p in pieces]
    assert len(pieces) == 3
    assert lengths[0] < 0.06
    assert lengths[2] < 0.06
    assert lengths[1] > 1.8


def test_rests_stay_silent():
    pieces = stretches(syllables(line([1, 1], each=1.0, gap=0.5), spoken(["a"], ["s", "a"])))
    gaps = [right.target_s[0] - left.target_s[1] for left, right in pairwise(pieces)]
    # Half a second less the consonant of the second.
    assert max(gaps) == pytest.approx(0.42, abs=0.01)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.15, 3.0), st.integers(45, 76)), min_size=1, max_size=6),
    st.integers(0, 1000),
)
def test_the_pitch_is_in_tune_on_average_over_every_note(notes, seed):
    at, sung = 0.5, []
    for length, pitch in notes:
        sung.append(MelodyNote(at, at + length, pitch, len(sung), True))
        at += length
    times = np.arange(0.3, at + 0.2, 0.005)
    pitch = 69 + 12 * np.log2(pitch_contour(sung, times, np.random.default_rng(seed)) / 440)
    for note in sung:
        inside = (times >= note.start_s + 0.03) & (times < note.end_s - 0.08)
        error = pitch[inside] - note.pitch
        # Vibrato is 28 cents either way, drift has a deviation of 4.
        assert np.abs(error).max(initial=0) < 0.5
        if note.end_s - note.start_s > 0.4:
            assert abs(error.mean()) < 0.08


def test_no_vibrato_where_none_is_wanted():
    note = MelodyNote(0.0, 2.0, 69, 0, True)
    times = np.arange(0.0, 2.0, 0.005)
    plain = pitch_contour([note], times, np.random.default_rng(0), vibrato=0.0)
    sung = pitch_contour([note], times, np.random.default_rng(0))
    assert np.ptp(1200 * np.log2(plain / 440)) < 40
    assert 45 < np.ptp(1200 * np.log2(sung / 440)) < 90
