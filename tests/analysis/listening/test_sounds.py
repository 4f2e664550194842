import base64
import io

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.listening.design import design
from milonga.analysis.listening.sounds import encoded, low_passed, matched, sounds_of
from milonga.audio import Clip, loudness_lufs
from milonga.errors import MilongaError


def noise(seconds, rate, channels=2, size=0.1, seed=0):
    rng = np.random.default_rng(seed)
    return Clip(size * rng.normal(size=(channels, round(seconds * rate))), rate)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([16_000, 22_050, 44_100, 48_000, 96_000]),
            st.integers(1, 2),
            st.floats(-40, 0),
            st.floats(0.5, 1.5),
        ),
        min_size=2,
        max_size=4,
    )
)
def test_all_are_as_loud_and_long_and_none_clips(kinds):
    clips = {
        str(n): noise(seconds, rate, channels, 0.3 * 10 ** (level / 20), n)
        for n, (rate, channels, level, seconds) in enumerate(kinds)
    }
    same = matched(clips, "one")
    assert len({(clip.sample_rate, clip.channels) for clip in same.values()}) == 1
    assert max(clip.peak for clip in same.values()) <= 0.98 + 1e-6
    levels = [loudness_lufs(clip) for clip in same.values()]
    # Gains are exact; float32 rounding and one gate's edge remain.
    assert max(levels) - min(levels) < 0.02


def test_mono_is_as_loud_as_it_is_heard():
    mono = noise(2, 48_000, 1)
    stereo = Clip(np.repeat(mono.samples, 2, axis=0), 48_000)
    same = matched({"mono": mono, "stereo": stereo}, "one")
    np.testing.assert_allclose(same["mono"].samples, same["stereo"].samples, atol=1e-6)


def test_silence_can_t_be_judged():
    with pytest.raises(MilongaError, match="b is silent or shorter than"):
        matched({"a": noise(1, 8000), "b": Clip(np.zeros(8000), 8000)}, "one")


def test_an_anchor_lacks_what_is_above_its_corner():
    clip = noise(2, 48_000)
    spectrum = np.abs(np.fft.rfft(low_passed(clip, 3500).samples[0]))
    hertz = np.fft.rfftfreq(clip.n_samples, 1 / 48_000)
    before = np.abs(np.fft.rfft(clip.samples[0]))
    # A Hamming window's side lobes are 53 dB down; its edge is 3.3 / 8 ms = 410 Hz wide.
    assert spectrum[hertz > 3800].mean() < 0.003 * before[hertz > 3800].mean()
    kept = spectrum[hertz < 3200].mean() / before[hertz < 3200].mean()
    assert kept == pytest.approx(1, abs=0.01)


def test_x_has_no_bytes_in_common_with_what_it_is():
    key = design("abx", {"one": ["a", "b"]}, repeats=1)
    sounds = sounds_of(key, "one", {"a": noise(1, 8000), "b": noise(1, 8000, seed=1)})
    (trial,) = key.trials
    rng = np.random.default_rng(0)
    texts = [encoded(sounds[stimulus.name], rng) for stimulus in trial.stimuli]
    assert len(set(texts)) == 3
    x, same = sounds[trial.stimuli[2].name], texts["ab".index(trial.answer)]
    decoded, rate = sf.read(io.BytesIO(base64.b64decode(same)), dtype="float32")
    assert rate == 8000
    # Two steps of 24 bits: rounding and the drawn bit.
    np.testing.assert_allclose(decoded.T, x.samples, atol=2 / 2**23 + 1e-7)
