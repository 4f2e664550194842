"""Downloads from a hub on this machine against the Hugging Face client; the cached path; doctor."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.timing import in_turns

HUB = Path(__file__).parent.parent / "tests" / "support" / "loopback_hub.py"
REPO = "nvidia/bigvgan_v2_44khz_128band_512x"

OURS = """
import time
from milonga.weights import ensure_weights
import milonga.weights.hub.client, huggingface_hub.file_download
import httpx2, filelock, concurrent.futures
began = time.perf_counter()
ensure_weights("bigvgan")
print(time.perf_counter() - began)
"""
THEIRS = f"""
import time
from huggingface_hub import snapshot_download
import huggingface_hub.file_download, huggingface_hub.hf_api, httpx2
began = time.perf_counter()
snapshot_download({REPO!r}, allow_patterns=["config.json", "bigvgan_generator.pt"])
print(time.perf_counter() - began)
"""
CACHED = """
import time
from milonga.weights import ensure_weights
began = time.perf_counter()
ensure_weights("bigvgan")
print(time.perf_counter() - began)
"""


@contextmanager
def _hub(folder: Path) -> Iterator[str]:
    command = [sys.executable, str(HUB), REPO, str(folder)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.communicate()


def run(quick: bool = False) -> str:
    size, runs = (100_000_000, 3) if quick else (500_000_000, 7)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "repo").mkdir()
        (work / "repo" / "config.json").write_text("{}")
        with open(work / "repo" / "bigvgan_generator.pt", "wb") as handle:
            source = random.Random(0)
            for _ in range(size // 1_000_000):
                handle.write(source.randbytes(1_000_000))
        with _hub(work / "repo") as endpoint:
            env = {
                **{key: text for key, text in os.environ.items() if not key.startswith("HF_")},
                "HF_ENDPOINT": endpoint,
                "HF_HOME": str(work / "cache"),
                "MILONGA_HOME": str(work / "milonga"),
                "HF_HUB_DISABLE_XET": "1",
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            }

            def seconds(code: str, *, fresh: bool = True) -> float:
                if fresh:
                    shutil.rmtree(work / "cache", ignore_errors=True)
                    os.sync()
                done = subprocess.run(
                    [sys.executable, "-c", code], env=env, capture_output=True, text=True
                )
                if done.returncode:
                    raise RuntimeError(done.stderr)
                return float(done.stdout)

            ours, theirs, ratio = in_turns(
                lambda: seconds(OURS), lambda: seconds(THEIRS), runs=runs
            )
            seconds(OURS)
            cached = statistics.median(seconds(CACHED, fresh=False) for _ in range(3 * runs))
        doctor = _doctor(work, runs)
    mb = size / 1e6
    return f"""## Weights

| what | figure | goal |
| --- | --- | --- |
| `ensure_weights`: download, hashed while written, flushed to the disk | {mb / ours:.0f} MB/s | |
| `huggingface_hub.snapshot_download`, not hashed, not flushed | {mb / theirs:.0f} MB/s | |
| ours against theirs | {ratio:.2f} | at least 0.8 |
| `ensure_weights` when the files are here, beyond the imports | {cached * 1000:.1f} ms | \
at most 20 ms |
| `milonga doctor --offline`, the whole process | {doctor:.1f} s | at most 5 s |

A file of {mb:.0f} MB from a hub in another process on this machine, over plain HTTP
(`HF_HUB_DISABLE_XET=1`), {runs} of each in turns, each in a process and a cache of its own.
"""


def _doctor(work: Path, runs: int) -> float:
    command = [str(Path(sys.executable).with_name("milonga")), "doctor", "--offline"]
    env = {**os.environ, "HF_HOME": str(work / "none"), "MILONGA_HOME": str(work / "none")}
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        # Its status is 1 where this machine has a problem.
        subprocess.run(command, env=env, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)
