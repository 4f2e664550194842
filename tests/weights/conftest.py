import os
import subprocess
import sys

import numpy as np
import pytest

from milonga.runtime.progress import Progress
from milonga.weights import WeightsOptions, ensure
from milonga.weights.hub.retries import Retry

BIGVGAN = "nvidia/bigvgan_v2_44khz_128band_512x"
QUICK = Retry(first_s=0.01, longest_s=0.05)


class Log(Progress):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.updates, self.messages = [], []

    def show(self, update):
        self.updates.append(update)

    def message(self, text):
        self.messages.append(text)


@pytest.fixture
def log():
    return Log()


def make_contents(size, seed=0):
    return np.random.default_rng(seed).bytes(size)


@pytest.fixture
def contents():
    return make_contents


@pytest.fixture
def bigvgan(hub):
    """The vocoder's repository: a config, 3 MB of weights, and files that aren't needed."""
    return hub.add(
        BIGVGAN,
        {
            "config.json": b'{"num_mels": 128}',
            "bigvgan_generator.pt": make_contents(3_000_000),
            "bigvgan_discriminator_optimizer.pt": make_contents(50_000, 1),
            "README.md": b"not needed",
        },
    )


@pytest.fixture
def quickly():
    """``ensure`` with short pauses between attempts."""

    def run(key="bigvgan", *, progress=None, like=None, revision=None, retry=QUICK, **options):
        options = WeightsOptions(retry=retry, **options)
        return ensure(key, options, like=like, revision=revision, progress=progress)

    return run


@pytest.fixture
def folder(bigvgan, hub):
    """The vocoder's folder in the cache."""
    return hub.cache / f"models--{BIGVGAN.replace('/', '--')}"


@pytest.fixture
def start_python(tmp_path):
    """Starts code in a process of its own and returns that."""
    started = []

    def start(code, **env):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **env},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
