"""A tiny generator at 16 kHz and a corpus of a few synthesised tones."""

import numpy as np
import pytest

from milonga.audio.mel.spec import MelSpec
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.training.fresh import fresh_generator
from milonga.vocoders.training.pairs import Pairs
from milonga.vocoders.training.settings import VocoderSettings
from milonga.vocoders.training.trainer import VocoderTraining

RATE = 16_000
CONFIG = {
    "resblock": "1",
    "upsample_rates": [8, 4, 2],
    "upsample_kernel_sizes": [16, 8, 4],
    "upsample_initial_channel": 32,
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [1]],
    "activation": "snakebeta",
    "snake_logscale": True,
    "use_tanh_at_final": False,
    "use_bias_at_final": False,
    "sampling_rate": RATE,
    "num_mels": 40,
    "n_fft": 256,
    "win_size": 256,
    "hop_size": 64,
    "fmin": 0,
    "fmax": None,
}
SPEC = MelSpec.from_bigvgan_config(CONFIG)


def tone(hz, seconds, seed=0):
    """A decaying, slightly noisy string."""
    time = np.arange(round(seconds * RATE)) / RATE
    draw = np.random.default_rng(seed)
    wave = sum(np.sin(2 * np.pi * hz * k * time) / k for k in (1, 2, 3))
    noise = 0.05 * draw.standard_normal(len(time))
    return ((wave + noise) * 0.3 * np.exp(-3 * time)).astype(np.float32)


@pytest.fixture(scope="session")
def waves():
    return [tone(220, 0.9), tone(330, 0.7, 1), tone(147, 0.5, 2), tone(440, 0.03, 3)]


@pytest.fixture(scope="session")
def pairs(waves):
    return Pairs(waves, SPEC)


@pytest.fixture(scope="session")
def config():
    return CONFIG


@pytest.fixture
def begin(pairs):
    """A training of the tiny generator; critics from the fourth step."""

    def make(folder=None, *, on=pairs, origin=None, **changes):
        values = {
            "minutes": None, "steps": 6, "batch": 2, "frames": 24, "critics_from": 3,
            "critics_width": 0.05, "learning_rate": 2e-3,
        }  # fmt: skip
        settings = VocoderSettings(**{**values, **changes})
        generator = fresh_generator(BigVGANConfig.from_dict(CONFIG), on, settings.seed)
        return VocoderTraining(generator, on, settings, folder, origin=origin)

    return make
