"""A sung phrase by itself: joins, rests, whispers, vocal tracts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from milonga.generators.guide.score import MelodyLine, MelodyNote
from milonga.generators.guide.voice.alignment import stretches, syllables
from milonga.generators.guide.voice.casting import cast
from milonga.generators.guide.voice.phones import nuclei
from milonga.generators.guide.voice.singing import sing
from milonga.generators.guide.voice.world import analyse, synthesise
from milonga.generators.words.syllables import words_of

TEXT = "Toca la noche de papel"
SYLLABLES = ("To", "ca"), ("la",), ("no", "che"), ("de",), ("pa", "pel")


@pytest.fixture(scope="module")
def said(espeak):
    speech = espeak.speak(words_of(TEXT), "es", espeak.pace)
    return analyse(speech), nuclei(speech.phones)


def tune(notes, start=0.3):
    """A line from (length, rest behind it, pitch) for each of the eight syllables."""
    at, made = start, []
    for index, (length, rest, pitch) in enumerate(notes):
        made.append(MelodyNote(at, at + length, pitch, index, length > 0.45))
        at += length + rest
    return MelodyLine(0, TEXT, start, made[-1].end_s, 0, tuple(made), words=SYLLABLES)


notes = st.tuples(st.floats(0.09, 0.9), st.sampled_from([0.0, 0.0, 0.1, 0.4]), st.integers(48, 74))


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(notes, min_size=8, max_size=8), st.sampled_from(["male", "female", "whispered"]))
def test_no_join_clicks_and_rests_are_silent(said, espeak, chosen, voice):
    frames, spoken = said
    placed = syllables(tune(chosen), spoken)
    singer = cast(voice).lead
    sung = sing(placed, frames, singer, np.random.default_rng(1), engine=espeak)
    samples = sung.samples / np.abs(sung.samples).max()
    steps = np.abs(np.diff(samples))
    assert np.isfinite(samples).all()
    assert np.abs(samples[[0, -1]]).max() < 1e-3
    pieces = stretches(placed)
    joins = {round(t, 4) for piece in pieces for t in piece.target_s}
    for join in joins:
        at = round((join - sung.start_s) * sung.sample_rate)
        near = steps[max(0, at - 22) : at + 22].max(initial=0)
        around = steps[max(0, at - 880) : at + 880].max(initial=0)
        whole = steps.max()
        # A click is a step that nothing near it makes, and large for this voice at all. A burst
        # of a stop or a glottal pulse may fall on a join, but has its like within 40 ms.
        elsewhere = np.concatenate(
            [steps[max(0, at - 880) : max(0, at - 22)], steps[at + 22 : at + 880]]
        ).max(initial=0)
        assert near <= 1.6 * elsewhere + 0.02 or near < 0.25 * whole, (join, near, around)
    for left, right in itertools.pairwise(pieces):
        if right.target_s[0] - left.target_s[1] > 0.1:
            middle = (left.target_s[1] + right.target_s[0]) / 2 - sung.start_s
            rest = samples[
                round((middle - 0.01) * sung.sample_rate) : round(
                    (middle + 0.01) * sung.sample_rate
                )
            ]
            assert np.abs(rest).max() < 1e-3


def test_hisses_stay_under_the_vowels(said, espeak):
    frames, spoken = said
    placed = syllables(tune([(0.4, 0.0, 57)] * 8), spoken)
    sung = sing(placed, frames, cast("male").lead, np.random.default_rng(0), engine=espeak)

    def level(times):
        begin, end = (round((t - sung.start_s) * sung.sample_rate) for t in times)
        return 10 * np.log10((sung.samples[begin:end] ** 2).mean() + 1e-12)

    pieces = stretches(placed)
    vowels = np.median([level(p.target_s) for p in pieces if p.held])
    voiceless = [phone for n in spoken for phone in (*n.onset, *n.coda) if not phone.voiced]
    begins = {phone.start_s for phone in voiceless if not phone.pause}
    hisses = [level(p.target_s) for p in pieces if p.source_s[0] in begins]
    assert len(hisses) >= 4
    # 12 dB are aimed at for the peak of a vowel; over its length, and after a burst, it is less.
    assert max(hisses) < vowels - 4


def _periodicity(sung, note):
    """Autocorrelation of a held note at its own period, 1 for a pure repetition."""
    begin = round((note.start_s + 0.1 - sung.start_s) * sung.sample_rate)
    piece = sung.samples[begin : begin + round(0.15 * sung.sample_rate)]
    period = sung.sample_rate / (440 * 2 ** ((note.pitch - 69) / 12))
    lags = [round(period * factor) for factor in (0.98, 0.99, 1.0, 1.01, 1.02)]
    power = (piece**2).sum()
    return max(float((piece[:-lag] * piece[lag:]).sum() / power) for lag in lags)


def test_a_whisper_has_no_pitch(said, espeak):
    frames, spoken = said
    line = tune([(0.4, 0.0, 60 + i) for i in range(8)])
    placed = syllables(line, spoken)
    strength = {}
    for voice in ("male", "male whispered"):
        sung = sing(placed, frames, cast(voice).lead, np.random.default_rng(0), engine=espeak)
        strength[voice] = [_periodicity(sung, note) for note in line.notes]
    assert np.median(strength["male"]) > 0.7
    assert np.median(strength["male whispered"]) < 0.4


def test_a_longer_tract_lowers_the_formants(said, espeak):
    frames, spoken = said
    line = tune([(0.5, 0.0, 45)] * 8)
    placed = syllables(line, spoken)
    note = line.notes[4]

    def second_formant(voice):
        """Of the e in "noche", by the loudest part between 1.5 and 2.7 kHz."""
        sung = sing(placed, frames, cast(voice).lead, np.random.default_rng(0), engine=espeak)
        begin = round((note.start_s + 0.1 - sung.start_s) * sung.sample_rate)
        piece = sung.samples[begin : begin + round(0.3 * sung.sample_rate)]
        power = np.abs(np.fft.rfft(piece * np.hanning(len(piece)))) ** 2
        width = round(220 * len(piece) / sung.sample_rate)
        smooth = np.convolve(power, np.hanning(width), mode="same")
        hertz = np.fft.rfftfreq(len(piece), 1 / sung.sample_rate)
        band = (hertz > 1500) & (hertz < 2700)
        return hertz[band][smooth[band].argmax()]

    # Tracts of 1.16 and 1.0; harmonics 110 Hz apart place a peak to within 55.
    assert second_formant("female") / second_formant("male") == pytest.approx(1.16, abs=0.05)


def test_one_seed_one_performance(said, espeak):
    frames, spoken = said
    placed = syllables(tune([(0.6, 0.0, 60)] * 8), spoken)
    first, again, other = (
        sing(placed, frames, cast("").lead, np.random.default_rng(s), engine=espeak).samples
        for s in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_parameters_and_back_keep_the_level_of_speech(espeak):
    speech = espeak.speak(words_of(TEXT), "es")
    frames = analyse(speech)
    back = synthesise(np.where(frames.voiced, 110.0, 0.0), frames)
    ratio = np.sqrt((back**2).mean() / (speech.samples.astype(np.float64) ** 2).mean())
    # WORLD keeps power to within a decibel or so.
    assert 0.8 < ratio < 1.25
