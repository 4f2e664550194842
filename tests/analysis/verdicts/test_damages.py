"""Damage does what it says, in rising order of harm, and keeps the length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.pairs.sketch import sketch
from milonga.analysis.verdicts.damages import DAMAGES, RATE, stretched, working
from milonga.analysis.verdicts.ladder import EXCERPT_S, rung
from milonga.audio import Clip

DAMAGE = {damage.name: damage for damage in DAMAGES}


@pytest.fixture(scope="module")
def wave(sample):
    return working(sample("loop_garzul"))[: 4 * RATE]


@pytest.mark.parametrize("name", [name for name in DAMAGE if name != "stretch"])
def test_the_length_stays(wave, name):
    damage = DAMAGE[name]
    for step in (damage.steps[0], damage.steps[-1]):
        assert damage.apply(wave, step).shape == wave.shape


def test_noise_lies_where_it_says(wave):
    for step in DAMAGE["noise"].steps:
        added = DAMAGE["noise"].apply(wave, step) - wave
        ratio = 10 * np.log10(np.mean(wave**2) / np.mean(added**2))
        # A second of noise has a level within 0.1 dB.
        assert ratio == pytest.approx(step, abs=0.1)


def test_a_low_pass_takes_what_is_above_and_leaves_what_is_below():
    time = np.arange(RATE) / RATE
    for step in DAMAGE["low_pass"].steps:
        below, above = (np.sin(2 * np.pi * hertz * time) for hertz in (800 * step, 1100 * step))
        kept = DAMAGE["low_pass"].apply((below + above).astype(np.float32), step)
        inner = slice(RATE // 4, 3 * RATE // 4)
        assert np.allclose(kept[inner], below[inner], atol=2e-3)


def test_mp3_is_smaller_the_lower_its_bit_rate(wave):
    apart = [
        float(np.mean((DAMAGE["bit_rate"].apply(wave, step)[2000:] - wave[2000:]) ** 2))
        for step in (64, 24)
    ]
    assert 0 < apart[0] < apart[1]


def test_dropouts_and_clipping_take_their_share(wave):
    for step in DAMAGE["dropouts"].steps:
        silent = np.mean(DAMAGE["dropouts"].apply(np.ones_like(wave), step) < 0.01)
        # Whole gaps of 0.05 s in 4 s: steps of 1.25 %.
        assert silent == pytest.approx(step / 100, abs=0.02)
    for step in DAMAGE["clipping"].steps:
        clipped = DAMAGE["clipping"].apply(wave, step)
        assert np.mean(np.abs(clipped) >= np.abs(clipped).max() * 0.9999) >= step / 100 - 0.01


@settings(max_examples=15, deadline=None)
@given(st.floats(0.6, 1.6), st.integers(2000, 20_000))
def test_stretching_keeps_the_pitch_and_changes_the_length(factor, length):
    time = np.arange(length) / RATE
    made = stretched(np.sin(2 * np.pi * 440 * time).astype(np.float32), factor)
    assert len(made) == round(length * factor)
    spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made)), 1 << 16))
    # A window of 2000 samples sees 12 Hz; its top is finer.
    assert np.argmax(spectrum) * RATE / (1 << 16) == pytest.approx(440, abs=6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 3000), st.sampled_from(DAMAGES))
def test_anything_can_be_damaged(length, damage):
    wave = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    if damage.name == "bit_rate" and not length:
        return
    for step in (damage.steps[0], damage.steps[-1]):
        made = damage.apply(wave, step)
        assert made.dtype == np.float32
        assert np.isfinite(made).all()


@pytest.mark.parametrize(
    ("name", "damage", "figure"),
    [
        # A bell with few partials, and a boom without notes: each was missed by every figure.
        ("perc_bell", "low_pass", "centroid_diff_pct"),
        ("misc_cineboom", "pitch", "pitch_shift_semitones"),
    ],
)
def test_a_figure_moves_steadily_with_the_damage_on_hard_recordings(sample, name, damage, figure):
    wave = working(sample(name))[: round(EXCERPT_S * RATE)]
    own = sketch(Clip(wave, RATE))
    found = [rung(own, wave, DAMAGE[damage], step).common for step in DAMAGE[damage].steps]
    values = [getattr(one, figure) for one in found]
    assert None not in values
    assert np.all(np.diff(np.abs(values)) > 0)


def test_the_working_rate_holds_what_is_heard(sample):
    clip = sample("loop_garzul")
    wave = working(clip)
    assert len(wave) == round(clip.n_samples * RATE / clip.sample_rate)
    assert working(Clip(wave, RATE)).tolist() == wave.tolist()
