"""Mel front ends against NVIDIA's own, librosa's and the definitions."""

import warnings

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio.clip import Clip
from milonga.audio.files import read
from milonga.audio.mel.spec import PRESETS, MelSpec
from milonga.audio.resampling import resample
from milonga.errors import AudioError, UnknownNameError

FULL = "bigvgan-v2-44khz-128band-512x"


def noise(samples, seed=0, level=0.3):
    return np.random.default_rng(seed).normal(0, level, samples).clip(-1, 1).astype(np.float32)


def reference_mel(samples, spec):
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bigvgan.meldataset import mel_spectrogram
    return mel_spectrogram(
        torch.from_numpy(samples.copy())[None],
        spec.n_fft,
        spec.n_mels,
        spec.sample_rate,
        spec.hop,
        spec.win_length,
        spec.f_min,
        spec.f_max,
    )[0].numpy()


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("bigvgan")])
def test_agrees_with_the_reference_at_every_frame(name):
    spec = MelSpec.preset(name)
    samples = noise(spec.sample_rate + 123)
    ours = spec.analyse(Clip(samples, spec.sample_rate))[0]
    theirs = reference_mel(samples, spec)
    assert ours.shape == theirs.shape
    # 1e-4 in natural-log units is the requirement; float32 transforms stay well below it.
    assert np.abs(ours - theirs).max() < 1e-4


@pytest.mark.parametrize("path", ["/usr/share/sonic-pi/samples/ambi_choir.flac",
                                  "/usr/share/sonic-pi/samples/loop_amen.flac"])  # fmt: skip
def test_agrees_with_the_reference_on_recordings(path):
    spec = MelSpec.preset(FULL)
    clip = resample(read(path), spec.sample_rate).with_channels(1)
    clip = clip.scaled(0.9 / clip.peak)
    ours, theirs = spec.analyse(clip)[0], reference_mel(clip.samples[0], spec)
    # Bands 70 dB under the loudest begin to drown in the reference's float32 rounding.
    heard = theirs > theirs.max() - np.log(3e3)
    assert np.abs(ours - theirs)[heard].max() < 1e-4
    assert np.abs(ours - theirs).max() < 5e-2


def test_agrees_with_librosa():
    spec = MelSpec.preset("librosa-default")
    samples = noise(30_000)
    theirs = librosa.feature.melspectrogram(y=samples, sr=22_050)
    ours = spec.analyse(Clip(samples, 22_050))[0]
    # librosa transforms in single precision: 1e-5 of the largest sum.
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-5 * theirs.max()


def test_htk_without_norm_agrees_with_librosa_by_option():
    spec = MelSpec.preset("torchaudio-htk-48k")
    samples = noise(48_000)
    power = librosa.feature.melspectrogram(
        y=samples, sr=48_000, n_fft=2048, hop_length=512, n_mels=128, htk=True, norm=None,
        pad_mode="reflect",
    )  # fmt: skip
    ours = spec.analyse(Clip(samples, 48_000))[0]
    assert np.abs(ours - np.log1p(power)).max() < 1e-4


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(1, 6000),
    hop=st.integers(16, 300),
    centre=st.booleans(),
    zeros=st.booleans(),
    window=st.integers(64, 600),
)
def test_frame_count_and_finite_values_for_any_length(samples, hop, centre, zeros, window):
    spec = MelSpec(
        sample_rate=16_000, n_fft=600, win_length=window, hop=hop, n_mels=20, f_min=50.0,
        f_max=7000.0, padding="centre" if centre else "same",
        pad_mode="constant" if zeros else "reflect",
    )  # fmt: skip
    mel = spec.analyse(Clip(noise(samples), 16_000))
    assert mel.shape == (1, 20, spec.frames(samples))
    assert mel.dtype == np.float32
    assert np.isfinite(mel).all()


def test_long_clips_are_analysed_in_blocks_without_seams():
    spec = MelSpec.preset("bigvgan-v2-22khz-80band-256x")
    samples = noise(256 * 700)
    whole = spec.analyse(Clip(samples, 22_050))[0]
    # Frame 400 depends on n_fft samples only: cut far enough around it, it must be the same.
    part = spec.analyse(Clip(samples[256 * 380 : 256 * 420], 22_050))[0]
    np.testing.assert_allclose(part[:, 10:30], whole[:, 390:410], atol=1e-6)


def test_silence_is_the_floor_and_a_sine_lands_in_its_band():
    spec = MelSpec.preset("tacotron-22k-80band")
    silent = spec.analyse(Clip(np.zeros(22_050, np.float32), 22_050))
    assert np.allclose(silent, np.log(1e-5))
    time = np.arange(22_050) / 22_050
    tone = spec.analyse(Clip((0.5 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32), 22_050))
    band = int(tone[0, :, 40].argmax())
    bins = np.linspace(0, 11_025, 513)
    centre = bins[spec.filters()[band].argmax()]
    # Bands are some 70 Hz apart there.
    assert abs(centre - 1000) < 70


@pytest.mark.parametrize("name", PRESETS)
def test_expand_inverts_compress(name):
    spec = MelSpec.preset(name)
    sums = np.geomspace(1e-4, 1e4, 50)
    np.testing.assert_allclose(spec.expand(spec.compress(sums)), sums, rtol=1e-9)


@pytest.mark.parametrize("name", PRESETS)
def test_spec_survives_a_dictionary(name):
    spec = MelSpec.preset(name)
    assert MelSpec.from_dict(spec.to_dict()) == spec
    assert spec.differences(spec) == ()


def test_config_gives_the_preset():
    config = {
        "sampling_rate": 44_100, "n_fft": 2048, "win_size": 2048, "hop_size": 512,
        "num_mels": 128, "fmin": 0, "fmax": None, "resblock": "1",
    }  # fmt: skip
    assert MelSpec.from_bigvgan_config(config) == MelSpec.preset(FULL)
    del config["hop_size"]
    with pytest.raises(AudioError, match="hop_size"):
        MelSpec.from_bigvgan_config(config)


def test_differences_are_named():
    ours, other = MelSpec.preset(FULL), MelSpec.preset("bigvgan-v2-44khz-128band-256x")
    assert ours.differences(other) == ("n_fft", "win_length", "hop")


@pytest.mark.parametrize(
    "change", [{"hop": 0}, {"win_length": 4096}, {"f_max": 30_000.0}, {"n_mels": 0},
               {"power": 3}, {"scale": "bark"}, {"floor": 0.0}, {"sample_rate": 10}],
)  # fmt: skip
def test_impossible_specs_are_refused(change):
    values = MelSpec.preset(FULL).to_dict() | change
    with pytest.raises(AudioError):
        MelSpec.from_dict(values)


def test_wrong_rate_and_unknown_preset_are_explained():
    with pytest.raises(AudioError, match="48000 Hz"):
        MelSpec.preset(FULL).analyse(Clip(noise(100), 48_000))
    with pytest.raises(UnknownNameError, match="librosa-default"):
        MelSpec.preset("mp3")
