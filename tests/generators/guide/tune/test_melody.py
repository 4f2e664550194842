"""The tune: what the singer and the band rely on."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.generators.base import LyricLine, Request
from milonga.generators.guide.band.harmony import lay_out, parse_key
from milonga.generators.guide.sections import SHAPES
from milonga.generators.guide.tune.melody import (
    FEMALE,
    MALE,
    VoiceRange,
    bar_scale,
    compose_melody,
)
from milonga.generators.guide.tune.phrasing import FASTEST, set_lines
from milonga.generators.words.sections import section_kind

VERSE = (
    "We laugh at the chaos, we play with the luck,",
    "Dreams synthetic but hearts imperfect. (susurra)",
)
CHORUS = ("We whisper, susurra conmigo,", "Whisper del futuro, amor y código.")


def request(lines=(), **changes):
    lyrics = tuple(LyricLine(text=text) for text in lines)
    usual = {"role": "vocals", "section": "verse", "key": "A minor", "tempo": 122.0, "seed": 0}
    return Request(**{**usual, "seconds": 15.0, "lyrics": lyrics, **changes})


def pitches(lines):
    return [note.pitch for line in lines for note in line.notes]


def test_the_reference_verse():
    first, second, answer = compose_melody(request(VERSE), MALE)
    assert (first.line_index, second.line_index, answer.line_index) == (0, 1, 1)
    assert first.text.startswith("We laugh")
    assert answer.text == "susurra"
    assert answer.answer
    assert not second.answer
    assert [len(line.notes) for line in (first, second, answer)] == [11, 9, 3]
    assert first.words[4] == ("cha", "os")
    bar_s = 240 / 122
    for line in (first, second):
        assert line.start_s == pytest.approx(line.bar * bar_s, abs=1e-9)
        assert line.notes[-1].sustained
    assert answer.start_s >= second.notes[-1].start_s


@pytest.mark.parametrize("changes", [{"role": "backing"}, {"style": "tango"}, {"mood": "dark"},
                                     {"voice": "female"}, {"negative": "drums"},
                                     {"options": {"a": 1}}, {"accompanied": True}])  # fmt: skip
def test_layers_of_a_segment_share_the_tune(changes):
    assert compose_melody(request(VERSE)) == compose_melody(request(VERSE, **changes))


def test_voices_sing_it_an_octave_apart():
    low, high = compose_melody(request(VERSE), MALE), compose_melody(request(VERSE), FEMALE)
    assert [p + 12 for p in pitches(low)] == pitches(high)
    assert min(pitches(low)) >= MALE.low
    assert max(pitches(high)) <= FEMALE.high


def test_the_chorus_has_its_tune_again_in_a_longer_segment_and_over_other_words():
    once = compose_melody(request(CHORUS, section="chorus", seconds=16.0, tempo=120.0))
    again = compose_melody(request(CHORUS, section="Final Chorus", seconds=17.0, tempo=120.0))
    # All but the last breath, whose chords lead to the end of the segment.
    assert pitches(once)[:15] == pitches(again)[:15]
    other = ("They whisper, murmura conmigo,", CHORUS[1])
    assert (
        pitches(compose_melody(request(other, section="chorus", seconds=16.0, tempo=120.0)))[:9]
        == (pitches(once)[:9])
    )
    verse = compose_melody(request(CHORUS, section="verse", seconds=16.0, tempo=120.0))
    assert pitches(verse) != pitches(once)


def test_a_syllable_more_keeps_the_contour():
    """Mean heights of the quarters of a line move by less than a third (4 semitones)."""
    for seed in range(6):
        short = compose_melody(request(["We dance in the light of the moon tonight"], seed=seed))
        longer = compose_melody(request(["We dance in the light of the silver moon"], seed=seed))
        for a, b in zip(_quarters(short[0]), _quarters(longer[0]), strict=True):
            assert abs(a - b) < 4


def _quarters(line):
    notes = [n.pitch for n in line.notes]
    size = len(notes) / 4
    return [
        sum(part) / len(part)
        for part in (notes[int(i * size) : int((i + 1) * size)] for i in range(4))
    ]


def test_another_key_is_the_same_tune_moved():
    """Steps between notes: mostly the same, as the voice's range stays where it is."""
    for seed in range(4):
        here = pitches(compose_melody(request(VERSE, seed=seed, key="A minor")))
        there = pitches(compose_melody(request(VERSE, seed=seed, key="Bb minor")))
        assert len(here) == len(there)
        assert {p % 12 for p in there} <= parse_key("Bb minor").pitch_classes | {9}


