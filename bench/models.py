"""Models of the real sizes with random weights, made once and kept for the benchmarks."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path

from bench.timing import run_process

BUILD = Path(os.environ.get("MILONGA_BENCH_KEEP") or Path(__file__).parents[1] / "build")
MODELS = BUILD / "growth-models"


def real_model(bench: str) -> Path:
    """The folder of the model that a benchmark's ``MAKE`` writes, made where it isn't there."""
    folder = MODELS / bench
    if not (folder / "made").exists():
        make = import_module(f"bench.{bench}").MAKE
        folder.mkdir(parents=True, exist_ok=True)
        run_process([sys.executable, "-c", make, str(folder), "real"])
        (folder / "made").touch()
    return folder
