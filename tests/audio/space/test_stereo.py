from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, read
from milonga.audio.space.stereo import decorrelator, widen
from milonga.errors import AudioError

SAMPLES = sorted(Path("/usr/share/sonic-pi/samples").glob("*.flac"))
RECORDINGS = SAMPLES[::8] + sorted(Path("/usr/share/asterisk/moh").glob("*.wav"))
OCTAVES = 1000.0 * 2.0 ** np.arange(-5, 5)
RATES = (44_100, 48_000, 96_000)


def noise(rate=48_000, seconds=10, seed=1):
    return Clip(0.1 * np.random.default_rng(seed).standard_normal((1, seconds * rate)), rate)


def energies(wave, rate):
    """Energy of a wave in the octaves around 31 Hz to 16 kHz, and in all."""
    power = np.abs(np.fft.rfft(wave.astype(np.float64))) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / rate)
    edges = zip(OCTAVES / np.sqrt(2), OCTAVES * np.sqrt(2), strict=True)
    bands = [power[(hertz >= low) & (hertz < high)].sum() for low, high in edges]
    return np.array([*bands, power.sum()])


def losses(wide):
    """What a mono sum loses against the channels' mean power, in dB, per octave and in all.

    Octaves more than 70 dB under the whole hold rounding rather than sound.
    """
    channels = np.mean([energies(channel, wide.sample_rate) for channel in wide.samples], axis=0)
    heard = channels > 1e-7 * channels[-1]
    return 10 * np.log10(channels[heard] / energies(wide.mono, wide.sample_rate)[heard])


@pytest.mark.parametrize("rate", RATES)
def test_the_mono_sum_of_noise_loses_under_1_db_in_every_octave(rate):
    found = losses(widen(noise(rate)))
    assert found.max() < 1.0
    # From the middle's and the copy's powers: 10 log10(1 + 0.47^2).
    assert found[-1] == pytest.approx(0.867, abs=0.02)


@pytest.mark.parametrize("rate", RATES)
def test_the_mono_sum_of_any_tone_loses_under_1_db(rate):
    time = np.arange(rate) / rate
    for hertz in np.geomspace(30, 20_000, 60):
        tone = Clip(0.5 * np.sin(2 * np.pi * hertz * time), rate)
        wide = widen(tone).samples[:, rate // 10 : -rate // 10].astype(np.float64)
        loss = 10 * np.log10(np.mean(wide**2) / np.mean(wide.mean(axis=0) ** 2))
        assert -0.01 < loss < 1.0, hertz


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda p: p.stem)
def test_the_mono_sum_of_a_recording_loses_under_1_db_in_every_octave(path):
    clip = read(path).with_channels(1)
    clip = clip.fitted(min(clip.n_samples, 20 * clip.sample_rate))
    # Room for the copy's ends: cut off they would be clicks of their own.
    clip = Clip(np.pad(clip.samples, ((0, 0), (4800, 4800))), clip.sample_rate)
    wide = widen(clip)
    found = losses(wide)
    assert -0.01 < found.min() <= found.max() < 1.0
    source, summed = energies(clip.mono, clip.sample_rate), energies(wide.mono, clip.sample_rate)
    assert (10 * np.log10(source[source > 0] / summed[source > 0])).max() < 1.0


def test_there_are_recordings():
    assert len(RECORDINGS) > 20, "install sonic-pi-samples and asterisk-moh-opsound-wav"


@pytest.mark.parametrize("width", [0.0, 0.3, 1.0])
def test_the_mono_sum_is_the_source_scaled_and_nothing_else(width):
    clip = noise(seconds=1)
    wide = widen(clip, width)
    # Two float32 roundings of a signal that peaks at 0.5.
    assert wide.mono * np.sqrt(1 + (0.47 * width) ** 2) == pytest.approx(clip.mono, abs=1e-6)


def test_width_is_what_the_correlation_says():
    for width in (0.0, 0.25, 0.5, 0.75, 1.0):
        left, right = widen(noise(), width).samples
        square = (0.47 * width) ** 2
        # Bass stays in the middle, 0.75 % of the band; chance adds 0.2 %.
        expected = (1 - square) / (1 + square)
        assert np.corrcoef(left, right)[0, 1] == pytest.approx(expected, abs=0.01)


def test_neither_side_is_louder_and_the_level_stays():
    clip = noise()
    left, right = (energies(channel, clip.sample_rate) for channel in widen(clip).samples)
    balance = 10 * np.log10(left / right)
    assert abs(balance[-1]) < 0.1
    assert np.abs(balance).max() < 1.5
    level = 10 * np.log10((left[-1] + right[-1]) / 2 / energies(clip.mono, clip.sample_rate)[-1])
    assert level == pytest.approx(0.0, abs=0.05)


def test_low_bass_stays_in_the_middle():
    tone = Clip(0.5 * np.sin(2 * np.pi * 60 * np.arange(48_000) / 48_000), 48_000)
    left, right = widen(tone).samples[:, 4800:-4800]
    # 30 dB under the tone: what the window of 36 ms lets through.
    assert np.abs(left - right).max() < 0.03


@pytest.mark.parametrize("rate", RATES)
def test_the_copy_is_even_and_short(rate):
    taps, before = decorrelator(rate)
    response = np.fft.rfft(taps, 1 << 17)
    hertz = np.fft.rfftfreq(1 << 17, 1 / rate)
    heard = (hertz > 200) & (hertz < 20_000)
    assert np.abs(20 * np.log10(np.abs(response[heard]))).max() < 0.7
    energy = taps**2
    assert energy[before + rate // 100 :].sum() < 0.02 * energy.sum()
    assert energy[:before].sum() < 0.02 * energy.sum()


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(0, 5000), rate=st.sampled_from([8000, 22_050, *RATES]))
def test_any_length_and_rate_stays(frames, rate):
    clip = Clip(np.random.default_rng(frames).uniform(-1, 1, (1, frames)), rate)
    wide = widen(clip)
    assert (wide.channels, wide.n_samples, wide.sample_rate) == (2, frames, rate)


def test_stereo_stays_as_it_is_and_the_rest_is_refused():
    stereo = Clip(np.random.default_rng(0).uniform(-1, 1, (2, 100)), 44_100)
    assert widen(stereo) is stereo
    with pytest.raises(AudioError, match="not from 3"):
        widen(Clip(np.zeros((3, 10)), 44_100))
    with pytest.raises(AudioError, match=r"width of 1\.5"):
        widen(stereo, 1.5)
