import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis import yardsticks
from milonga.analysis.spectra import magnitudes
from milonga.audio import Clip


def long_term(signal):
    return np.concatenate([m**2 for m in magnitudes(signal)]).mean(axis=0)


@pytest.mark.parametrize("name", ["loop_garzul", "loop_amen_full", "ambi_choir"])
def test_noise_has_the_long_term_spectrum(name, sample):
    clip = sample(name)
    noise = yardsticks.noise(clip)
    assert noise.samples.shape == clip.samples.shape
    wanted, got = long_term(clip.mono), long_term(noise.mono)
    # In bands of 32 bins: a noise's own mean over a second still varies by some tenths of a dB,
    # and the tapered response blurs lines and steep edges, by 1 dB for a choir. Bands 60 dB
    # under the loudest are rounding.
    wanted, got = (x[:1024].reshape(-1, 32).sum(axis=1) for x in (wanted, got))
    heard = wanted > wanted.max() * 1e-6
    apart = 10 * np.log10(got[heard] / wanted[heard])
    assert np.median(np.abs(apart)) < 1.0
    assert np.abs(apart).max() < 3


def test_noise_has_the_level_and_is_no_music(sample):
    clip = sample("loop_garzul")
    noise = yardsticks.noise(clip)
    rms = [np.sqrt(np.mean(np.square(x, dtype=np.float64))) for x in (clip.mono, noise.mono)]
    assert rms[1] == pytest.approx(rms[0], rel=1e-5)
    # Gaussian: the crest of a second and more of noise lies between 4 and 6.
    assert 3.5 < noise.peak / rms[1] < 6.5


def test_yardsticks_are_repeatable(sample):
    clip = sample("loop_amen_full")
    for make in (yardsticks.noise, yardsticks.shuffled):
        assert (make(clip).samples == make(clip).samples).all()
        assert (make(clip).samples != make(clip, seed=2).samples).any()


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(1_001, 9_000), channels=st.integers(1, 3))
def test_shuffled_has_the_same_seconds_in_another_order(frames, channels):
    rate = 1_000
    clip = Clip(np.arange(frames * channels, dtype=np.float32).reshape(channels, -1), rate)
    mixed = yardsticks.shuffled(clip)
    assert mixed.samples.shape == clip.samples.shape
    assert (mixed.samples != clip.samples).any()
    assert (np.sort(mixed.samples[0]) == clip.samples[0]).all()
    # Only where pieces meet does the next sample not follow.
    assert np.count_nonzero(np.diff(mixed.samples[0]) != 1) <= frames // rate


def test_what_is_the_same_all_along_needs_ten_seconds_and_the_rest_a_minute(rng):
    clip = Clip(rng.standard_normal(90 * 2_000).astype(np.float32), 2_000)
    for make in (yardsticks.silence, yardsticks.noise, yardsticks.shadow):
        assert make(clip).seconds == 10
    for make in (yardsticks.shaped, yardsticks.shuffled):
        assert make(clip).seconds == 60


def test_what_has_no_yardstick():
    short = Clip(np.ones(2047, dtype=np.float32), 44_100)
    silent = Clip(np.zeros(44_100, dtype=np.float32), 44_100)
    with pytest.raises(yardsticks.NoYardstickError, match="shorter than one frame"):
        yardsticks.noise(short)
    with pytest.raises(yardsticks.NoYardstickError, match="silent"):
        yardsticks.noise(silent)
    with pytest.raises(yardsticks.NoYardstickError, match="not longer than one second"):
        yardsticks.shuffled(silent)
