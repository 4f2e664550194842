"""How time and memory grow with the length of a take and with the number of takes.

Each point is a process of its own, with a model of the published size from random weights (they
make noise, at the cost of music). The whole takes about twelve minutes, so points and models are
kept in ``build/`` (or ``MILONGA_BENCH_KEEP``), points for six hours: ``python -m bench.growth
SECONDS`` measures for so long and can be called again. ``models`` in place of the seconds makes the
models alone.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.models import BUILD, MODELS, real_model
from bench.timing import run_process

ROOT = Path(__file__).parents[1]
KEPT = BUILD / "growth.json"
PICTURE = ROOT / "docs" / "pictures" / "growth.svg"
_FRESH_S = 6 * 3600
_LONGEST_S = 150.0
"""A point that would take longer by the one before is left out."""

TAKE = """
import json, sys, time
from milonga.generators.base import LyricLine, Request
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress

name, options, role = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
seconds, takes = float(sys.argv[4]), int(sys.argv[5])
generator = make_generator(name, options)

def request(seconds, seed):
    lines = [LyricLine(text="we laugh at the chaos, we play with the luck", language="en")]
    return Request(role=role, section="verse", style="trap beats", seconds=seconds, tempo=120,
                   key="A minor", seed=seed,
                   lyrics=lines * max(1, round(seconds / 6)) if role in ("vocals", "song") else ())

generator.render(request(float(sys.argv[7]), 0), Progress())
begun = time.perf_counter()
for seed in range(takes):
    clip = generator.render(request(seconds, seed), Progress())
took = time.perf_counter() - begun
assert clip.n_samples
with open(sys.argv[6], "w") as result:
    json.dump({"seconds": took, "made": clip.seconds * takes}, result)
"""

VOCODE = """
import json, sys, time
from pathlib import Path
from milonga.vocoders import get_vocoder

name, seconds = sys.argv[1], float(sys.argv[2])
if name == "bigvgan":
    import torch
    from bench.vocoder import make_mel, make_ours, make_reference
    weights = Path(sys.argv[4])
    if not weights.exists():
        torch.save(make_reference().state_dict(), weights)
    work, mel = make_ours(weights, "fast"), make_mel(seconds)
else:
    from bench.vocoder import make_mel
    work, mel = get_vocoder(name).mel_to_waveform, make_mel(seconds)
work(mel[..., :40])
begun = time.perf_counter()
wave = work(mel)
took = time.perf_counter() - begun
with open(sys.argv[3], "w") as result:
    json.dump({"seconds": took, "made": wave.shape[-1] / 44100}, result)
