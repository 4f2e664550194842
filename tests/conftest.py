"""Fixtures for every folder of tests."""

import contextlib
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import loopback_hub
import pytest
from hypothesis import HealthCheck, settings

from milonga.runtime.progress import Progress

# librosa compiles with numba when first used. Two workers that write one cache at a time can
# leave machine code in it that crashes every process after them.
os.environ["NUMBA_CACHE_DIR"] = str(
    Path(__file__).parents[1] / ".cache" / "numba" / os.environ.get("PYTEST_XDIST_WORKER", "main")
)

# As many workers as cores: threads of both that wait for each other make all of it slower, in the
# processes that tests start, too.
os.environ["OMP_NUM_THREADS"] = "1"


# Other work on the machine makes the drawing of examples slow; that is no fault of a test.
settings.register_profile("milonga", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("milonga")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A model hub on this machine; everything in this process and its children uses it.

    ``hub.add("owner/name", {path: contents})`` makes a repository, ``hub.fault(...)`` makes it
    misbehave, ``hub.requests`` and ``hub.bytes_served`` tell what came (see
    support/loopback_hub.py).
    """
    for name in loopback_hub.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with loopback_hub.LoopbackHub() as hub:
        for name, value in hub.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        hub.cache = tmp_path / "huggingface" / "hub"
        hub.home = tmp_path
        hub.account = loopback_hub.Account
        yield hub


def pytest_collection_modifyitems(items):
    # The longest first: at the end, one worker would run them while the other has nothing to do.
    items.sort(key=lambda item: item.path.name != "test_docs.py")


@pytest.fixture
def run_python(tmp_path):
    """Runs code in a process of its own, which must end well; returns what it printed."""

    def run(code, **env):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **env},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


class Mac:
    """A device "mps" as some systems of Apple's have it, here on the processor: convolutions
    of more than ``limit`` samples are refused until the network moves to the processor.

    Source: github.com/pytorch/pytorch/issues/129207 and the reports that quote it.
    """

    limit = 65_536
    refused = 0

    def __init__(self, monkeypatch):
        import torch
        from torch.nn import functional

        self.on = True
        for name in ("conv1d", "conv_transpose1d"):
            monkeypatch.setattr(functional, name, self.refusing(getattr(functional, name)))
        moved = torch.nn.Module.to

        def to(module, device=None, *args, **kwargs):
            self.on = self.on and str(device) != "cpu"
            return moved(module, device, *args, **kwargs)

        monkeypatch.setattr(torch.nn.Module, "to", to)

    def device_of(self, module=None):
        return "mps" if self.on else "cpu"

    def refusing(self, convolution):
        def convolve(*args, **kwargs):
            found = convolution(*args, **kwargs)
            if self.on and found.shape[-1] > self.limit:
                self.refused += 1
                raise NotImplementedError(
                    "Output channels > 65536 not supported at the MPS device. As a temporary fix, "
                    "you can set the environment variable `PYTORCH_ENABLE_MPS_FALLBACK=1` to use "
                    "the CPU as a fallback for this op. WARNING: this will be slower than running "
                    "natively on MPS."
                )
            return found

        return convolve


@pytest.fixture
def mac(monkeypatch):
    """A fake of Apple's device, which refuses long convolutions."""
    return Mac(monkeypatch)


class Messages(Progress):
    """A progress that keeps its messages."""

    def __init__(self):
        super().__init__()
        self.texts = []

    def message(self, text):
        self.texts.append(text)


@pytest.fixture
def messages():
    return Messages()


@pytest.fixture
def modes_hold():
    """Let the modes of files hold for root, too, as tests in containers run: without the two
    powers of Linux that override them, for the time of a test."""
    if not hasattr(os, "getuid") or os.getuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets):
        pytest.skip("the system has no capabilities")
    before = sets[0]
    sets[0] = before & ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert not libc.capset(header, sets)
    yield
    sets[0] = before
    assert not libc.capset(header, sets)


@pytest.fixture
def closed(modes_hold):
    """``closed(path, mode=0)``: takes the permissions of a file or folder away until the end."""
    before = []

    def close(path, mode=0):
        before.append((path, path.stat().st_mode))
        path.chmod(mode)
        return path

    yield close
    for path, mode in reversed(before):
        with contextlib.suppress(FileNotFoundError):
            path.chmod(mode)


@pytest.fixture(scope="session")
def make_ace_step(tmp_path_factory):
    """``make_ace_step(kind="turbo", seed=0)``: a folder with a tiny ACE-Step, as its pipeline's
    ``save_pretrained`` writes it; ``kind`` is ``turbo``, ``base`` or ``sft``."""
    import tiny_ace_step

    made = {}

    def make(kind="turbo", seed=0):
        if (kind, seed) not in made:
            made[kind, seed] = tiny_ace_step.save(tmp_path_factory.mktemp("ace-step"), kind, seed)
        return made[kind, seed]

    return make


FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]


@pytest.fixture(scope="session")
def chromium():
    """A browser, for pages that a test opens in contexts of their own."""
    from playwright.sync_api import sync_playwright

    flags = FLAGS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        yield browser
        browser.close()
