"""How time and memory grow with the length of a take and with the number of takes.

Each point is a process of its own, with a model of the published size from random weights (they
make noise, at the cost of music). The whole takes about fifteen minutes, so points and models are
kept in ``build/`` (or ``MILONGA_BENCH_KEEP``), points for a day: ``python -m bench.growth
SECONDS`` measures what lacks, for about so long, and can be called again. ``--longest 800`` takes
in the takes of ten minutes that need up to so many seconds; ``--only ace-step`` measures one series
alone, ``--anew`` those that were kept, too. ``--models`` makes the models alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.models import BUILD, MODELS, real_model
from bench.timing import run_process

ROOT = Path(__file__).parents[1]
KEPT = BUILD / "growth.json"
PICTURE = ROOT / "docs" / "pictures" / "growth.svg"
_FRESH_S = 24 * 3600
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
    # A model of whole songs reads texts of a certain length.
    many = min(40 if role == "song" else 1000, max(1, round(seconds / 6)))
    return Request(role=role, section="verse", style="trap beats", seconds=seconds, tempo=120,
                   key="A minor", seed=seed,
                   lyrics=lines * many if role in ("vocals", "song") else ())

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
        file: of the model, in the folder that was made.
    """

    name: str
    lengths: tuple[float, ...]
    bench: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    role: str = "instrumental"
    note: str = ""
    least: float = 2.0
    file: str = ""

    def given(self) -> dict[str, Any]:
        """The options of its generator; its model is made where it isn't there."""
        if self.bench is None:
            return dict(self.options)
        model = real_model(self.bench) / self.file
        return {**dict(self.options), "model": str(model), "device": "cpu"}


_LENGTHS = (10.0, 30.0, 60.0, 120.0, 600.0)
_INT8 = (("precision", "int8"),)
GENERATORS = (
    Series("guide", (10.0, 60.0, 600.0), role="song", least=10.0),
    Series("sound", (10.0, 60.0, 600.0), "sounds", (("vocoder", "griffin-lim"),), role="texture",
           note="Griffin-Lim", file="tones/model.safetensors"),
    Series("musicgen", (10.0, 60.0, 600.0), "musicgen", _INT8, note="small, int8"),
    Series("bark", (10.0, 30.0, 600.0), "bark", (*_INT8, ("voice", "none")), role="vocals",
           note="small, int8"),
    Series("stable-audio", (10.0, 47.0), "stable_audio", (*_INT8, ("steps", 4)),
           note="4 steps, int8"),
    Series("stable-audio-3", (10.0, 60.0, 120.0), "stable_audio_3", _INT8,
           note="small, 8 steps, int8"),
    Series("ace-step", (10.0, 60.0, 600.0), "ace_step", _INT8, role="song",
           note="2B turbo, 8 steps, int8", least=10.0),
)  # fmt: skip
VOCODERS = (Series("bigvgan", (10.0, 60.0, 600.0)), Series("griffin-lim", (10.0, 60.0, 600.0)))
TAKES = (1, 4, 16)
TAKEN = {"guide": 4.0, "musicgen": 2.0}
"""Generators of which many takes are made, and seconds of each."""


def run(quick: bool = False) -> str:
    points = dict(_points(float("inf"), quick))
    if not quick:
        _draw(points)
    return _page(points, quick)


def main() -> None:
    """Measures for about so many seconds, the points that lack."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=math.inf)
    parser.add_argument("--longest", type=float, default=_LONGEST_S, help="seconds of a point")
    parser.add_argument("--only", nargs="+", default=[], help="series, or takes")
    parser.add_argument("--anew", action="store_true", help="forget the points of these series")
    parser.add_argument("--models", action="store_true", help="make the models alone")
    asked = parser.parse_args()
    if asked.models:
        for series in GENERATORS:
            if series.bench is not None:
                print(real_model(series.bench), flush=True)
        return
    if asked.anew:
        left = {key: point for key, point in _kept().items()
                if asked.only and not _is_of(key, asked.only)}  # fmt: skip
        _keep(left, quick=False)
    for name, point in _points(asked.seconds, False, asked.longest, asked.only):
        print(name, point, flush=True)


def _points(
    budget_s: float, quick: bool, longest_s: float = _LONGEST_S, only: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    kept = {} if quick else _kept()
    ends = time.monotonic() + budget_s
    for series, what, amounts in _asked(quick):
        if only and not _is_of(what, only):
            continue
        pace = 0.0
        for amount in amounts:
            key = f"{what} {amount:g}"
            expected = pace * amount
            if key not in kept:
                if expected > longest_s:
                    break
                if time.monotonic() + expected > ends:
                    return
                if what == series.name:
                    point = _measured(series, series.least if quick else amount, 1)
                else:
                    point = _measured(series, TAKEN[series.name], int(amount))
                # Another call may have measured since, and this one may be stopped at any time.
                kept = {**kept, **({} if quick else _kept()), key: point}
                _keep(kept, quick)
            pace = kept[key]["seconds"] / amount
            yield key, kept[key]


def _is_of(key: str, names: Sequence[str]) -> bool:
    return not {*names}.isdisjoint(key.split())


def _asked(quick: bool) -> Iterator[tuple[Series, str, Sequence[float]]]:
    """What is measured: a series, the name of its points, and the lengths or numbers of takes."""
    for series in (*GENERATORS, *VOCODERS):
        yield series, series.name, series.lengths[: 1 if quick else None]
    for series in GENERATORS:
        if series.name in TAKEN:
            yield series, f"takes {series.name}", TAKES[: 1 if quick else None]


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
            args = [
                TAKE,
                series.name,
                json.dumps(series.given()),
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
                # The longest of Stable Audio Open stands in the column of a minute.
                own = 47.0 if length == 60.0 and 47.0 in series.lengths else length
                point = points.get(f"{series.name} {own:g}")
                value = None if point is None else point[what] / (1000 if what == "peak_mb" else 1)
                cells.append("" if value is None else f"{value:.{digits}f}")
            note = f" ({series.note})" if series.note else ""
            lines.append(f"| {series.name}{note} | " + " | ".join(cells) + " |")
        tables.append("\n".join(lines))
    takes = "\n".join(
        f"| {name} ({seconds:g} s) | " + " | ".join(_cells(points, f"takes {name}")) + " |"
        for name, seconds in TAKEN.items()
    )
    heads = " | ".join(f"{count} take{'s' if count > 1 else ''}" for count in TAKES)
    picture = "" if quick else "\n![Time and memory by length and by takes](pictures/growth.svg)\n"
    return f"""## How time and memory grow
{picture}
{tables[0]}

