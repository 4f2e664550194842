"""Stuck generators are told from music that repeats."""

import numpy as np
import pytest

from milonga.analysis.checks.loops import stuck_loop

RATE = 44_100


def passage(sample, seconds, at=1.0):
    clip = sample("loop_garzul")
    return clip.mono[round(at * clip.sample_rate) :][: round(seconds * clip.sample_rate)]


@pytest.mark.parametrize("seconds", [0.06, 0.11, 0.25, 0.5, 0.777, 1.0, 1.4])
def test_a_passage_over_and_over(seconds, sample):
    part = passage(sample, seconds)
    loop = stuck_loop(np.resize(part, 10 * RATE), RATE)
    assert loop.period_s == len(part) / RATE
    assert loop.start_s == 0
    assert loop.length_s == pytest.approx(10, abs=0.02)
    assert loop.copies == int(10 / loop.period_s + 0.01)


def test_stuck_after_a_good_start(sample):
    music = sample("loop_mika").mono[: 5 * RATE]
    take = np.concatenate([music, np.resize(music[-RATE // 2 :], 9 * RATE)])
    loop = stuck_loop(take, RATE)
    assert loop.period_s == 0.5
    # The first copy is the last half second of the good part; blocks are 10 ms.
    assert loop.start_s == pytest.approx(4.5, abs=0.02)


def test_nearly_identical_is_stuck_too(sample, rng):
    looped = np.resize(passage(sample, 1.0), 8 * RATE)
    level = np.sqrt(np.mean(looped**2))
    noise = rng.standard_normal(len(looped)).astype(np.float32)
    assert stuck_loop(looped + noise * np.float32(level * 10 ** (-55 / 20)), RATE) is not None
    # Two takes of the same riff differ by more than this.
    assert stuck_loop(looped + noise * np.float32(level * 10 ** (-20 / 20)), RATE) is None


@pytest.mark.parametrize("rate", [8_000, 24_000, 48_000])
def test_at_other_rates(rate, sample):
    from milonga.audio import resample

    part = resample(sample("loop_garzul"), rate).mono[rate : rate + rate // 2]
    assert stuck_loop(np.resize(part, 8 * rate), rate).period_s == pytest.approx(0.5)


def test_three_times_is_music(sample):
    part = passage(sample, 1.4)
    rest = sample("loop_mika").mono[: 2 * RATE]
    assert stuck_loop(np.concatenate([np.tile(part, 3), rest]), RATE) is None


def test_a_bar_may_repeat(sample):
    assert stuck_loop(np.resize(passage(sample, 2.0), 16 * RATE), RATE) is None


@pytest.mark.parametrize(
    "tone",
    [
        lambda t: np.sin(2 * np.pi * 440 * t),
        lambda t: 2 * (110 * t % 1) - 1,
        lambda t: np.sign(np.sin(2 * np.pi * 100 * t)),
        lambda t: sum(2 * (f * t % 1) - 1 for f in (110, 165, 220)),
        lambda t: np.full_like(t, 0.5),
    ],
    ids=["sine", "saw", "square", "fifths", "constant"],
)
def test_a_steady_tone_is_no_loop(tone):
    t = np.arange(10 * RATE) / RATE
    assert stuck_loop((0.2 * tone(t)).astype(np.float32), RATE) is None


def test_a_drum_pattern_with_gaps_is_no_loop(sequenced):
    clip = sequenced(120, drums_only=True)
    # It does repeat: every beat is the same, sample for sample.
    assert np.abs(clip.mono[: 4 * RATE] - clip.mono[RATE // 2 :][: 4 * RATE]).max() < 1e-4
    assert stuck_loop(clip.mono, clip.sample_rate) is None


@pytest.mark.parametrize("frames", [0, 1, 100, RATE // 2])
def test_short_or_empty(frames, rng):
    assert stuck_loop(rng.standard_normal(frames).astype(np.float32), RATE) is None


def test_noise_and_silence():
    rng = np.random.default_rng(0)
    assert stuck_loop(rng.standard_normal(8 * RATE).astype(np.float32), RATE) is None
    assert stuck_loop(np.zeros(8 * RATE, dtype=np.float32), RATE) is None