"""


@dataclass(frozen=True)
class Series:
    """One thing that is measured.

    Attributes:
        name: of the generator or vocoder.
        lengths: of a take, in seconds.
        bench: module of this folder whose ``MAKE`` writes a model; None without one.
        options: of the generator.
        role: of the takes.
        note: for the page.
        least: seconds of the first take, which loads the model.
    """

    name: str
    lengths: tuple[float, ...]
    bench: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    role: str = "instrumental"
    note: str = ""
    least: float = 2.0


_LENGTHS = (10.0, 30.0, 60.0, 600.0)
_INT8 = (("precision", "int8"),)
GENERATORS = (
    Series("guide", (10.0, 60.0, 600.0), role="song", least=10.0),
    Series("musicgen", (10.0, 60.0), "musicgen", _INT8, note="small, int8"),
    Series("bark", (10.0, 30.0), "bark", (*_INT8, ("voice", "none")), role="vocals",
           note="small, int8"),
    Series("stable-audio", (10.0, 47.0), "stable_audio", (*_INT8, ("steps", 4)),
           note="4 steps, int8"),
    Series("stable-audio-3", (10.0, 60.0), "stable_audio_3", _INT8, note="small, 8 steps, int8"),
    Series("ace-step", (10.0, 60.0), "ace_step", _INT8, role="song",
           note="2B turbo, 8 steps, int8", least=10.0),
)  # fmt: skip
VOCODERS = (Series("bigvgan", (10.0, 60.0)), Series("griffin-lim", (10.0, 60.0, 600.0)))
TAKES = (1, 4, 16)


def run(quick: bool = False) -> str:
    points = dict(_points(float("inf"), quick))
    if not quick:
        _draw(points)
    return _page(points, quick)


def main() -> None:
    """Measures for about so many seconds, the points that lack."""
    if sys.argv[1] == "models":
        for series in GENERATORS:
            if series.bench is not None:
                print(real_model(series.bench), flush=True)
        return
    for name, point in _points(float(sys.argv[1]), False):
        print(name, point, flush=True)


def _points(budget_s: float, quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    kept = {} if quick else _kept()
    ends = time.monotonic() + budget_s
    for series in (*GENERATORS, *VOCODERS):
        pace = 0.0
        for length in series.lengths[: 1 if quick else None]:
            key = f"{series.name} {length:g}"
            expected = pace * length
            if key not in kept:
                if expected > _LONGEST_S:
                    break
                if time.monotonic() + expected > ends:
                    return
                kept[key] = _measured(series, series.least if quick else length, 1)
                _keep(kept, quick)
            pace = kept[key]["seconds"] / length
            yield key, kept[key]
    for count in TAKES[: 1 if quick else None]:
        key = f"takes {count}"
        if key not in kept:
            if time.monotonic() > ends:
                return
            kept[key] = _measured(GENERATORS[0], 4.0, count)
            _keep(kept, quick)
        yield key, kept[key]


def _measured(series: Series, seconds: float, takes: int) -> dict[str, Any]:
    print(f"growth: {series.name}, {seconds:g} s, {takes} takes ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        result = Path(scratch, "result.json")
        # The int8 copies stay, as at home.
        env = {"MILONGA_HOME": str(MODELS / "home")}
        MODELS.mkdir(parents=True, exist_ok=True)
        if series in VOCODERS:
            weights = MODELS / "bigvgan.pt"
            args = [VOCODE, series.name, seconds, result, weights]
        else:
            options = dict(series.options)
            if series.bench is not None:
                options |= {"model": str(real_model(series.bench)), "device": "cpu"}
            args = [
                TAKE,
                series.name,
                json.dumps(options),
                series.role,
                seconds,
                takes,
                result,
                series.least,
            ]
        done = run_process([sys.executable, "-c", *map(str, args)], env=env)
        found: dict[str, Any] = json.loads(result.read_text())
    return {**found, "peak_mb": done.peak_mb, "measured": time.time()}


def _kept() -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(KEPT.read_text())
    except (OSError, ValueError):
        return {}
    fresh = time.time() - _FRESH_S
    return {key: point for key, point in found.items() if point["measured"] > fresh}


def _keep(points: dict[str, dict[str, Any]], quick: bool) -> None:
    if not quick:
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(points, indent=1))


def _page(points: dict[str, dict[str, Any]], quick: bool) -> str:
    heads = [f"{length:g} s" for length in _LENGTHS]
    tables = []
    for what, unit, digits in (
        ("seconds", "seconds of work", 1),
        ("peak_mb", "peak memory, GB", 2),
    ):
        lines = [f"| {unit} | " + " | ".join(heads) + " |", "| --- |" + " ---: |" * len(heads)]
        for series in (*GENERATORS, *VOCODERS):
            cells = []
            for length in _LENGTHS:
                # The longest of Stable Audio stands in the column of a minute.
                own = 47.0 if length == 60.0 and 47.0 in series.lengths else length
                point = points.get(f"{series.name} {own:g}")
                value = None if point is None else point[what] / (1000 if what == "peak_mb" else 1)
                cells.append("" if value is None else f"{value:.{digits}f}")
            note = f" ({series.note})" if series.note else ""
            lines.append(f"| {series.name}{note} | " + " | ".join(cells) + " |")
        tables.append("\n".join(lines))
    takes = ", ".join(
        f"{count}: {points[f'takes {count}']['seconds'] / count:.2f} s and "
        f"{points[f'takes {count}']['peak_mb'] / 1000:.2f} GB"
        for count in TAKES
        if f"takes {count}" in points
    )
    picture = "" if quick else "\n![Time and memory by length](pictures/growth.svg)\n"
    return f"""## How time and memory grow
{picture}
{tables[0]}

{tables[1]}

Against the length of a take; Stable Audio Open's longest is 47 s. An empty place was not measured,
or would have taken over {_LONGEST_S:.0f} s. One process for each point, after a first take (or a
few frames) that loads the model; random weights of the published sizes, every generator with its
own defaults but for what is named.

Takes of 4 s by the guide, one after the other in one process, time and peak memory for each:
{takes}.
"""


def _draw(points: dict[str, dict[str, Any]]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "milonga", "font.size": 9})
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for series in (*GENERATORS, *VOCODERS):
        found = [(length, points[f"{series.name} {length:g}"]) for length in series.lengths
                 if f"{series.name} {length:g}" in points]  # fmt: skip
        if not found:
            continue
        lengths = [length for length, _ in found]
        for axis, what, scale in ((axes[0], "seconds", 1), (axes[1], "peak_mb", 1000)):
            axis.plot(lengths, [p[what] / scale for _, p in found], marker="o", label=series.name)
    axes[0].plot([10, 600], [10, 600], color="grey", linestyle=":", label="real time")
    for axis, title in ((axes[0], "seconds of work"), (axes[1], "peak memory, GB")):
        axis.set(xscale="log", xlabel="length of the take, s", title=title)
        axis.set_xticks(_LENGTHS, [f"{length:g}" for length in _LENGTHS])
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[0].legend(fontsize=8)
    axes[1].set_ylim(bottom=0)
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