{tables[1]}

Against the length of a take; Stable Audio Open's longest is 47 s, that of Stable Audio 3 small two
minutes. One process for each point, after a first take (or a few frames) that loads the model;
random weights of the published sizes (the sound model was trained for half a minute), every
generator with its own defaults but for what is named. An empty place was not measured, the others
{_times(points)}. Where 8 GB are free, as here, what was packed stays for the next take beside what
that loads, so a first take needs less. {_made(points)}

| seconds of work and GB at the peak for each | {heads} |
| --- |{" ---: |" * len(TAKES)}
{takes}

Takes one after the other in one process.
"""


def _made(points: dict[str, dict[str, Any]]) -> str:
    """What a generator made where that isn't what was asked for."""
    said = []
    for series in GENERATORS:
        keys = [f"{series.name} {length:g}" for length in series.lengths]
        found = [(float(key.split()[1]), points[key]["made"]) for key in keys if key in points]
        if any(abs(made - asked) > 0.01 * asked for asked, made in found):
            made = ", ".join(f"{made:.0f}" for _, made in found)
            said.append(f"{series.name} made {made} s, as random weights don't end its parts.")
    return " ".join(said)


def _cells(points: dict[str, dict[str, Any]], what: str) -> Iterator[str]:
    for count in TAKES:
        point = points.get(f"{what} {count}")
        yield (
            "" if point is None else (f"{point['seconds']:.2f} s, {point['peak_mb'] / 1000:.2f} GB")
        )


def _times(points: dict[str, dict[str, Any]]) -> str:
    """The first and the last moment at which a point was measured."""
    times = [time.gmtime(point["measured"]) for point in points.values()]
    first, last = (time.strftime("%Y-%m-%d %H:%M", when) for when in (min(times), max(times)))
    return f"between {first} and {last} UTC"


def _draw(points: dict[str, dict[str, Any]]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "milonga", "font.size": 9})
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.6), layout="constrained")
    for place, (series, what, amounts) in enumerate(_asked(quick=False)):
        found = [(amount, points[f"{what} {amount:g}"]) for amount in amounts
                 if f"{what} {amount:g}" in points]  # fmt: skip
        if not found:
            continue
        row = axes[0 if what == series.name else 1]
        # Takes have the colour of their generator above.
        colour = f"C{GENERATORS.index(series) if series in GENERATORS else place}"
        label = series.name if what == series.name else f"{series.name}, {TAKEN[series.name]:g} s"
        for axis, unit, scale in ((row[0], "seconds", 1), (row[1], "peak_mb", 1000)):
            axis.plot([amount for amount, _ in found], [p[unit] / scale for _, p in found],
                      marker="o", label=label, color=colour)  # fmt: skip
    axes[0][0].plot([10, 600], [10, 600], color="grey", linestyle=":", label="real time")
    for row, ticks, label in (
        (axes[0], _LENGTHS, "length of the take, s"), (axes[1], TAKES, "takes in one process"),
    ):  # fmt: skip
        for axis, title in ((row[0], "seconds of work"), (row[1], "peak memory, GB")):
            axis.set(xscale="log", xlabel=label, title=title)
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
        row[0].set_yscale("log")
        row[0].legend(fontsize=8, ncols=2, loc="lower right")
        row[1].set_ylim(bottom=0)
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
