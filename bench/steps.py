"""What the benchmarks of a transformer's step have in common: processes, rows of the tables."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.timing import run_process

PRECISIONS = ("int8", "bfloat16", "float32")


@dataclass
class Compared:
    """What was measured.

    Attributes:
        best: the quickest dtype of diffusers.
        theirs: seconds and peak bytes by dtype.
        ours: seconds, ratio and error by precision.
        speeds: operations per second of a product, by precision.
        alone: seconds to load, bytes held and peak bytes by precision; ``int8 made`` is the run
            that makes the stored copy.
    """

    best: str = ""
    theirs: dict[str, tuple[float, float]] = field(default_factory=dict)
    ours: dict[str, dict[str, float]] = field(default_factory=dict)
    speeds: dict[str, float] = field(default_factory=dict)
    alone: dict[str, tuple[float, float, float]] = field(default_factory=dict)


def compare(model: str, dtypes: tuple[str, ...], quick: bool) -> Compared:
    """Measure diffusers in each dtype, ours in turns with its best, and each alone for memory.

    With ``MILONGA_BENCH_KEEP=FOLDER`` what was measured is kept there, and a run that was stopped
    goes on where it was: the pieces take a minute each.
    """
    kept = os.environ.get("MILONGA_BENCH_KEEP")
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folder = Path(kept, model) if kept else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return _compare(model, dtypes, quick, folder)


def _compare(model: str, dtypes: tuple[str, ...], quick: bool, folder: Path) -> Compared:
    found, home = Compared(), {"MILONGA_HOME": str(folder / "home")}

    def measure(label: str, what: str, *args: object) -> tuple[Any, float]:
        result = folder / f"{label}.json"
        if not result.is_file():
            part = folder / "part.json"
            size = "quick" if quick else "real"
            worker = [sys.executable, "-m", "bench.step_worker", model, what, size, str(part)]
            peak = run_process([*worker, *map(str, args)], env=home).peak_mb / 1000
            result.write_text(json.dumps([json.loads(part.read_text()), peak]))
        seen, peak = json.loads(result.read_text())
        return seen, peak

    for dtype in dtypes:
        # The quicker one counts, and it is measured again in turns.
        runs = 1 if dtype == "float32" else 2
        seen, peak = measure(f"theirs {dtype}", "theirs", dtype, runs, folder / f"{dtype}.pt")
        found.theirs[dtype] = seen["seconds"], peak
    found.best = min(found.theirs, key=lambda dtype: found.theirs[dtype][0])
    for precision in PRECISIONS:
        pairs = 2 if found.best == "bfloat16" else 1
        args = found.best, folder / "float32.pt", pairs, precision
        seen, _ = measure(f"turns {precision}", "turns", *args)
        found.ours[precision] = seen["ours"][precision]
        found.speeds[precision] = seen["speeds"][precision]
    measure("write", "write", folder / "model")
    published = "bfloat16" if model == "ace" else "float32"
    for label in ("int8 made", "int8", published):
        seen, peak = measure(f"alone {label}", label.split()[0], folder / "model")
        found.alone[label] = seen["loading"], seen["held"] / 1e9, peak
    return found


def rows(found: Compared, tera: float) -> str:
    lines = [
        "| | seconds | against diffusers' best | share of the limit | error |",
        "| --- | --- | --- | --- | --- |",
    ]
    for precision, seen in found.ours.items():
        share = tera * 1e12 / found.speeds[precision] / seen["seconds"]
        lines.append(
            f"| milonga, {precision} | {seen['seconds']:.2f} | {seen['ratio']:.1f} times | "
            f"{share:.0%} | {seen['error']:.2g} |"
        )
    for dtype, (seconds, _) in found.theirs.items():
        lines.append(f"| diffusers, {dtype} | {seconds:.2f} | | | |")
    return "\n".join(lines)


def memory_rows(found: Compared) -> str:
    lines = [
        "| | loading | memory of its own | peak with mapped files |",
        "| --- | --- | --- | --- |",
    ]
    words = {"int8 made": "int8, the stored copy made", "int8": "int8, from the stored copy"}
    for label, (loading, held, peak) in found.alone.items():
        what = f"milonga, {words.get(label, label)}"
        lines.append(f"| {what} | {loading:.1f} s | {held:.1f} GB | {peak:.1f} GB |")
    for dtype, (_, peak) in found.theirs.items():
        lines.append(f"| diffusers, {dtype} | | | {peak:.1f} GB |")
    return "\n".join(lines)
