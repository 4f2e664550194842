"""The features against librosa itself."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from milonga import audio
from milonga.analysis.features import Features, features
from milonga.audio import Clip
from milonga.errors import ComparisonError

RATES = (8_000, 22_050, 44_100, 48_000)


def assert_as_librosa(clip, wanted):
    found = features(clip)
    for name, value in wanted.items():
        got = getattr(found, name)
        if name == "tempo_bpm":
            assert_tempo_as_librosa(clip, got, value)
        else:
            # Published to three decimals; librosa sums in single precision, 1e-7 of the value.
            np.testing.assert_allclose(got, value, rtol=1e-6, atol=5e-4, err_msg=name)


def assert_tempo_as_librosa(clip, got, value):
    if got is not None:
        assert got == pytest.approx(value, abs=1e-9)
    else:
        # librosa says 0 where it heard no onset; else the beat is longer than the clip.
        assert value == 0 or clip.seconds < 60 / value + 512 / clip.sample_rate


def signal(name, rate, rng):
    t = np.arange(round(6.3 * rate)) / rate
    if name == "sine":
        return 0.5 * np.sin(2 * np.pi * 440 * t)
    if name == "noise":
        return 0.1 * rng.standard_normal(len(t))
    if name == "stereo noise":
        return 0.1 * rng.standard_normal((2, len(t)))
    if name == "clicks":
        clicks = np.zeros(len(t))
        clicks[:: round(rate * 60 / 122)] = 0.9
        return clicks
    if name == "half silent":
        return np.where(t < 3, 0.1 * rng.standard_normal(len(t)), 0)
    if name == "constant":
        return np.full(len(t), 0.3)
    if name == "barely there":
        return 1e-12 * rng.standard_normal(len(t))
    assert name == "chord, 30 cents sharp"
    notes = np.array([261.63, 329.63, 392.0]) * 2 ** (30 / 1200)
    return 0.2 * np.sin(2 * np.pi * notes[:, None] * t).sum(axis=0) * np.exp(-4 * (t % 0.5))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    "name",
    [
        "sine",
        "noise",
        "stereo noise",
        "clicks",
        "half silent",
        "constant",
        "barely there",
        "chord, 30 cents sharp",
    ],
)
def test_synthetic_signals(name, rate, rng, librosa_figures):
    clip = Clip(signal(name, rate, rng).astype(np.float32), rate)
    assert_as_librosa(clip, librosa_figures(clip))


@pytest.mark.parametrize("rate", [96_000, 11_025])
def test_rates_with_empty_or_crowded_mel_bands(rate, rng, librosa_figures):
    clip = Clip((0.1 * rng.standard_normal(2 * rate)).astype(np.float32), rate)
    assert_as_librosa(clip, librosa_figures(clip))


@settings(max_examples=40, deadline=None)
@example(frames=1, rate=44_100)
@example(frames=2047, rate=44_100)
@example(frames=2048, rate=8_000)
@given(frames=st.integers(1, 12_000), rate=st.sampled_from(RATES))
def test_short_clips(frames, rate, librosa_figures):
    rng = np.random.default_rng(frames)
    clip = Clip((0.1 * rng.standard_normal(frames)).astype(np.float32), rate)
    assert_as_librosa(clip, librosa_figures(clip))


def test_real_recordings(recordings, librosa_figures):
    for path in recordings[::4]:
        clip = audio.read(path)
        if clip.seconds > 30:
            clip = clip.fitted(30 * clip.sample_rate)
        assert_as_librosa(clip, librosa_figures(clip))


def test_long_clips_take_the_other_path(sample, librosa_figures, monkeypatch):
    # Beyond a bound the spectra aren't kept but computed again.
    clip = sample("loop_garzul")
    kept = features(clip)
    monkeypatch.setattr("milonga.analysis.features._KEPT_FRAMES", 10)
    assert features(clip) == kept


def test_memory_does_not_grow_with_length(rng):
    clip = Clip((0.1 * rng.standard_normal(240 * 44_100)).astype(np.float32), 44_100)
    tracemalloc.start()
    try:
        features(clip)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Spectra of 20,700 frames would be 85 MB, the clip is 42 MB. What stays are five bytes a
    # spectral peak (doubled when they are joined) and the onset envelope.
    assert peak < 50e6


@pytest.mark.parametrize("channels", [1, 2])
def test_silence_is_undefined_where_nothing_can_be_said(channels):
    found = features(Clip(np.zeros((channels, 44_100), dtype=np.float32), 44_100))
    for name in (
        "tempo_bpm",
        "spectral_centroid_hz",
        "spectral_bandwidth_hz",
        "spectral_rolloff_hz",
        "chroma_mean",
        "loudness_lufs",
        "true_peak_dbtp",
    ):
        assert getattr(found, name) is None, name
    assert (found.zcr_mean, found.rms_mean, found.channels) == (0, 0, channels)
    # librosa's floor: all 128 bands at -100 dB; the orthonormal DCT sums them over sqrt(128).
    assert found.mfcc_mean == pytest.approx([-100 * 128**0.5] + [0] * 12, abs=1e-9)


def test_channels_that_cancel_have_a_loudness_but_no_spectrum(rng):
    left = (0.1 * rng.standard_normal(44_100)).astype(np.float32)
    found = features(Clip(np.stack([left, -left]), 44_100))
    assert found.spectral_centroid_hz is None
    assert found.loudness_lufs is not None


def test_an_empty_clip_is_refused():
    with pytest.raises(ComparisonError, match="empty"):
        features(Clip(np.zeros((1, 0), dtype=np.float32), 44_100))


def test_only_level_figures_follow_the_level(sample):
    clip = sample("loop_garzul")
    loud, soft = features(clip), features(clip.scaled(0.5))
    for name in ("tempo_bpm", "spectral_centroid_hz", "spectral_bandwidth_hz"):
        assert getattr(soft, name) == pytest.approx(getattr(loud, name), rel=1e-6)
    # Halving moves every band by 6.02 dB, so coefficient 0 by that times sqrt(128); the floor
    # at -100 dB keeps a few quiet bands from following.
    assert soft.mfcc_mean[0] - loud.mfcc_mean[0] == pytest.approx(-6.0206 * 128**0.5, rel=0.02)
    assert soft.mfcc_mean[1:] == pytest.approx(loud.mfcc_mean[1:], abs=1.0)
    assert soft.chroma_mean == pytest.approx(loud.chroma_mean, abs=1e-5)
    assert soft.loudness_lufs - loud.loudness_lufs == pytest.approx(-6.0206, abs=0.01)
    assert soft.true_peak_dbtp - loud.true_peak_dbtp == pytest.approx(-6.0206, abs=0.01)


def test_a_clip_shorter_than_its_beat_has_no_tempo(sample):
    # librosa says 120.2 BPM, its prior, for a single hit of 0.4 s.
    assert features(sample("drum_snare_hard")).tempo_bpm is None


def test_json_has_the_names_of_the_document(sample):
    document = features(sample("loop_amen")).to_dict()
    assert list(document) == [
        "duration_s",
        "sample_rate",
        "channels",
        "tempo_bpm",
        "spectral_centroid_hz",
        "spectral_bandwidth_hz",
        "spectral_rolloff_hz",
        "mfcc_mean",
        "chroma_mean",
        "zcr_mean",
        "rms_mean",
        "loudness_lufs",
        "true_peak_dbtp",
    ]
    assert len(document["mfcc_mean"]) == 13
    assert len(document["chroma_mean"]) == 12
    assert Features.__slots__ == tuple(document)
