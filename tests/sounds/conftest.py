"""Corpora made here: pitched, noisy, percussive."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from milonga.audio import Clip, write

RATE = 44_100


def _support():
    path = Path(__file__).parents[1] / "support" / "sound_models.py"
    spec = importlib.util.spec_from_file_location("milonga_test_sound_models", path)
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sound_models():
    """The module support/sound_models.py."""
    return _support()


@pytest.fixture
def library(tmp_path, monkeypatch):
    """An empty library of this test's own."""
    from milonga.sounds import Library

    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    return Library()


def _pitched(rng, seconds):
    time = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros_like(time)
    for start in np.arange(0, seconds, 0.5):
        since = np.clip(time - start, 0, None)
        hertz = 220 * 2 ** (rng.integers(0, 13) / 12)
        level = rng.uniform(0.05, 0.2) * np.exp(-4 * since) * (time >= start)
        sound += level * sum(np.sin(2 * np.pi * hertz * n * time) / n for n in range(1, 5))
    return sound


def _noisy(rng, seconds):
    count = round(seconds * RATE)
    swell = np.interp(np.arange(count), np.linspace(0, count, 9), rng.uniform(0.02, 0.2, 9))
    return swell * rng.standard_normal(count)


def _percussive(rng, seconds):
    time = np.arange(round(seconds * RATE)) / RATE
    sound = 0.001 * rng.standard_normal(len(time))
    for start in np.arange(0.1, seconds, 0.25):
        since = np.clip(time - start, 0, None)
        hit = np.exp(-rng.uniform(15, 40) * since) * (time >= start)
        sound += 0.3 * hit * rng.standard_normal(len(time))
    return np.clip(sound, -0.95, 0.95)


_KINDS = {"pitched": _pitched, "noisy": _noisy, "percussive": _percussive}


@pytest.fixture(scope="session")
def make_corpus():
    """``make_corpus(folder, kind="pitched", files=4, seconds=3.0, seed=0)`` writes recordings."""

    def make(folder, kind="pitched", files=4, seconds=3.0, seed=0):
        for index in range(files):
            rng = np.random.default_rng((seed, index))
            clip = Clip(_KINDS[kind](rng, seconds), RATE)
            write(folder / f"{kind} {index}.wav", clip)
        return folder

    return make


@pytest.fixture(scope="session")
def recordings(tmp_path_factory, make_corpus):
    """Four pitched recordings of 3 s."""
    return make_corpus(tmp_path_factory.mktemp("pitched"))
