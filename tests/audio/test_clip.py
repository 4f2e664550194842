import copy
import pickle
import re

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
        (np.zeros(10), 44100.5, "44100.5 is not a whole number"),
        (np.zeros(10), "44100", "'44100' is not a whole number"),
        (np.zeros(10), True, "True is not a whole number"),
        (np.zeros(10), None, "None is not a whole number"),
        (np.zeros(10), float("nan"), "nan is not a whole number"),
        (np.zeros((44100, 2)), 44100, r"look like \[time, channels\].*\n.*samples.T"),
    ],
)
def test_bad_samples_are_refused_by_name(samples, rate, words):
    with pytest.raises(AudioError) as error:
        Clip(samples, rate)
    assert re.search(words, str(error.value))


@pytest.mark.parametrize("rate", [np.int16(8000), np.uint64(8000), 8000.0, np.float32(8000)])
def test_a_whole_rate_of_any_type_is_kept_as_an_int(rate):
    kept = Clip(np.zeros(10), rate).sample_rate
    assert (kept, type(kept)) == (8000, int)


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


def test_the_caller_s_array_stays_the_caller_s():
    array = np.zeros((2, 10), dtype=np.float32)
    clip = Clip(array, 8000)
    array += 1
    assert clip.peak == 0
    assert array.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        clip.samples[0, 0] = 1
    taken = Clip(array, 8000, copy=False)
    assert np.shares_memory(taken.samples, array)
    assert not taken.samples.flags.writeable
    assert array.flags.writeable


def test_a_part_of_one_channel_needs_no_memory():
    clip = Clip(np.zeros(100), 8000)
    assert np.shares_memory(clip[10:20].samples, clip.samples)
    assert np.shares_memory(Clip(clip.samples, 8000).samples, clip.samples)


@given(
    start=st.none() | st.integers(-30, 30),
    stop=st.none() | st.integers(-30, 30),
    channels=st.integers(1, 3),
)
def test_a_slice_is_numpy_s(start, stop, channels):
    clip = Clip(np.arange(20.0 * channels).reshape(channels, 20), 8000)
    part = clip[start:stop]
    assert np.array_equal(part.samples, clip.samples[:, start:stop])
    assert part.sample_rate == 8000


@pytest.mark.parametrize("index", [3, (0, 3), slice(0, 10, 2), slice(None, None, -1), "a"])
def test_what_is_no_slice_is_refused(index):
    with pytest.raises(AudioError, match=re.escape("clip[start:stop]")):
        Clip(np.zeros(20), 8000)[index]


def test_between_counts_in_seconds():
    clip = Clip(np.arange(8000.0), 8000)
    assert clip.between(0.25, 0.5) == clip[2000:4000]
    assert clip.between(0.75) == clip[6000:]
    assert clip.between(0.5, 99.0) == clip[4000:]
    assert clip.between(7.0, 8.0).n_samples == 0
    for wrong in ((-0.1, 0.2), (0.3, 0.2), (float("nan"), 1.0)):
        with pytest.raises(AudioError, match="nothing between"):
            clip.between(*wrong)


def test_equality_is_of_samples_channels_and_rate():
    clip = Clip(np.ones((1, 4)), 8000)
    assert clip == Clip(np.ones(4), 8000)
    assert clip != Clip(np.ones(4), 8001)
    assert clip != Clip(np.ones((2, 4)), 8000)
    assert clip != Clip(np.zeros(4), 8000)
    assert clip != "a clip"
    assert copy.deepcopy(clip) == clip == pickle.loads(pickle.dumps(clip))
    with pytest.raises(TypeError, match="unhashable"):
        hash(clip)


def test_as_an_array():
    clip = Clip(np.ones((2, 4)), 8000)
    assert np.asarray(clip) is clip.samples or np.shares_memory(np.asarray(clip), clip.samples)
    assert np.array(clip).flags.writeable
    assert np.asarray(clip, dtype=np.float64).dtype == np.float64
    assert np.mean(clip) == 1.0
    assert len(clip) == 4
    with pytest.raises(ValueError, match="copy"):
        np.array(clip, dtype=np.float64, copy=False)


def test_an_empty_clip_is_still_true():
    assert Clip(np.zeros(0), 8000)
