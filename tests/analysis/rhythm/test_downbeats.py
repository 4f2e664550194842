"""Downbeats of played bars, moved and stretched against the place that is asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.rhythm.downbeats import Onsets
from milonga.audio.clip import Clip

RATE = 22_050


def bars(seconds, tempo, beats=4, lead_s=0.0):
    """A kick and a new chord on each downbeat, a shorter knock on each beat, hi-hats between."""
    rng = np.random.default_rng(0)
    sound = np.zeros(round(seconds * RATE))
    beat_s = 60 / tempo

    def add(at, wave):
        start = round(at * RATE)
        wave = wave[: max(0, len(sound) - start)]
        sound[start : start + len(wave)] += wave

    t = np.arange(round(0.1 * RATE)) / RATE
    for index in range(int((seconds - lead_s) / beat_s)):
        at = lead_s + index * beat_s
        add(at, 0.3 * np.sin(2 * np.pi * 180 * t) * np.exp(-t / 0.03))
        add(at + beat_s / 2, 0.1 * rng.standard_normal(400) * np.exp(-np.arange(400) / 80))
        if index % beats == 0:
            add(at, 0.8 * np.sin(2 * np.pi * 60 * t) * np.exp(-t / 0.05))
            chord = np.arange(round(beats * beat_s * RATE)) / RATE
            root = 220 * 2 ** ((index // beats % 4) * 5 / 12)
            for step in (0, 4, 7):
                add(at, 0.05 * np.sin(2 * np.pi * root * 2 ** (step / 12) * chord))
    return Clip(sound, RATE)


@settings(max_examples=15, deadline=None)
@given(
    tempo=st.floats(70, 160),
    beats=st.sampled_from([3, 4]),
    off=st.floats(0.97, 1.03),
    lead=st.floats(0.0, 1.0),
    bar=st.integers(4, 6),
    stray=st.floats(-0.4, 0.4),
)
def test_the_nearest_downbeat_is_found_at_another_tempo_and_with_a_lead_in(
    tempo, beats, off, lead, bar, stray
):
    bar_s = beats * 60 / tempo
    clip = bars(12 * bar_s, tempo, beats, lead)
    there = lead + bar * bar_s
    found = Onsets(clip).near(there + stray * bar_s, tempo * off, beats)
    # Frames are 12 ms apart, the phase is read between them; a beat begins within its frame.
    assert found.at == "downbeat"
    assert found.time_s == pytest.approx(there, abs=0.025)
    assert found.beat > 0.45
    assert found.bar > 0.8


def test_without_a_beat_the_place_stays():
    rng = np.random.default_rng(1)
    noise = Clip(0.1 * rng.standard_normal(20 * RATE), RATE)
    tone = Clip(0.3 * np.sin(2 * np.pi * 220 * np.arange(20 * RATE) / RATE), RATE)
    for clip in (noise, tone, Clip(np.zeros(20 * RATE), RATE), Clip(np.zeros(100), RATE)):
        found = Onsets(clip).near(10.0, 120, 4)
        assert (found.at, found.time_s, found.bar) == ("place", 10.0, None)
        assert found.beat < 0.4


def test_where_no_beat_stands_out_the_nearest_one_counts():
    knock = np.exp(-np.arange(2000) / 300) * np.sin(np.arange(2000) * 0.05)
    sound = np.zeros(16 * RATE)
    for beat in range(30):
        start = round((0.2 + beat * 0.5) * RATE)
        sound[start : start + 2000] += knock[: len(sound) - start]
    # All beats are alike: which one is the strongest is chance.
    found = Onsets(Clip(sound, RATE)).near(8.1, 120, 4)
    assert found.at == "beat"
    assert found.time_s == pytest.approx(8.2, abs=0.025)
