import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, resample, resampling
from milonga.errors import AudioError

RATES = [8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000]


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(0, 20_000),
    channels=st.integers(1, 4),
    source=st.sampled_from(RATES),
    target=st.sampled_from(RATES),
)
def test_length_is_the_rounded_one(frames, channels, source, target):
    clip = Clip(np.random.default_rng(frames).uniform(-0.5, 0.5, (channels, frames)), source)
    out = resample(clip, target)
    assert (out.sample_rate, out.channels) == (target, channels)
    if frames:
        assert out.n_samples == round(frames * target / source)


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 3_000),
    chunk=st.integers(1, 1_000),
    source=st.sampled_from(RATES),
    target=st.sampled_from(RATES),
)
def test_in_chunks_it_is_what_soxr_gives_in_one_piece(frames, chunk, source, target):
    samples = np.random.default_rng(frames).uniform(-0.5, 0.5, frames).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampling, "_CHUNK", chunk)
        out = resample(Clip(samples, source), target).samples[0]
    whole = soxr.resample(samples, source, target, quality="VHQ") if source != target else samples
    assert np.array_equal(out[: len(whole)], whole[: len(out)])
    assert abs(len(out) - len(whole)) <= 1


# Each rate from and to 44.1 kHz; the other pairs repeat it.
PAIRS = [
    (source, target)
    if 44100 in (source, target)
    else pytest.param(source, target, marks=pytest.mark.slow)
    for source in RATES
    for target in RATES
]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_tone_keeps_pitch_and_level(source, target):
    time = np.arange(source) / source
    out = resample(Clip(0.5 * np.sin(2 * np.pi * 1000 * time), source), target)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(target) / target)
    inner = slice(target // 10, -target // 10)
    # soxr's VHQ passband is flat to far below -100 dB; 1e-4 is -74 dB of the tone.
    assert np.abs(out.samples[0, inner] - expected[inner]).max() < 1e-4


def test_an_absurd_rate_is_refused():
    with pytest.raises(AudioError, match="10 Hz"):
        resample(Clip(np.zeros(10), 8000), 10)
