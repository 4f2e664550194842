"""Fixtures for every folder of tests."""

import os
import subprocess
import sys
from pathlib import Path

import loopback_hub
import pytest
from hypothesis import HealthCheck, settings

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
