"""Corpora made here, on disk and in memory, and a tiny model trained on one."""

import os
from dataclasses import dataclass

import numpy as np
import pytest
from filelock import FileLock

from milonga.audio import Clip, write
from milonga.audio.mel.spec import MelSpec

RATE = 44_100


@pytest.fixture(scope="session")
def sound_models():
    """The module support/sound_models.py."""
    import sound_models

    return sound_models


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


SPEC = MelSpec.preset("bigvgan-v2-44khz-128band-512x")


def pitched(seconds, hertz, brightness, seed=0):
    """A harmonic tone; partial n has the magnitude brightness ** n."""
    t = np.arange(round(seconds * RATE)) / RATE
    draw = np.random.default_rng(seed)
    partials = range(1, min(30, int(15_000 / hertz)))
    return 0.3 * sum(
        brightness**n * np.sin(2 * np.pi * n * hertz * t + draw.uniform(0, 6)) for n in partials
    )


def noisy(seconds, low, high, seed=0):
    """Noise between two frequencies."""
    count = round(seconds * RATE)
    draw = np.random.default_rng(seed)
    spectrum = np.fft.rfft(draw.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    noise = np.fft.irfft(spectrum, count)
    return 0.1 * noise / noise.std()


def percussive(seconds, per_second, seed=0):
    """Bursts of noise that die away, evenly in time."""
    t = np.arange(round(seconds * RATE)) / RATE
    since = np.mod(t, 1 / per_second)
    return 0.5 * np.random.default_rng(seed).standard_normal(len(t)) * np.exp(-since * 40)


def mel_of(samples):
    """float32 ``[128, T]``."""
    return SPEC.analyse(Clip(np.asarray(samples, np.float32), RATE))[0]


@dataclass
class MadeTrack:
    file: int
    augmented: bool
    mel: np.ndarray


class MadeStore:
    """What training needs of a store, in memory."""

    def __init__(self, train, validation):
        self.spec = SPEC
        self._tracks = {
            "train": [MadeTrack(i, False, mel_of(s).astype(np.float16))
                      for i, s in enumerate(train)],
            "validation": [MadeTrack(len(train) + i, False, mel_of(s).astype(np.float16))
                           for i, s in enumerate(validation)],
        }  # fmt: skip
        frames = np.concatenate([t.mel for t in self._tracks["train"]], axis=1).astype(np.float32)
        self.mean, self.std = frames.mean(1), np.maximum(frames.std(1), 0.1)

    def tracks(self, split):
        return list(self._tracks[split])


@pytest.fixture(scope="session")
def sounds():
    """The makers of sounds, and their mel."""

    class Makers:
        spec, rate = SPEC, RATE
        store = MadeStore

    for maker in (pitched, noisy, percussive, mel_of):
        setattr(Makers, maker.__name__, staticmethod(maker))
    return Makers


@pytest.fixture(scope="session")
def store():
    """Pitched, noisy and percussive recordings, 0.3 to 3 s long."""
    train = [
        pitched(2.5, 220, 0.5),
        pitched(0.3, 330, 0.8, 1),
        0.3 * pitched(2.0, 550, 0.7, 2),
        noisy(2.0, 200, 2000),
        0.2 * noisy(1.5, 2000, 9000, 1),
        percussive(3.0, 2),
        0.5 * percussive(2.0, 5, 1),
    ]
    return MadeStore(train, [pitched(1.5, 262, 0.6, 3), percussive(1.5, 3, 2)])


@pytest.fixture(scope="session")
def tiny():
    """Settings of a training that takes seconds: ``tiny(steps=20, ...)``."""
    from milonga.sounds.model.architecture import Architecture
    from milonga.sounds.training.settings import TrainSettings

    shape = Architecture(latent=24, widths=(24, 24, 32, 32), blocks=(1, 1, 1, 1), hidden=16)

    def settings(**changes):
        given = {"steps": 20, "batch": 4, "frames": 128, "evaluate_every": 40,
                 "learning_rate": 6e-3, "effect_seeds": 1, "device": "cpu"}  # fmt: skip
        return TrainSettings(**(given | changes), architecture=shape)

    return settings


@pytest.fixture(scope="session")
def trained(store, tiny, tmp_path_factory):
    """A tiny ``TrainedModel``, trained once for all workers: who comes later reads it."""
    from milonga.sounds.training.train import train

    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with FileLock(root / "trained.lock"):
        return train(store, root / "trained", tiny(steps=150))


@pytest.fixture(scope="session")
def player(trained):
    from milonga.sounds.model.player import SoundPlayer

    names = [f"made {index}.wav" for index in range(7)]
    return SoundPlayer(trained.architecture, trained.controls, trained.tensors, files=names)
