import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.analysis.features import features
from milonga.analysis.filters import fast_length
from milonga.analysis.spectra import magnitudes
from milonga.analysis.tempo import tempo_bpm
from milonga.analysis.tuning import TuningEstimate
from milonga.audio import Clip


@pytest.mark.parametrize("tempo", [80, 97, 122, 140, 175])
@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_tempo_of_clicks(tempo, rate):
    clicks = np.zeros(12 * rate, dtype=np.float32)
    clicks[np.round(np.arange(0, 12, 60 / tempo) * rate).astype(int)] = 0.9
    found = features(Clip(clicks, rate)).tempo_bpm
    # A lag is a whole number of frames: at 175 BPM one of 15 frames is 3.4 %. Octaves fold.
    assert (
        min(abs(found * f / tempo - 1) for f in (0.5, 1, 2)) < 0.5 * 512 * tempo / 60 / rate + 0.01
    )


@pytest.mark.parametrize("cents", [-40, -15, 0, 20, 45])
def test_tuning_of_a_chord(cents):
    t = np.arange(5 * 22_050) / 22_050
    notes = np.array([440.0, 554.365, 659.255]) * 2 ** (cents / 1200)
    chord = (0.2 * np.sin(2 * np.pi * notes[:, None] * t)).sum(axis=0).astype(np.float32)
    estimate = TuningEstimate(22_050)
    for magnitude in magnitudes(chord):
        estimate.add(magnitude**2)
    # A parabola through power, not decibels, is biased by up to 3 cents here.
    assert estimate.semitones() * 100 == pytest.approx(cents, abs=4)


def test_tuning_without_peaks_is_zero():
    assert TuningEstimate(44_100).semitones() == 0.0


def test_no_onsets_no_tempo():
    assert tempo_bpm(np.zeros(500, dtype=np.float32), 44_100) is None


@given(st.integers(1, 100_000))
def test_fast_lengths(least):
    from scipy.fft import next_fast_len

    length = fast_length(least)
    assert length >= least
    assert length % 2 == 0
    rest = length
    for factor in (2, 3, 5, 7):
        while rest % factor == 0:
            rest //= factor
    assert rest == 1
    # Never far from the best: at most one in ten.
    assert length <= next_fast_len(least) * 1.1 + 2
