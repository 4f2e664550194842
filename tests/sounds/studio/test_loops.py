import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip
from milonga.sounds.studio.loops import looped, pitch_of


def tone(hertz, seconds, rate=44_100, channels=1, partials=4):
    time = np.arange(round(seconds * rate)) / rate
    wave = sum(np.sin(2 * np.pi * hertz * n * time) / n for n in range(1, partials + 1))
    return Clip(np.tile(0.2 * wave, (channels, 1)), rate)


def noise(seconds, seed, rate=44_100, channels=1):
    draw = np.random.default_rng(seed)
    return Clip(0.1 * draw.standard_normal((channels, round(seconds * rate))), rate)


@settings(max_examples=15, deadline=None)
@given(
    seconds=st.floats(0.5, 3.0),
    rate=st.sampled_from([8000, 44_100]),
    channels=st.integers(1, 2),
    hertz=st.one_of(st.none(), st.floats(60, 900)),
)
def test_a_loop_goes_back_to_where_it_was(seconds, rate, channels, hertz):
    made = noise(seconds, 3, rate, channels)
    clip = made if hertz is None else tone(hertz, seconds, rate, channels)
    found = looped(clip)
    assert found.clip.samples.shape == clip.samples.shape
    assert found.end == clip.n_samples - 1
    # A half of the sound or more is held, and its beginning is as it was.
    assert 0 < found.start <= clip.n_samples // 2 + 1
    assert np.array_equal(found.clip.samples[:, : found.start], clip.samples[:, : found.start])
    # What comes before the jump is what came before the place that it goes to: the last sample
    # of the fade is within one step of a quarter sine over its length.
    last, before = found.clip.samples[:, found.end], clip.samples[:, found.start - 1]
    assert np.abs(last - before).max() < 0.02 * np.abs(clip.samples).max() + 1e-3


@settings(max_examples=10, deadline=None)
@given(hertz=st.floats(80, 800))
def test_a_held_tone_has_no_seam(hertz):
    found = looped(tone(hertz, 2.0))
    held = np.concatenate(
        [found.clip.samples[0], found.clip.samples[0, found.start :]]
    )  # fmt: skip
    seam = found.end + 1
    usual = np.abs(np.diff(found.clip.samples[0, :10_000], n=2)).max()
    around = held[seam - 400 : seam + 400]
    assert np.abs(np.diff(around, n=2)).max() < 1.6 * usual
    level = [np.sqrt(np.mean(part**2)) for part in np.split(held[: len(held) // 2000 * 2000], 20)]
    # A tone keeps its level through the fade, within half a decibel.
    assert 20 * np.log10(max(level[2:-2]) / min(level[2:-2])) < 0.5


@settings(max_examples=15, deadline=None)
@given(pitch=st.floats(36, 84), rate=st.sampled_from([22_050, 44_100]))
def test_the_pitch_of_a_tone_is_found_within_five_cents(pitch, rate):
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    assert pitch_of(tone(hertz, 1.0, rate)) == pytest.approx(pitch, abs=0.05)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_and_silence_have_no_pitch(seed):
    assert pitch_of(noise(1.0, seed)) is None
    assert pitch_of(Clip(np.zeros(44_100), 44_100)) is None
