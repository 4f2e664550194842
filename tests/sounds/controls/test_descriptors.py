"""Descriptors: each follows what it is named after, and little else."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio.mel.filters import band_edges
from milonga.audio.mel.spec import MelSpec
from milonga.errors import SoundError
from milonga.sounds.controls.descriptors import CONTROLS, NAMES, Descriptors, describe, sounding


def _values(sounds, samples):
    """Descriptors by name, the mean of the middle half."""
    values = describe(sounds.mel_of(samples)[None], sounds.spec)[0]
    quarter = values.shape[1] // 4
    return dict(zip(NAMES, values[:, quarter:-quarter].mean(axis=1), strict=True))


def _tones(seconds, *hertz, rate=44_100):
    t = np.arange(round(seconds * rate)) / rate
    return 0.2 * sum(np.sin(2 * np.pi * f * t + i) for i, f in enumerate(hertz))


def test_a_gain_moves_loudness_alone(sounds):
    quiet, loud = (
        _values(sounds, gain * (sounds.noisy(4, 100, 8000) + sounds.pitched(4, 300, 0.7)))
        for gain in (0.25, 1.0)
    )
    # 12.04 dB; what lies at the floor of the mel makes the rest.
    assert loud["loudness"] - quiet["loudness"] == pytest.approx(12.04, abs=0.05)
    for control in CONTROLS[1:]:
        change = abs(loud[control.name] - quiet[control.name])
        assert change < 0.2 * control.least_spread, control.name


def test_loudness_is_the_level_of_noise_in_decibels(sounds):
    # Noise below 1 kHz, where K-weighting is flat: -20 dBFS. The bands overlap unevenly.
    assert _values(sounds, sounds.noisy(4, 200, 900))["loudness"] == pytest.approx(-20, abs=1.0)


def test_brightness_is_the_spectral_centroid(sounds):
    for samples in (sounds.noisy(3, 100, 3000), sounds.noisy(3, 2000, 9000),
                    sounds.pitched(3, 220, 0.8)):  # fmt: skip
        frames = np.lib.stride_tricks.sliding_window_view(samples, 2048)[::512]
        magnitude = np.abs(np.fft.rfft(frames * np.hanning(2048), axis=1)).mean(0)
        middle = magnitude @ np.fft.rfftfreq(2048, 1 / sounds.rate) / magnitude.sum()
        # A band counts as its centre: within a tenth of an octave.
        ours = 1000 * 2 ** _values(sounds, samples)["brightness"]
        assert abs(np.log2(ours / middle)) < 0.1


@given(st.one_of(st.integers(1, 60), st.integers(500, 1300)), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_window_is_a_weighted_mean_at_any_length(frames, seed):
    spec = MelSpec.preset("bigvgan-v2-44khz-128band-512x")
    mel = np.random.default_rng(seed).normal(-5, 2, (1, 128, frames)).astype(np.float32)
    edges = band_edges(spec.n_mels, spec.f_min, spec.f_max, spec.scale)
    band = np.maximum(np.exp(mel[0]) - spec.floor, 0) + 1e-3 * spec.floor
    band = band * np.diff((edges[1:] + edges[:-1]) / 2)[:, None]
    half = round(0.25 * spec.frame_rate)
    window = 0.5 + 0.5 * np.cos(np.pi * np.arange(-half, half + 1) / (half + 1))
    total, sums = (np.convolve(row, window)[half : half + frames]
                   for row in (band.sum(0), (band * edges[1:-1, None]).sum(0)))  # fmt: skip
    found = Descriptors(spec)(torch.from_numpy(mel))[0, NAMES.index("brightness")]
    # float32 sums of a hundred bands over fifty frames.
    np.testing.assert_allclose(found, np.log2(sums / total / 1000), atol=1e-4)


def test_warmth_compares_low_with_mid(sounds):
    low, mid = sounds.noisy(4, 80, 320), sounds.noisy(4, 400, 2600, 1)
    values = [_values(sounds, low * a + mid)["warmth"] for a in (0.25, 0.5, 1, 2)]
    # Each step doubles the magnitude: 6 dB.
    assert np.diff(values) == pytest.approx([6.02] * 3, abs=0.5)


def test_roughness_rises_with_beating(sounds):
    steady = _values(sounds, _tones(4, 1000))["roughness"]
    slow = _values(sounds, _tones(4, 1000, 1003))["roughness"]
    fast = _values(sounds, _tones(4, 1000, 1030))["roughness"]
    assert max(steady, slow) < fast - 10.0


def test_tension_orders_a_fifth_a_triad_a_cluster_and_noise(sounds):
    fifth = _tones(4, 523.25, 783.99)
    triad = _tones(4, 523.25, 659.26, 783.99)
    cluster = _tones(4, 523.25, 554.37, 587.33, 739.99)
    noise = sounds.noisy(4, 300, 6000)
    values = [_values(sounds, s)["tension"] for s in (fifth, triad, cluster, noise)]
    assert values == sorted(values)
    assert values[0] >= 0
    assert values[-1] <= 1


def test_tension_does_not_depend_on_tuning_or_transposition(sounds):
    def tension(factor):
        chord = _tones(4, *(f * factor for f in (1046.5, 1318.5, 1568.0)))
        return _values(sounds, chord)["tension"]

    values = [tension(2 ** (cents / 1200)) for cents in (0, 30, 100, 500)]
    # Bands are half a semitone wide there, so a tone's pitch is only known that well.
    assert np.ptp(values) < 0.06


def test_pulse_follows_the_depth_of_slow_modulation(sounds):
    noise = sounds.noisy(5, 200, 6000)
    t = np.arange(len(noise)) / sounds.rate
    values = [
        _values(sounds, noise * (1 + depth * np.sin(2 * np.pi * 3 * t)))["pulse"]
        for depth in (0.0, 0.2, 0.5, 0.9)
    ]
    assert all(np.diff(values) > 3.0)


def test_density_counts_onsets(sounds):
    rates = (1, 2, 4, 6)
    values = [_values(sounds, sounds.percussive(6, rate))["density"] for rate in rates]
    # A soft count, within a third of the true one.
    assert values == pytest.approx(rates, rel=0.34)
    assert _values(sounds, sounds.pitched(4, 300, 0.7))["density"] < 0.1


def test_silence_is_finite_and_so_are_gradients(sounds):
    measure = Descriptors(sounds.spec)
    loud = torch.from_numpy(sounds.mel_of(sounds.percussive(1, 3))[None])
    for mel in (torch.full((1, 128, 86), -11.512925), loud, torch.full((1, 128, 1), 2.0)):
        mel = mel.clone().requires_grad_()
        values = measure(mel)
        assert values.shape == (1, 7, mel.shape[2])
        assert torch.isfinite(values).all()
        values.sum().backward()
        assert torch.isfinite(mel.grad).all()
    assert not sounding(np.full((1, 128, 9), -11.512925, np.float32)).any()


@settings(max_examples=8, deadline=None)
@given(frames=st.integers(1, 1500))
def test_any_length_is_measured_and_pieces_make_no_difference(frames):
    spec = MelSpec.preset("bigvgan-v2-44khz-128band-512x")
    draw = np.random.default_rng(frames)
    mel = np.cumsum(draw.standard_normal((1, 128, frames)), axis=2).astype(np.float32)
    mel = np.clip(mel * 0.3 - 4, -11.5, 2)
    with torch.inference_mode():
        whole = Descriptors(spec)(torch.from_numpy(mel)).numpy()
    # float32 sums over windows of different matrices.
    np.testing.assert_allclose(describe(mel, spec), whole, atol=2e-3)


def test_long_mels_take_the_other_path_and_agree(sounds):
    draw = np.random.default_rng(0)
    mel = np.clip(draw.standard_normal((1, 128, 2100)) - 4, -11.5, 2).astype(np.float32)
    with torch.inference_mode():
        whole = Descriptors(sounds.spec)(torch.from_numpy(mel)).numpy()
    np.testing.assert_allclose(describe(mel, sounds.spec), whole, atol=2e-3)


def test_mels_of_another_kind_are_refused():
    with pytest.raises(SoundError, match="natural-log"):
        Descriptors(MelSpec.preset("torchaudio-htk-48k"))
