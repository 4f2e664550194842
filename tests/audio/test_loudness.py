import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, loudness_lufs, true_peak_dbtp


def sine(frequency, rate, seconds=5.0, level=1.0, phase=0.0, channels=1):
    time = np.arange(round(rate * seconds)) / rate
    wave = level * np.sin(2 * np.pi * frequency * time + phase)
    return Clip(np.tile(wave, (channels, 1)), rate)


@pytest.mark.parametrize("rate", [22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize(("channels", "expected"), [(1, -3.01), (2, 0.0)])
def test_full_scale_sine(rate, channels, expected):
    # BS.1770: a 0 dBFS sine at 997 Hz in one channel reads -3.01 LUFS; EBU Tech 3341 allows 0.1.
    assert loudness_lufs(sine(997, rate, channels=channels)) == pytest.approx(expected, abs=0.1)


def test_gain_moves_loudness_by_as_much():
    loud, soft = sine(440, 44100), sine(440, 44100, level=0.1)
    # The measure is linear above its gates: rounding only.
    assert loudness_lufs(loud) - loudness_lufs(soft) == pytest.approx(20.0, abs=1e-3)


@pytest.mark.parametrize(
    "clip",
    [
        Clip(np.zeros(44100), 44100),
        Clip(np.zeros((2, 0)), 44100),
        Clip(np.full(100, 0.5), 44100),
        Clip(np.full(44100, 1e-7), 44100),
    ],
    ids=["silence", "empty", "too short", "under the gate"],
)
def test_undefined_loudness_is_none(clip):
    assert loudness_lufs(clip) is None


def test_undefined_true_peak_is_none():
    assert true_peak_dbtp(Clip(np.zeros((2, 1000)), 44100)) is None
    assert true_peak_dbtp(Clip(np.zeros((2, 0)), 44100)) is None


def test_true_peak_between_samples():
    # At a quarter of the rate with 45 degrees phase, the samples miss the crest by 3.01 dB.
    clip = sine(11025, 44100, seconds=1, phase=np.pi / 4)
    fade = np.minimum(1, np.minimum(np.arange(44100), np.arange(44100)[::-1]) / 4410)
    clip = Clip(clip.samples * fade, 44100)
    assert 20 * np.log10(clip.peak) == pytest.approx(-3.01, abs=0.01)
    # EBU Tech 3341 (test 15-19) allows +0.2/-0.4 dB.
    assert -0.4 < true_peak_dbtp(clip) < 0.2


@settings(max_examples=40, deadline=None)
@given(frames=st.integers(1, 200_000), rate=st.sampled_from([8000, 44100, 192000]))
def test_true_peak_is_never_under_the_sample_peak(frames, rate):
    clip = Clip(np.random.default_rng(frames).uniform(-1, 1, frames), rate)
    assert true_peak_dbtp(clip) >= 20 * np.log10(clip.peak) - 1e-6
