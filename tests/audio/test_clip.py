import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.audio import Clip
from milonga.errors import AudioError


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (np.zeros((2, 2, 2)), 44100, "3 dimensions"),
        (np.float32(0.0), 44100, "0 dimensions"),
        (np.zeros((0, 10)), 44100, "channel count"),
        (np.zeros((65, 10)), 44100, "channel count"),
        (np.zeros(10, dtype=np.int16), 44100, "int16"),
        (np.zeros(10, dtype=complex), 44100, "complex"),
        (np.array([0.0, np.nan]), 44100, "NaN"),
        (np.array([0.0, -np.inf]), 44100, "infinite"),
        (np.zeros(10), 0, "0 Hz"),
        (np.zeros(10), 999, "999 Hz"),
        (np.zeros(10), 4_000_000_000, "4000000000 Hz"),
    ],
)
def test_bad_samples_are_refused_by_name(samples, rate, words):
    with pytest.raises(AudioError, match=words):
        Clip(samples, rate)


def test_double_beyond_the_range_of_float_is_refused():
    with np.errstate(over="ignore"), pytest.raises(AudioError, match="infinite"):
        Clip(np.array([1e300]), 44100)


@given(channels=st.integers(1, 8), frames=st.integers(0, 500), rate=st.integers(1000, 768000))
def test_shape_and_length(channels, frames, rate):
    clip = Clip(np.ones((channels, frames)), rate)
    assert clip.samples.dtype == np.float32
    assert (clip.channels, clip.n_samples) == (channels, frames)
    assert clip.seconds == frames / rate
    assert clip.mono.shape == (frames,)
    assert clip.peak == (1.0 if frames else 0.0)


def test_level_is_kept_beyond_full_scale():
    assert Clip(np.array([3.0, -5.0]), 44100).peak == 5.0


@given(frames=st.integers(0, 300), wanted=st.integers(0, 300))
def test_fitted_cuts_or_pads_with_silence(frames, wanted):
    clip = Clip(np.ones((2, frames)), 8000).fitted(wanted)
    assert clip.n_samples == wanted
    assert clip.samples[:, : min(frames, wanted)].all()
    assert not clip.samples[:, frames:].any()


def test_layouts():
    mono, stereo = Clip(np.full(4, 0.5), 8000), Clip(np.array([[1.0], [0.0]]), 8000)
    assert np.array_equal(mono.with_channels(2).samples, np.full((2, 4), 0.5))
    assert stereo.with_channels(1).samples.tolist() == [[0.5]]
    assert Clip(np.ones((6, 4)), 8000).with_channels(2).channels == 2
    with pytest.raises(AudioError, match="2 channels into 3"):
        stereo.with_channels(3)
