"""Copies that come a little early or late, and grains, are found; music isn't."""

import numpy as np
import pytest

from milonga.analysis.checks.returns import longest_return
from milonga.analysis.take_checks import check_take
from milonga.audio import Clip

RATE = 44_100


def codes(samples):
    return [finding.code for finding in check_take(Clip(samples.astype(np.float32), RATE))]


def jittered(passage, seconds, stray_s, rng):
    parts = []
    while sum(map(len, parts)) < seconds * RATE:
        size = RATE // 2 + round(rng.uniform(-stray_s, stray_s) * RATE)
        parts.append(passage[:size])
    return np.concatenate(parts)


@pytest.mark.parametrize("stray_s", [0.0005, 0.001])
def test_a_loop_whose_copies_stray(stray_s, sample, rng):
    looped = jittered(sample("loop_garzul").mono[RATE:], 8, stray_s, rng)
    assert codes(looped) == ["loop"]
    found = longest_return(looped, RATE)
    assert found.period_s == pytest.approx(0.5, abs=stray_s)
    # The last template that looks ahead, and a block.
    assert found.length_s == pytest.approx(8, abs=0.6)


def test_other_notes_in_the_same_rhythm_are_music(sample, rng):
    clip = sample("loop_garzul").mono
    parts = [clip[at : at + RATE // 2] for at in rng.integers(0, 6 * RATE, 16)]
    assert codes(np.concatenate(parts)) == []


@pytest.mark.parametrize("grain_s", [0.04, 0.2])
def test_a_grain_that_froze(grain_s, sample):
    music = sample("loop_garzul").mono[: 3 * RATE]
    hop = round(grain_s * RATE / 2)
    grain = music[-2 * hop :] * (0.5 - 0.5 * np.cos(np.pi * np.arange(2 * hop) / hop))
    frozen = np.resize(grain.reshape(2, hop).sum(axis=0), 5 * RATE)
    assert codes(np.concatenate([music, frozen]))[0] in {"frozen", "loop"}


@pytest.mark.parametrize("rate", [8_000, 16_000, 96_000])
def test_at_other_rates(rate, sample):
    from milonga.audio import resample

    part = resample(sample("loop_garzul"), rate).mono[rate : rate + rate // 2]
    found = longest_return(np.resize(part, 8 * rate), rate)
    assert found.period_s == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("length", [0, 1, 100, 3_000, 20_000])
def test_short_and_silent_sounds_have_none(length):
    assert longest_return(np.zeros(length, dtype=np.float32), 8_000) is None
