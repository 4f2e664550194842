"""What is asked for is found in music that has it, and not in music that hasn't."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.facts.chords import heard_chords
from milonga.analysis.facts.held import held, measures, reading
from milonga.analysis.facts.key import key_name, key_of, relation
from milonga.analysis.facts.metre import metre_at
from milonga.analysis.facts.model import Asked, AskedChord
from milonga.analysis.facts.voice import Voice
from milonga.analysis.pairs.pitch import chroma, tuning
from milonga.analysis.pairs.sketch import HOP_S, sketch
from milonga.audio import Clip

RATE = 16_000
PROGRESSION = (("Am", (9, 0, 4)), ("Dm", (2, 5, 9)), ("E", (4, 8, 11)), ("Am", (9, 0, 4)))
CHORDS = tuple(AskedChord(name, classes) for name, classes in PROGRESSION)
ASKED = Asked(
    seconds=12, tempo=120, time="4/4", beats=4, key="A minor", tonic=9, minor=True, chords=CHORDS
)


def band(beats=4, parts=2, tempo=120.0, seconds=12.0, chords=CHORDS, move=0):
    """Bass on the first beat, chords on the others, a hi-hat on each part of a beat."""
    rng = np.random.default_rng(4)
    out = np.zeros(round((seconds + 3) * RATE))
    beat = 60 / tempo

    def add(at, wave):
        first = round(at * RATE)
        out[first : first + len(wave)] += wave[: len(out) - first]

    time = np.arange(round(2 * beat * RATE)) / RATE
    for count in range(int(seconds / beat)):
        bar, place = divmod(count, beats)
        notes = [48 + (one + move) % 12 for one in chords[bar % len(chords)].classes]
        if place == 0:
            add(count * beat, 0.5 * tone(notes[0] - 12, time) * np.exp(-3 * time))
        for note in notes:
            add(count * beat, (0.1 if place else 0.16) * tone(note + 12, time) * np.exp(-4 * time))
        for part in range(parts):
            hat = rng.standard_normal(RATE // 40) * np.exp(-np.arange(RATE // 40) / 80)
            add((count + part / parts) * beat, 0.06 * hat)
    return Clip(out[: round(seconds * RATE)].astype(np.float32), RATE)


def tone(note, time):
    hertz = 440 * 2 ** ((note - 69) / 12)
    return sum(np.sin(2 * np.pi * hertz * n * time) / n**2 for n in (1, 2, 3))


@pytest.fixture(scope="module")
def heard():
    return measures(sketch(band()))


def verdicts(found, asked):
    return {fact.name: fact.verdict for fact in held(found, asked)}


def test_all_that_was_asked_for_is_met(heard):
    facts = {fact.name: fact for fact in held(heard, ASKED)}
    assert {name: fact.verdict for name, fact in facts.items()} == dict.fromkeys(
        ("length", "tempo", "metre", "key", "chords"), "met"
    )
    # The tempo's grid is finer than half a percent over 12 s.
    assert facts["tempo"].value % 120 == pytest.approx(0, abs=0.6) or facts[
        "tempo"
    ].value == pytest.approx(120, abs=0.6)
    assert facts["chords"].heard.split()[:4] == ["Am", "Dm", "E", "Am"]
    assert "asked for A minor: met" in facts["key"].text


@pytest.mark.parametrize(
    ("change", "name", "verdict"),
    [
        ({"seconds": 20}, "length", "not met"),
        ({"seconds": 12.3, "exact": True}, "length", "not met"),
        ({"seconds": 12.3}, "length", "met"),
        ({"tempo": 101}, "tempo", "not met"),
        ({"tempo": 60}, "tempo", "met"),
        ({"tempo": 240}, "tempo", "met"),
        ({"time": "3/4", "beats": 3}, "metre", "not met"),
        ({"time": "6/8", "beats": 2, "compound": True}, "metre", "not met"),
        ({"key": "F# major", "tonic": 6, "minor": False}, "key", "not met"),
        ({"key": "C major", "tonic": 0, "minor": False}, "key", "can't tell"),
        ({"chords": tuple(CHORDS[n] for n in (2, 0, 3, 1))}, "chords", "not met"),
        ({"chords": ()}, "chords", None),
        ({"sung": True}, "voice", "can't tell"),
    ],
)
def test_each_that_differs_is_not_met(change, name, verdict, heard):
    from dataclasses import replace

    assert verdicts(heard, replace(ASKED, **change)).get(name) == verdict


def test_without_a_sheet_there_are_no_verdicts(heard):
    facts = held(heard, Asked())
    assert {fact.name for fact in facts} == {"length", "tempo", "metre", "key"}
    assert all(fact.verdict is None and not fact.asked and fact.heard for fact in facts)


def test_noise_has_no_tempo_metre_and_key(rng):
    noise = Clip(0.1 * rng.standard_normal(12 * RATE).astype(np.float32), RATE)
    found = verdicts(measures(sketch(noise)), ASKED)
    assert [found[name] for name in ("tempo", "metre", "key")] == ["can't tell"] * 3
    assert found["chords"] != "met"


@pytest.mark.parametrize(
    ("beats", "parts", "triple", "compound"),
    [(4, 2, False, False), (3, 2, True, False), (2, 3, False, True), (2, 2, False, False)],
)
def test_metres_are_told(beats, parts, triple, compound):
    found = sketch(band(beats, parts, 100))
    notes = chroma(found.pitch, tuning(found.pitch))
    heard = metre_at(found.onsets, notes, 0.6)
    assert (heard.triple, heard.compound) == (triple, compound)
    assert metre_at(found.onsets[:300], notes[:60], 0.6).triple is None


@pytest.mark.parametrize("move", [0, 3, 10])
def test_transposed_chords_are_named(move):
    found = sketch(band(move=move))
    notes = chroma(found.pitch, tuning(found.pitch))
    heard = heard_chords(notes, HOP_S, CHORDS, 2.0)
    assert heard.moved == (move if move <= 6 else move - 12)
    assert (heard.share == 1.0) == (move == 0)
    assert heard_chords(notes[:30], HOP_S, CHORDS, 2.0) is None


@given(st.integers(0, 11), st.booleans())
@settings(max_examples=24, deadline=None)
def test_keys_and_their_relatives(tonic, minor):
    scale = (0, 2, 3, 5, 7, 8, 10) if minor else (0, 2, 4, 5, 7, 9, 11)
    notes = np.zeros((1, 12))
    notes[0, [(tonic + step) % 12 for step in scale]] = 1
    notes[0, [tonic, (tonic + 7) % 12]] = 3
    found = key_of(notes)
    assert (found.tonic, found.minor) == (tonic, minor)
    assert sum(found.likelihoods) == pytest.approx(1, abs=1e-9)
    other = (tonic + 3) % 12 if minor else (tonic + 9) % 12
    assert relation(tonic, minor, other, not minor) == "relative"
    assert found.name == key_name(tonic, minor)


@given(st.floats(40, 240), st.sampled_from([0.5, 1.0, 2.0]), st.floats(-0.019, 0.019))
def test_octaves_of_a_tempo_are_read(asked, octave, stray):
    assert reading(asked * octave * (1 + stray), asked) == octave
    assert reading(asked * octave * 1.06, asked) is None


@pytest.mark.parametrize(
    ("voice", "asked", "expected"),
    [
        (Voice(0.7, 0.8, 120, 150, 200), "male", {"voice": "met", "register": "met"}),
        (Voice(0.7, 0.8, 120, 150, 200), "female", {"voice": "met", "register": "not met"}),
        (Voice(0.7, 0.8, 250, 330, 400), "female", {"voice": "met", "register": "met"}),
        (Voice(0.7, 0.8, 150, 200, 260), "female", {"voice": "met", "register": "can't tell"}),
        (Voice(0.0, 0.8), "female", {"voice": "can't tell"}),
    ],
)
def test_voices_high_and_low(voice, asked, expected, heard):
    from dataclasses import replace

    found = replace(heard, voice=voice)
    assert verdicts(found, Asked(sung=True, voice=asked)).items() >= expected.items()
    unsung = {fact.name: fact.verdict for fact in held(found, Asked(sung=False))}
    assert unsung["voice"] == ("not met" if voice.share > 0.5 else "can't tell")


@settings(max_examples=20, deadline=None)
@given(frames=st.integers(1, 40_000), level=st.sampled_from([0.0, 1e-6, 0.3]))
def test_any_clip_has_facts(frames, level):
    samples = level * np.random.default_rng(frames).uniform(-1, 1, frames)
    facts = held(measures(sketch(Clip(samples.astype(np.float32), 8_000))), ASKED)
    assert [fact.name for fact in facts] == ["length", "tempo", "metre", "key", "chords"]
    assert all(fact.text and fact.verdict for fact in facts)
