"""Tempi are found as finely as they are stated, and noise has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.pairs.beat import tempo
from milonga.analysis.pairs.ground import onset_strength
from milonga.analysis.pairs.sketch import sketch
from milonga.audio import Clip


def tempo_of(clip):
    return tempo(onset_strength(sketch(clip)))


def clicks(bpm, seconds=12.0, rate=22_050):
    wave = np.zeros(round(seconds * rate), dtype=np.float32)
    burst = np.random.default_rng(0).standard_normal(400) * np.exp(-np.arange(400) / 60)
    for at in np.arange(0.05, seconds - 0.05, 60 / bpm):
        start = round(at * rate)
        wave[start : start + 400] += 0.3 * burst
    return Clip(wave, rate)


@settings(max_examples=25, deadline=None)
@given(st.floats(50, 220))
def test_the_tempo_of_clicks_lies_within_its_resolution(bpm):
    found = tempo_of(clicks(bpm))
    assert found.resolution_bpm < 0.01 * bpm
    octaves = [found.bpm * factor for factor in (0.25, 1 / 3, 0.5, 1, 2, 3, 4)]
    nearest = min(octaves, key=lambda one: abs(one - bpm))
    assert nearest == pytest.approx(bpm, abs=found.resolution_bpm * max(1.0, nearest / found.bpm))


def test_two_tempi_that_were_neighbours_of_a_grid_are_told_apart():
    first, second = (tempo_of(clicks(bpm)) for bpm in (119.7, 121.0))
    assert first.bpm == pytest.approx(119.7, abs=first.resolution_bpm)
    assert second.bpm == pytest.approx(121.0, abs=second.resolution_bpm)


@pytest.mark.parametrize(
    ("name", "bpm"), [("loop_garzul", 120), ("loop_mika", 120), ("loop_compus", 148)]
)
def test_loops_have_their_tempo(sample, name, bpm):
    found = tempo_of(sample(name))
    # sonic-pi's loops are cut to whole beats, by hand.
    assert found.bpm == pytest.approx(bpm, rel=0.002)
    assert any(other == pytest.approx(bpm / 2, rel=0.002) for other in found.alternatives_bpm)


@pytest.mark.parametrize("seconds", [4, 8, 16, 30])
@pytest.mark.parametrize("seed", range(4))
def test_noise_has_no_tempo(seconds, seed):
    wave = 0.1 * np.random.default_rng(seed).standard_normal(seconds * 22_050)
    found = tempo_of(Clip(wave, 22_050))
    assert found.bpm is None
    assert found.reason == "No beat stands out."


@pytest.mark.parametrize("name", ["vinyl_hiss", "ambi_drone", "misc_cineboom", "perc_bell2"])
def test_what_has_no_beat_has_no_tempo(sample, name):
    assert tempo_of(sample(name)).bpm is None


def test_what_is_too_short_says_which_length_would_do():
    found = tempo_of(clicks(120, seconds=2.0))
    assert found.bpm is None
    assert found.reason == "A tempo needs 3 s; there are 2.0 s."
