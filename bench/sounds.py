"""Sound models trained on real recordings: likeness, controls, speed, originality."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SAMPLES = Path("/usr/share/sonic-pi/samples")
PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "sound-controls.png"
CORPORA = {
    "tones": (("ambi_", 11), ("bass_", 9), ("guit_", 4), ("perc_bell", 2), ("elec_", 4)),
    "beats": (("loop_", 17), ("drum_", 13)),
}
"""Prefixes of file names, and how many of each, in the order of their names."""
MINUTES, QUICK_MINUTES = 10.0, 0.5

MAKE = """
import sys
from pathlib import Path
from bench.sounds import CORPORA, _files
from milonga.sounds.library.library import Library
from milonga.sounds.train_model import train_into_library
from milonga.sounds.training.settings import TrainSettings

train_into_library(_files(CORPORA["tones"]), "tones", settings=TrainSettings(minutes=0.5),
                   library=Library(Path(sys.argv[1])))
"""
"""Of the usual size, hardly trained: for measures that don't depend on what it has learnt."""


def run(quick: bool = False) -> str:
    from milonga.sounds.corpus.inspection import Corpus
    from milonga.sounds.corpus.mel_store import MelStore

    if not SAMPLES.is_dir():
        raise RuntimeError(f"{SAMPLES} isn't there: apt-get install sonic-pi-samples")
    minutes = QUICK_MINUTES if quick else MINUTES
    with tempfile.TemporaryDirectory(prefix="milonga-bench-") as scratch:
        folders, seconds = {}, {}
        for name, parts in CORPORA.items():
            folders[name] = Path(scratch, name)
            recordings = folders[name] / "recordings"
            recordings.mkdir(parents=True)
            for path in _files(parts):
                shutil.copy(path, recordings)
            corpus = Corpus.inspect(recordings)
            seconds[name] = corpus.usable_s
            MelStore.build(corpus, folders[name] / "store")
        for folder in folders.values():
            _together(
                ["model", folder / "store", folder, minutes],
                ["baseline", folder / "store", folder, minutes],
            )
        one, other = folders.values()
        sweep = [1, 2.0] if quick else [5, 4.0]
        _together(
            ["play", one, one / "store", other / "store", *sweep],
            ["play", other, other / "store", one / "store", *sweep],
        )
        found = {name: _read(folder) for name, folder in folders.items()}
        speed = {name: _speed(folder) for name, folder in folders.items()}
    if not quick:
        picture({name: entry["played"]["effects"] for name, entry in found.items()})
    return _section(found, speed, seconds, minutes)


def _files(parts: Sequence[tuple[str, int]]) -> list[Path]:
    return [path for prefix, count in parts
            for path in sorted(SAMPLES.glob(f"{prefix}*.flac"))[:count]]  # fmt: skip


def _together(*commands: Sequence[object]) -> None:
    """Runs workers side by side, one thread each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.sound_worker", *map(str, command)], env=environment
        )
        for command in commands
    ]
    codes = [process.wait() for process in running]
    if any(codes):
        raise RuntimeError(f"a worker failed: {commands[0][0]}")


def _read(folder: Path) -> dict[str, Any]:
    return {
        "header": json.loads((folder / "model.json").read_text()),
        "baseline": json.loads((folder / "baseline.json").read_text()),
        "played": json.loads((folder / "played.json").read_text()),
    }


def _speed(folder: Path) -> float:
    """Seconds of mel a second, on all cores: the median of five minutes of walk."""
    from bench.sound_worker import load
    from milonga.sounds.model.resolved_play import ResolvedPlay

    _, player = load(folder)
    times = []
    for seed in range(6):
        begun = time.perf_counter()
        player.mel(ResolvedPlay(seconds=60.0, seed=seed))
        times.append(time.perf_counter() - begun)
    return 60.0 / statistics.median(times[1:])


def _section(
    found: dict[str, dict[str, Any]],
    speed: dict[str, float],
    seconds: dict[str, float],
    minutes: float,
) -> str:
    from milonga.sounds.controls.descriptors import NAMES

    lines = [
        "## Sound models",
        "",
        "| corpus | recordings | held-out error | of a constant's | baseline's | mels | "
        "walk to own / other corpus | corpus to itself |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, entry in found.items():
        record, base, played = entry["header"]["training"], entry["baseline"], entry["played"]
        constant = record["error_of_constant"]
        lines.append(
            f"| {name} | 30, {seconds[name]:.0f} s | {record['error']:.2f} nats "
            f"| {record['error'] / constant:.0%} | {base['error'] / constant:.0%} "
            f"| {speed[name]:.0f} x real time "
            f"| {played['to_own']:.1f} / {played['to_other']:.1f} | {played['halves']:.1f} |"
        )
    lines += [
        "",
        "| rank correlation | " + " | ".join(NAMES) + " |",
        "| --- |" + " --- |" * len(NAMES),
    ]
    for name, entry in found.items():
        effects = entry["played"]["effects"]
        cells = [f"{effects[c]['spearman'][c]:.2f}" if c in effects else "off" for c in NAMES]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| R² of a linear reader | " + " | ".join(NAMES) + " |",
        "| --- |" + " --- |" * len(NAMES),
    ]
    for name, entry in found.items():
        record = entry["header"]["training"]
        for key, said in (("mel", "mel"), ("encoder", "encoder"), ("latent", "latent")):
            row = record[f"controls_in_{key}"]
            lines.append(f"| {name}, {said} | " + " | ".join(f"{row[c]:.2f}" for c in NAMES) + " |")
    lines += [
        "",
        "| corpus | walk to nearest training second, least / median | training seconds among each "
        "other, 5 % / median | a copy | walk at a copy's | extremes: peak / softest |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, entry in found.items():
        c, e = entry["played"]["copies"], entry["played"]["extremes"]
        lines.append(
            f"| {name} | {c['walk_least']:.2f} / {c['walk_median']:.2f} nats "
            f"| {c['within_low']:.2f} / {c['within_median']:.2f} nats "
            f"| {c['copy_median']:.2f} nats | {c['share_at_copy']:.0%} "
            f"| {e['peak']:.2f} / {e['softest_db']:.0f} dBFS |"
        )
    lines += ["", _leakage(found), "", _method(found, minutes)]
    return "\n".join(lines) + "\n"


def _leakage(found: dict[str, dict[str, Any]]) -> str:
    from milonga.sounds.controls.descriptors import NAMES

    lines = [
        "| control moved from -4 to 4 | " + " | ".join(NAMES) + " |",
        "| --- |" + " --- |" * len(NAMES),
    ]
    for name, entry in found.items():
        for control, effect in entry["played"]["effects"].items():
            cells = " | ".join(f"{effect['moved'][other]:.1f}" for other in NAMES)
            lines.append(f"| {name}, {control} | {cells} |")
    return "\n".join(lines)


def _method(found: dict[str, dict[str, Any]], minutes: float) -> str:
    steps = ", ".join(
        f"{e['header']['training']['steps']} and {e['baseline']['steps']}" for e in found.values()
    )
    first = next(iter(found.values()))
    ours = first["header"]["training"]["parameters"] / 1e6
    theirs = first["baseline"]["parameters"] / 1e6
    return f"""Each corpus: 30 files of Debian's sonic-pi-samples (tones: pads, basses, guitars,
