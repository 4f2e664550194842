"""A range pasted into a recording: nothing outside of it moves, and the level fits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, resample
from milonga.audio.digest import samples_sha256
from milonga.audio.pasting import FADE_S, paste
from milonga.errors import AudioError


def noise(seconds, rate, channels=1, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return Clip(level * rng.standard_normal((channels, round(seconds * rate))), rate)


def again(source, gain, seed=1, amount=0.05):
    """The source as a codec gives it back: at another level, different in every sample."""
    other = noise(source.seconds, source.sample_rate, source.channels, seed, 1.0)
    level = np.float32(amount * np.std(source.samples))
    return Clip(gain * (source.samples + level * other.samples), source.sample_rate)


RATES = st.sampled_from([8000, 22050, 44100, 48000])


@settings(max_examples=40, deadline=None)
@given(data=st.data(), rate=RATES, made_rate=RATES, full_scale=st.booleans())
def test_every_sample_outside_the_range_stays(data, rate, made_rate, full_scale):
    """Whatever the lengths, rates, channels and levels; what the model gives differs everywhere."""
    length = data.draw(st.integers(1, 9000))
    before, after = data.draw(st.integers(0, 3000)), data.draw(st.integers(0, 3000))
    total = before + length + after
    start = 0 if before else data.draw(st.integers(0, total - 1))
    if after:
        start = min(start, length + before)
    end = total if after else data.draw(st.integers(max(start + 1, before), total))
    channels, made_channels = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    level = data.draw(st.sampled_from([0.0, 1e-3, 0.1, 3.0]))
    source = noise(length / rate, rate, channels, level=level)
    assert source.n_samples == length
    made = noise(data.draw(st.floats(0, 1.2)) * total / rate, made_rate, made_channels, 1, 0.9)
    pasted = paste(
        source, made, start, end, offset=before, n_samples=total, full_scale=full_scale
    ).clip
    assert (pasted.n_samples, pasted.channels, pasted.sample_rate) == (total, channels, rate)
    kept = np.concatenate([pasted.samples[:, :start], pasted.samples[:, end:]], axis=1)
    there = np.pad(source.samples, ((0, 0), (before, after)))
    wanted = np.concatenate([there[:, :start], there[:, end:]], axis=1)
    assert samples_sha256(Clip(kept, rate)) == samples_sha256(Clip(wanted, rate))
    if full_scale:
        assert np.abs(pasted.samples[:, start:end]).max() <= 1.0


@pytest.mark.parametrize("gain", [0.03, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("made_rate", [24000, 44100])
def test_the_gain_of_the_model_is_undone(gain, made_rate):
    """Within 0.2 dB: the noise of 5 % that ``again`` adds makes 0.01 dB, resampling noise up to
    22 kHz to half the rate takes 3 dB of white noise away, so it is first made without those."""
    source = resample(resample(noise(4, 44100, 2), 16000), 44100)
    made = resample(again(source, gain), made_rate)
    pasted = paste(source, made, 80_000, 110_000)
    assert pasted.gain_db == pytest.approx(-20 * np.log10(gain), abs=0.2)
    middle = slice(82_000, 108_000)
    level = np.std(pasted.clip.samples[:, middle]) / np.std(source.samples[:, middle])
    assert 20 * np.log10(level) == pytest.approx(0, abs=0.2)


def test_a_loud_moment_of_the_model_doesn_t_move_the_level():
    """Robustly: a fifth of the frames wrong by 20 dB, as where a model sings into a rest."""
    source = noise(5, 16000)
    made = again(source, 0.5).samples.copy()
    made[:, :12_800] *= 10
    assert paste(source, Clip(made, 16000), 70_000, 75_000).gain_db == pytest.approx(6.02, abs=0.1)


@pytest.mark.parametrize("silent", ["source", "made", "both"])
def test_silence_gives_no_level(silent):
    clip, nothing = noise(1, 16000), Clip(np.zeros(16000), 16000)
    source = clip if silent == "made" else nothing
    made = clip if silent == "source" else nothing
    pasted = paste(source, made, 4000, 8000)
    assert pasted.gain_db is None
    inside = slice(4000 + 480, 8000 - 480)
    assert np.array_equal(pasted.clip.samples[:, inside], made.samples[:, inside])


def test_a_range_that_is_all_has_no_surroundings():
    source, made = noise(1, 16000), noise(1, 16000, seed=5)
    pasted = paste(source, made, 0, 16000)
    assert pasted.gain_db is None
    assert pasted.clip == made


@pytest.mark.parametrize("alike", [True, False])
def test_a_crossfade_keeps_the_power(alike):
    """Of the same sound and of two that have nothing in common; within 0.5 dB in the mean of
    200 fades, where the estimated correlation of two noises has a spread of 5 %."""
    rate, fade = 16000, round(FADE_S * 16000)
    powers = []
    for seed in range(200):
        source = noise(0.2, rate, seed=seed)
        made = source if alike else noise(0.2, rate, seed=seed + 1000)
        pasted = paste(source, made, 1000, 2500).clip
        powers.append(pasted.samples[0, 1000 : 1000 + fade].astype(float) ** 2)
    power = np.mean(powers, axis=0) / 0.01
    shape = power.reshape(-1, fade // 8).mean(axis=1)
    assert np.abs(10 * np.log10(shape)).max() < 0.5


def test_a_tone_goes_on_without_a_click():
    """A range of the same tone: no step larger than the tone's own (2 pi f / rate), by 10 %."""
    rate, hertz = 44100, 200
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(3 * rate) / rate)
    source = Clip(tone[: 2 * rate], rate)
    step = 0.5 * 2 * np.pi * hertz / rate
    extended = paste(source, Clip(0.8 * tone, rate), 2 * rate, 3 * rate, n_samples=3 * rate).clip
    repainted = paste(source, Clip(0.8 * tone, rate), 20_000, 40_000).clip
    for clip in (extended, repainted):
        assert np.abs(np.diff(clip.samples[0])).max() < 1.1 * step


