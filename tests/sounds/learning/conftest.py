"""A small corpus made here, in memory, and a tiny model trained on it."""

from dataclasses import dataclass

import numpy as np
import pytest

from milonga.audio import Clip
from milonga.audio.mel import MelSpec

SPEC = MelSpec.preset("bigvgan-v2-44khz-128band-512x")
RATE = SPEC.sample_rate


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
    from milonga.sounds.model import Architecture
    from milonga.sounds.training import TrainSettings

    shape = Architecture(latent=24, widths=(24, 24, 32, 32), blocks=(1, 1, 1, 1), hidden=16)

    def settings(**changes):
        given = {"steps": 20, "batch": 4, "frames": 128, "evaluate_every": 40,
                 "learning_rate": 6e-3, "effect_seeds": 1}  # fmt: skip
        return TrainSettings(**(given | changes), architecture=shape)

    return settings


@pytest.fixture(scope="session")
def trained(store, tiny, tmp_path_factory):
    """(header, tensors, record) of a tiny trained model."""
    from milonga.sounds.training import train

    folder = tmp_path_factory.mktemp("trained")
    architecture, tensors, record, controls = train(store, folder, tiny(steps=150))
    files = [{"name": f"made {index}.wav"} for index in range(7)]
    header = {
        "architecture": architecture,
        "controls": controls,
        "mel_spec": SPEC.to_dict(),
        "corpus": {"files": files},
    }
    return header, tensors, record


@pytest.fixture(scope="session")
def player(trained):
    from milonga.sounds.playing import SoundPlayer

    return SoundPlayer(trained[0], trained[1])