bells; beats: loops and drums). The model ({ours:.1f} M parameters) and a plain VAE with one vector
a second ({theirs:.1f} M) trained side by side for {minutes:g} minutes, one thread each ({steps}
steps).
Error: mean absolute difference of log mels of held-out files; the constant is each band's median
over those very files. Controls: nine positions at five seeds, 4 s each, descriptors measured on
what Griffin-Lim made of it; the correlation is the mean over seeds, and the last table (a picture
of it: `docs/pictures/sound-controls.png`) gives changes in spreads of the corpus. R²: of the
descriptors, by ridge regression on the mel, on what the encoder gives, and on the latent that
remains. Fréchet distances: 20 MFCCs of two minutes of walk through Griffin-Lim against all training
frames; a corpus to itself: every other second against the rest. Distances of seconds: mean absolute
difference of log mels averaged over 0.1 s; a copy is the model's reconstruction of a training
second. Extremes: ten clips with every control at an end of its range. Mels: median of five walks of
a minute on all cores."""


def picture(effects: dict[str, dict[str, Any]]) -> None:
    """Draws the leakage matrices side by side: rows are controls, columns what changed."""
    from PIL import Image, ImageDraw, ImageFont

    from milonga.sounds.controls.descriptors import NAMES

    cell, left, top, gap = 58, 96, 84, 40
    size = len(NAMES) * cell
    image = Image.new("RGB", (len(effects) * (left + size + gap), top + size + 20), "#fffdf8")
    draw = ImageDraw.Draw(image)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    for index, (corpus, rows) in enumerate(effects.items()):
        x0 = index * (left + size + gap) + left
        draw.text((x0, 8), f"{corpus}: -4 to 4, change in spreads", "#221a1c", font)
        for column, name in enumerate(NAMES):
            draw.text(
                (x0 + column * cell + 3, top - 22 - 16 * (column % 2)), name, "#221a1c", small
            )
        for row, control in enumerate(NAMES):
            y = top + row * cell
            draw.text((x0 - left + 10, y + cell // 2 - 7), control, "#221a1c", small)
            if control not in rows:
                draw.text((x0 + 4, y + cell // 2 - 7), "disabled", "#8a7f80", small)
                continue
            for column, other in enumerate(NAMES):
                value = rows[control]["moved"][other]
                box = (x0 + column * cell, y, x0 + (column + 1) * cell - 2, y + cell - 2)
                draw.rectangle(box, fill=_shade(value))
                ink = "#fffdf8" if abs(value) > 3 else "#221a1c"
                draw.text((box[0] + 12, y + cell // 2 - 7), f"{value:+.1f}", ink, small)
    PICTURE.parent.mkdir(exist_ok=True)
    image.save(PICTURE, optimize=True)


def _shade(value: float) -> tuple[int, int, int]:
    """Cream at 0, wine for rises, blue for falls."""
    part = min(abs(value) / 6.0, 1.0) ** 0.7
    end = (122, 22, 62) if value > 0 else (24, 66, 120)
    start = (247, 241, 230)
    mixed = [round(a + (b - a) * part) for a, b in zip(start, end, strict=True)]
    return mixed[0], mixed[1], mixed[2]
