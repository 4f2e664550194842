import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, limiter, loudness, loudness_lufs, read, true_peak_dbtp
from milonga.audio.limiter import level_to, levelled, limit

MUSIC = "/usr/share/asterisk/moh/reno_project-system.wav"


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(1, 50_000),
    channels=st.integers(1, 3),
    level=st.floats(0.01, 20.0),
    ceiling=st.floats(-12.0, 0.0),
)
def test_no_true_peak_over_the_ceiling(frames, channels, level, ceiling):
    rng = np.random.default_rng(frames)
    clip = Clip(level * rng.standard_normal((channels, frames)), 44100)
    out = limit(clip, ceiling)
    assert out.samples.shape == clip.samples.shape
    assert true_peak_dbtp(out) <= ceiling


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 9_000),
    chunk=st.integers(1, 4_000),
    channels=st.integers(1, 2),
    rate=st.sampled_from([1_000, 8_000, 48_000]),
)
def test_in_chunks_it_is_the_same(frames, chunk, channels, rate):
    clip = Clip(np.random.default_rng(frames).standard_normal((channels, frames)), rate)
    whole = levelled(clip, -14.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limiter, "_CHUNK", chunk)
        parts = levelled(clip, -14.0)
    # Where a running sum begins decides its last digits: 1e-6 of full scale is -120 dB.
    assert parts.gain_db == pytest.approx(whole.gain_db, abs=1e-6)
    assert np.abs(parts.clip.samples - whole.clip.samples).max() < 1e-6
    assert (parts.limiting is None) == (whole.limiting is None)
    if whole.limiting is not None:
        assert np.abs(parts.limiting - whole.limiting).max() < 1e-6


def test_levelling_takes_little_more_than_two_clips_and_the_gains(monkeypatch):
    clip = Clip(np.random.default_rng(1).standard_normal((2, 1 << 20), np.float32), 48_000)
    for module in (limiter, loudness):
        monkeypatch.setattr(module, "_CHUNK", 1 << 14)
    levelled(clip[:48_000], -8.0)
    tracemalloc.start()
    assert levelled(clip, -8.0).limiting is not None
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Two clips, the gains of one channel, and a quarter for chunks of filters and of soxr.
    assert most < 2.75 * clip.samples.nbytes


def test_what_needs_nothing_is_untouched():
    clip = Clip(np.full((2, 1000), 0.1), 44100)
    assert limit(clip, -1.0) is clip


def test_a_lone_peak_leaves_the_rest_alone():
    time = np.arange(44100 * 2) / 44100
    samples = 0.1 * np.sin(2 * np.pi * 220 * time)
    samples[44100] = 2.0
    out = limit(Clip(samples, 44100), -1.0)
    quiet = np.abs(np.arange(len(time)) - 44100) > 0.2 * 44100
    # Beyond look-ahead and release the gain is back at 1.
    assert np.abs(out.samples[0, quiet] - samples[quiet]).max() < 1e-3


def test_the_gain_comes_back_slowly():
    samples = np.full(44100, 0.1)
    samples[22050] = 8.0
    gain = limit(Clip(samples, 44100), -1.0).samples[0] / 0.1
    # From -19 dB, held for 10 ms, by 20 dB in 80 ms: some 10 dB are missing after 50 ms.
    after = 20 * np.log10(gain[22050 + 2205])
    assert -13 < after < -6
    assert gain[22050 + 8820] == pytest.approx(1.0, abs=1e-3)


def test_the_gain_never_jumps():
    samples = np.full(44100, 0.1)
    samples[22050] = 8.0
    gain = limit(Clip(samples, 44100), -1.0).samples[0] / samples
    assert gain.min() < 0.12
    # Two averages of 10 ms each: all the way down takes at least one of them.
    assert np.abs(np.diff(gain)).max() < 1.01 * (1 - gain.min()) / 441


def test_channels_share_one_gain():
    rng = np.random.default_rng(0)
    left = rng.standard_normal(44100)
    out = limit(Clip(np.stack([left, 0.25 * left]), 44100), -1.0)
    assert np.allclose(out.samples[1], 0.25 * out.samples[0], atol=1e-6)


@pytest.mark.parametrize("lufs", [-23.0, -14.0, -12.0])
def test_level_to_reaches_loudness_and_ceiling_on_music(lufs):
    clip = read(MUSIC)
    clip = Clip(clip.samples[:, : clip.sample_rate * 20], clip.sample_rate)
    out = level_to(clip, lufs)
    # The loop stops within 0.05 LU; EBU Tech 3341 allows meters 0.1.
    assert loudness_lufs(out) == pytest.approx(lufs, abs=0.1)
    assert true_peak_dbtp(out) <= -1.0


def test_silence_and_short_clips_stay_defined():
    silent = Clip(np.zeros((2, 44100)), 44100)
    assert level_to(silent, -14.0).peak == 0.0
    short = Clip(np.full((1, 10), 3.0), 44100)
    assert true_peak_dbtp(level_to(short, -14.0)) <= -1.0


def test_a_clip_of_mostly_peaks_is_not_crushed():
    samples = np.zeros(44100 * 4)
    samples[::22050] = 1.0
    out = level_to(Clip(samples, 44100), -5.0)
    assert true_peak_dbtp(out) <= -1.0
    assert loudness_lufs(out) is None or loudness_lufs(out) < -5.0
