"""Griffin-Lim: the mel comes back, the same seed gives the same sound, any spec and length."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from milonga.audio.clip import Clip
from milonga.audio.files import read
from milonga.audio.mel.spec import MelSpec
from milonga.audio.resampling import resample
from milonga.errors import DeviceError
from milonga.vocoders import VocoderError, get_vocoder
from milonga.vocoders.inversion import MelInversion, _factors

SPEC = MelSpec.preset("bigvgan-v2-44khz-128band-512x")
LOOP = "/usr/share/sonic-pi/samples/loop_amen.flac"


def music(spec):
    return resample(read(LOOP), spec.sample_rate).with_channels(1)


@pytest.mark.parametrize(
    "name", ["bigvgan-v2-44khz-128band-512x", "tacotron-22k-80band", "torchaudio-htk-48k",
             "librosa-default"],
)  # fmt: skip
def test_the_mel_comes_back(name):
    spec = MelSpec.preset(name)
    mel = spec.analyse(music(spec))
    wave = get_vocoder("griffin-lim", spec=name).mel_to_waveform(mel)
    assert wave.shape == (1, 1, mel.shape[2] * spec.hop)
    again = spec.analyse(Clip(wave[0], spec.sample_rate))
    frames = min(mel.shape[2], again.shape[2])
    wanted, found = (spec.expand(m[:, :, :frames]) ** (1 / spec.power) for m in (mel, again))
    # Spectral convergence; 100 steps of the plain algorithm from random phases give some 0.2.
    assert np.linalg.norm(wanted - found) < 0.12 * np.linalg.norm(wanted)


def test_a_sine_keeps_its_pitch_and_level():
    time = np.arange(44_100) / 44_100
    tone = (0.5 * np.sin(2 * np.pi * 987.77 * time)).astype(np.float32)
    wave = get_vocoder("griffin-lim").mel_to_waveform(SPEC.analyse(Clip(tone, 44_100)))[0, 0]
    middle = wave[8000:-8000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    # A band is some 40 Hz wide there; its neighbours' ratio tells the pitch to a few Hz.
    assert abs(spectrum.argmax() * 44_100 / (1 << 18) - 987.77) < 6
    assert abs(20 * np.log10(middle.std() / tone.std())) < 1.5


def test_the_seed_decides():
    mel = SPEC.analyse(Clip(music(SPEC).samples[:, :40_000], 44_100))
    first, same, other = (
        get_vocoder("griffin-lim", seed=seed, iterations=4).mel_to_waveform(mel)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(0, 40),
    n_fft=st.sampled_from([64, 100, 128]),
    hop=st.integers(5, 32),
    centre=st.booleans(),
    batch=st.integers(1, 2),
    chunk=st.integers(1, 50),
)
def test_any_length_and_spec(frames, n_fft, hop, centre, batch, chunk):
    spec = MelSpec(
        sample_rate=8000, n_fft=n_fft, win_length=n_fft, hop=hop, n_mels=8, f_min=0.0,
        f_max=4000.0, padding="centre" if centre else "same",
    )  # fmt: skip
    vocoder = get_vocoder("griffin-lim", spec=spec, iterations=2)
    mel = np.random.default_rng(0).normal(-3, 2, (batch, 8, frames)).astype(np.float32)
    wave = vocoder.mel_to_waveform(mel)
    assert wave.shape == (batch, 1, frames * hop)
    assert np.isfinite(wave).all()
    pieces = list(vocoder.stream(mel, chunk))
    assert all(piece.shape[2] == chunk * hop for piece in pieces[:-1])
    joined = np.concatenate([np.zeros((batch, 1, 0), np.float32), *pieces], axis=2)
    assert np.array_equal(joined, wave)


def test_long_mels_are_joined_without_a_gap():
    spec = MelSpec.preset("tacotron-22k-80band")
    time = np.arange(22_050 * 65) / 22_050
    tone = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    mel = spec.analyse(Clip(tone, 22_050))
    wave = get_vocoder("griffin-lim", spec=spec, iterations=4).mel_to_waveform(mel)[0, 0]
    level = np.sqrt(np.mean(wave[: 22_050 * 64].reshape(-1, 2205) ** 2, axis=1))[5:-5]
    # Where two pieces with unrelated phases fade, the level may dip, but not vanish.
    assert level.min() > 0.25 * np.median(level)


def test_silence_stays_silent():
    wave = get_vocoder("griffin-lim").mel_to_waveform(
        np.full((1, 128, 20), np.log(1e-5), np.float32)
    )
    assert np.abs(wave).max() < 1e-3


def test_inversion_is_positive_and_gives_the_mel_back():
    mel = SPEC.analyse(music(SPEC))[0]
    spectrum = MelInversion(SPEC)(mel)
    assert (spectrum >= 0).all()
    again = SPEC.compress(SPEC.filters() @ spectrum)
    # A mean of 0.01 nepers is 0.1 dB.
    assert np.abs(again - mel).mean() < 0.01


def test_the_inversion_is_the_same_with_any_number_of_threads():
    mel, found = SPEC.analyse(music(SPEC))[0], []
    for count in (1, 3):
        _factors.cache_clear()
        with threadpool_limits(count):
            inversion = MelInversion(SPEC)
            found.append((inversion(mel), inversion._start.toarray()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_it_can_not_do_is_refused():
    with pytest.raises(VocoderError, match="-1 iterations"):
        get_vocoder("griffin-lim", iterations=-1)
    with pytest.raises(VocoderError, match="overlap"):
        get_vocoder("griffin-lim", spec=dataclasses.replace(SPEC, hop=2048))
    with pytest.raises(DeviceError, match="CPU"):
        get_vocoder("griffin-lim", "cuda")
