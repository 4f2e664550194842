"""Keys, progressions and bars."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.errors import GeneratorError
from milonga.generators.guide.band.harmony import home, lay_out, parse_key, progression
from milonga.generators.guide.sections import SHAPES
from milonga.generators.words.sections import section_kind


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A minor", "A minor"),
        ("Am", "A minor"),
        ("a min", "A minor"),
        ("AM", "A major"),
        ("F# major", "F# major"),
        ("F♯", "F# major"),
        ("Bb", "Bb major"),
        ("B♭ minor", "Bb minor"),
        ("b minor", "B minor"),
        ("E-flat major", "Eb major"),
        ("C sharp minor", "C# minor"),
        ("Gb", "F# major"),
        ("D dorian", "D dorian"),
        ("E Phrygian dominant", "E phrygian dominant"),
        ("A harmonic minor", "A minor"),
        ("D-", "D minor"),
        ("la menor", "A minor"),
        ("Sol mayor", "G major"),
        ("do sostenido menor", "C# minor"),
        ("Si bemol", "Bb major"),
        ("a-Moll", "A minor"),
        ("h-moll", "B minor"),
        ("B-Dur", "Bb major"),
        ("fis-Moll", "F# minor"),
        ("Es-Dur", "Eb major"),
        ("ré mineur", "D minor"),
        ("Sol maior", "G major"),
        ("8A", "A minor"),
        ("8B", "C major"),
        ("12b", "E major"),
    ],
)
def test_keys_as_musicians_write_them(text, name):
    assert parse_key(text).name == name


@pytest.mark.parametrize("text", ["", "H", "minor", "A lala", "13A", "🎹", "A minor!", "Cmaj7"])
def test_what_is_no_key_is_refused_with_forms_that_are(text):
    with pytest.raises(GeneratorError, match="not a key") as caught:
        parse_key(text)
    assert "A minor" in caught.value.step


@given(st.text(max_size=20))
def test_any_text_is_a_key_or_refused(text):
    try:
        key = parse_key(text)
    except GeneratorError:
        return
    assert len(key.pitch_classes) == 7
    assert parse_key(key.name) == key


@pytest.mark.parametrize("key", ["A minor", "C major", "D dorian", "E phrygian", "G mixolydian"])
@pytest.mark.parametrize("kind", SHAPES)
def test_chords_belong_to_the_key_and_sections_recur(key, kind):
    key = parse_key(key)
    for seed in range(8):
        loop = progression(key, kind, seed)
        assert loop == progression(key, kind, seed)
        assert len(loop) == 4
        # At most one tone of a chord is borrowed (the leading note of a minor key's dominant).
        assert all(len(set(c.pitch_classes) - key.pitch_classes) <= 1 for c in loop)
    assert len({progression(key, kind, seed) for seed in range(20)}) > 1


@given(
    tempo=st.floats(20, 400),
    seconds=st.floats(0.1, 600),
    kind=st.sampled_from(sorted(SHAPES)),
    seed=st.integers(0, 2**40),
)
def test_bars_fill_the_segment_without_gaps(tempo, seconds, kind, seed):
    bars = lay_out(tempo, seconds, parse_key("A minor"), kind, seed)
    assert bars[0].start_s == 0
    assert bars[-1].end_s == seconds
    for before, after in pairwise(bars):
        assert before.end_s == after.start_s
        assert before.end_s - before.start_s == pytest.approx(240 / tempo, rel=1e-9)
    # The last bar is at most 0.6 beats longer than a whole one (and 1 % for rounded seconds).
    assert bars[-1].end_s - bars[-1].start_s <= (4.6 / 4 + 0.011) * 240 / tempo


@pytest.mark.parametrize("kind", ["chorus", "outro", "instrumental"])
@pytest.mark.parametrize("seconds", [8.0, 10.0, 13.3, 16.0])
def test_sections_that_close_come_home(kind, seconds):
    for name in ("A minor", "Eb major", "D dorian"):
        key = parse_key(name)
        assert lay_out(120, seconds, key, kind, 3)[-1].chord == home(key)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Verse 2", "verse"),
        ("Pre-Chorus", "pre-chorus"),
        ("Final Chorus", "chorus"),
        ("Estribillo", "chorus"),
        ("hook", "chorus"),
        ("Puente", "bridge"),
        ("Breakdown", "breakdown"),
        ("Outro (fade)", "outro"),
        ("Guitar solo", "instrumental"),
        ("Interludio", "interlude"),
        ("", "verse"),
        ("🎤", "verse"),
    ],
)
def test_section_words(text, kind):
    assert section_kind(text) == kind