def test_what_goes_on_before_the_start():
    source, made = noise(1, 16000, 2), noise(1.5, 16000, 2, seed=3)
    pasted = paste(source, made, 0, 8000, offset=8000).clip
    assert pasted.n_samples == 24000
    assert pasted[8000:] == source


def test_peaks_are_held_only_where_a_format_needs_it():
    source = noise(2, 16000, level=0.3)
    made = again(source, 0.1)
    loud = made.samples.copy()
    loud[0, 20_000] = 0.5
    for full_scale in (True, False):
        pasted = paste(source, Clip(loud, 16000), 16_000, 24_000, full_scale=full_scale)
        assert pasted.limited is full_scale
        assert (pasted.clip.peak > 1.0) is not full_scale or source.peak > 1.0


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"start": 5, "end": 5}, "No range"),
        ({"start": -1, "end": 5}, "No range"),
        ({"start": 0, "end": 101}, "No range"),
        ({"start": 50, "end": 60, "offset": 10}, "Outside the range"),
        ({"start": 0, "end": 5, "offset": 10}, "Outside the range"),
        ({"start": 110, "end": 120, "n_samples": 120}, "Outside the range"),
        ({"start": 90, "end": 110, "n_samples": 120}, "Outside the range"),
    ],
)
def test_ranges_that_leave_holes_are_refused(wanted, words):
    source = noise(0.0125, 8000)
    assert source.n_samples == 100
    with pytest.raises(AudioError, match=words):
        paste(source, source, **wanted)


def test_more_than_two_channels_can_t_be_made_from_two():
    with pytest.raises(AudioError, match="channels"):
        paste(noise(1, 8000, 6), noise(1, 8000, 2), 0, 100)
