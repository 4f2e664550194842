from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.audio import Clip, loudness_lufs, read, true_peak_dbtp
from milonga.songs.output.mix import (
    CROSSFADE_S,
    MIX_RATE,
    MixInput,
    balance,
    join,
    layer,
    mixdown,
    starts,
)


def tone(seconds=3.0, level=0.3, rate=44100, frequency=440.0, channels=1):
    time = np.arange(round(seconds * rate)) / rate
    return Clip(np.tile(level * np.sin(2 * np.pi * frequency * time), (channels, 1)), rate)


@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.floats(0.05, 3.0), min_size=1, max_size=5),
    level=st.sampled_from([0.001, 0.3, 5.0]),
    rate=st.sampled_from([24000, 32000, 44100]),
)
def test_the_song_is_stereo_level_and_not_clipped(lengths, level, rate):
    song = mixdown([[MixInput(tone(s, level, rate), "a")] for s in lengths])
    assert (song.sample_rate, song.channels) == (44100, 2)
    assert true_peak_dbtp(song) <= -1.0
    # Each segment's length is rounded to samples at two rates.
    assert abs(song.seconds - sum(lengths)) <= 0.01
    if loudness_lufs(song) is not None:
        assert loudness_lufs(song) == pytest.approx(-14.0, abs=0.2)


@pytest.mark.parametrize("name", ["loop_amen", "loop_breakbeat", "loop_compus", "guit_e_fifths"])
def test_real_drums_and_guitar_reach_the_level(name):
    clip = read(f"/usr/share/sonic-pi/samples/{name}.flac")
    song = mixdown([[MixInput(clip.scaled(0.01), "a")], [MixInput(clip, "a")]])
    # The limiter stops within 0.05 LU.
    assert loudness_lufs(song) == pytest.approx(-14.0, abs=0.1)
    assert true_peak_dbtp(song) <= -1.0


def test_nothing_to_mix():
    assert mixdown([[], []]).n_samples == 0


def test_layers_keep_the_gain_between_them():
    loud, soft = tone(level=0.9), tone(level=0.001)
    inputs = [MixInput(loud, "bark/vocals"), MixInput(soft, "guide/backing", -6.0)]
    levels = [
        loudness_lufs(one.clip) + gain for one, gain in zip(inputs, balance(inputs), strict=True)
    ]
    assert levels[0] - levels[1] == pytest.approx(6.0, abs=1e-6)


def test_the_dynamics_of_one_generator_stay_up_to_a_bound():
    loud, soft, whisper = (MixInput(tone(level=v), "guide/instrumental") for v in (0.4, 0.3, 0.01))
    gains = balance([loud, soft, whisper])
    levels = [
        loudness_lufs(one.clip) + gain
        for one, gain in zip([loud, soft, whisper], gains, strict=True)
    ]
    mean = sum(levels[:2]) / 2
    assert levels[0] - levels[1] == pytest.approx(0.0, abs=2.5)
    assert levels[0] - levels[2] == pytest.approx(8.0, abs=1e-6)
    assert mean > levels[2]


def test_silence_among_the_layers_changes_nothing():
    silent = MixInput(Clip(np.zeros(44100), 44100), "a")
    alone = mixdown([[MixInput(tone(), "b")]])
    both = mixdown([[MixInput(tone(), "b"), silent]])
    assert np.allclose(alone.samples, both.samples, atol=1e-6)


def test_a_segment_lasts_as_long_as_its_longest_layer():
    clip = layer([MixInput(tone(1.0), "a"), MixInput(tone(2.5, rate=24000), "b")], [0.0, 0.0])
    assert clip.seconds == pytest.approx(2.5, abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(0, 9000), min_size=1, max_size=6))
def test_joins_leave_every_part_in_its_time(lengths):
    """Outside the crossfades each sample stands where it would without them."""
    rng = np.random.default_rng(sum(lengths))
    parts = [Clip(rng.standard_normal((2, n)), MIX_RATE) for n in lengths]
    song = join(parts)
    assert song.n_samples == sum(lengths)
    for start, part in zip(accumulate(lengths, initial=0), parts, strict=False):
        faded = min(round(CROSSFADE_S * MIX_RATE), part.n_samples // 4)
        kept = song.samples[:, start + faded : start + part.n_samples]
        assert np.array_equal(kept, part.samples[:, faded:])


def test_a_join_has_equal_power():
    rng = np.random.default_rng(1)
    powers = []
    for _ in range(200):
        parts = [Clip(rng.standard_normal((1, 8000)), MIX_RATE) for _ in range(2)]
        powers.append(join(parts).samples[0] ** 2)
    around = np.mean(powers, axis=0)[8000 : 8000 + 1323]
    # 200 draws of 1,323 samples of unit variance: one percent is about four standard errors.
    assert np.mean(around) == pytest.approx(1.0, abs=0.015)
    halves = np.mean(around[:661]), np.mean(around[661:])
    assert halves == pytest.approx((1.0, 1.0), abs=0.03)


def test_a_join_has_no_click():
    parts = [tone(1.0, frequency=100), tone(1.0, frequency=100)]
    steps = np.abs(np.diff(join(parts).samples[0]))
    # A 100 Hz sine of 0.3 moves 0.0043 a sample; two in a crossfade at most 1.5 times that.
    assert steps.max() < 0.0065


@pytest.mark.parametrize("lengths", [[2.0], [1.0, 0.05, 3.0], [0.5, 0.5, 0.5]])
def test_where_segments_start_in_the_song(lengths):
    places = starts(lengths)
    parts = [Clip(np.ones((1, round(length * MIX_RATE))), MIX_RATE) for length in lengths]
    assert places[0] == 0
    assert join(parts).seconds == pytest.approx(places[-1] + lengths[-1], abs=1e-4)
    # A part alone stands at its place.
    for index, place in enumerate(places):
        alone = [part.scaled(float(i == index)) for i, part in enumerate(parts)]
        # The first part's mirrored end sounds on under the next.
        sounding = np.flatnonzero(join(alone).samples[0])
        assert sounding[0] / MIX_RATE == pytest.approx(place, abs=1e-4)
    assert starts([]) == []