def test_seeds_give_other_tunes():
    assert len({tuple(pitches(compose_melody(request(VERSE, seed=s)))) for s in range(8)}) >= 7


@pytest.mark.parametrize("key", ["A minor", "C major", "F# minor", "D dorian", "E phrygian"])
@pytest.mark.parametrize("section", ["verse", "chorus", "bridge", "outro"])
def test_long_notes_are_chord_tones_and_steps_prevail(key, section):
    steps = total = 0
    for seed in range(5):
        asked = request(VERSE, key=key, section=section, seed=seed, seconds=20.0)
        bars = lay_out(asked.tempo, 20.0, parse_key(key), section_kind(section), seed)
        for line in compose_melody(asked):
            for note in line.notes:
                bar = next(b for b in reversed(bars) if b.start_s <= note.start_s + 1e-6)
                assert note.pitch % 12 in bar_scale(parse_key(key), bar)
                if note.sustained:
                    assert note.pitch % 12 in bar.chord.pitch_classes
            moves = [b.pitch - a.pitch for a, b in pairwise(line.notes)]
            assert all(abs(move) <= 12 for move in moves)
            steps += sum(abs(move) <= 4 for move in moves)
            total += len(moves)
    # Vocal tunes move by thirds and less four times out of five.
    assert steps > 0.8 * total


WORDS = st.sampled_from(
    ["we", "love", "the", "night", "fire", "dancing", "(oh)", "yeah,", "corazón", "808", "💔"]
)
LINES = st.lists(st.lists(WORDS, min_size=1, max_size=9).map(" ".join), max_size=6)


TIMES = st.sampled_from(["4/4", "4/4", "3/4", "2/4", "6/8", "12/8"])


@settings(max_examples=80, deadline=None)
@given(
    lines=LINES,
    tempo=st.floats(40, 240),
    seconds=st.floats(1, 60),
    section=st.sampled_from(sorted(SHAPES)),
    seed=st.integers(0, 2**63),
    voice=st.sampled_from([MALE, FEMALE, VoiceRange(50, 69)]),
    time=TIMES,
    pickup=st.sampled_from([0.0, 0.0, 1.0]),
)
def test_every_tune_can_be_sung(lines, tempo, seconds, section, seed, voice, time, pickup):
    pickup = pickup if pickup * 60 / tempo < seconds / 2 else 0.0
    asked = request(lines, tempo=tempo, seconds=seconds, section=section, seed=seed, time=time,
                    pickup=pickup)  # fmt: skip
    setting = set_lines(asked)
    tune = compose_melody(asked, voice)
    assert tune
    for line in tune:
        assert [n.syllable_index for n in line.notes] == list(range(len(line.notes)))
        assert line.start_s == line.notes[0].start_s
        assert line.end_s == line.notes[-1].end_s <= seconds
        if line.words:
            assert sum(map(len, line.words)) == len(line.notes)
        for note in line.notes:
            assert voice.low <= note.pitch <= voice.high
            assert note.end_s > note.start_s
        for before, after in pairwise(line.notes):
            assert before.end_s <= after.start_s + 1e-9
            if setting.fits:
                # No faster than FASTEST, to a thousandth.
                assert after.start_s - before.start_s >= 0.999 / FASTEST
    if setting.fits:
        for slot in setting.slots:
            # A line begins on a bar or, where they are short of bars, on a half or a beat; with a
            # pickup one that begins without a stress begins before it.
            half = {"4/4": 2, "12/8": 2}.get(time, 1)
            assert slot.start % half == 0 or (slot.start + pickup) % half == 0
            assert min(line.start_s for line in tune if line.line_index == slot.line) == (
                pytest.approx((slot.start + pickup) * 60 / tempo, abs=1e-9)
            )
    # One voice at a time: answers come in the gaps of the words around them.
    notes = sorted((n for line in tune for n in line.notes), key=lambda n: n.start_s)
    for before, after in pairwise(notes):
        assert before.end_s < after.start_s + 1e-9


@settings(max_examples=60, deadline=None)
@given(lines=LINES, tempo=st.floats(40, 240), seconds=st.floats(1, 30), time=TIMES)
def test_what_does_not_fit_fits_in_the_seconds_that_are_named(lines, tempo, seconds, time):
    asked = request(lines, tempo=tempo, seconds=seconds, time=time)
    setting = set_lines(asked)
    longer = asked.model_copy(update={"seconds": setting.needed_s + 0.001})
    assert set_lines(longer).fits or not setting.slots
    if not setting.fits:
        assert setting.needed_s > seconds
