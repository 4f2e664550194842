"""The page: its start, its memory, a list of 500 takes, a slider that is moved.

In Debian's chromium, which is started before the clock is. About two minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
TAKES = 500
READY = "() => document.body.dataset.ready === 'true'"
SHEET = """\
title: Many
generators: [guide]
segments:
"""
SEGMENT = "  - {{number: {0}, name: Part {0}, section: intro, seconds: 1}}\n"
LOUDNESS = "#c-loudness"
SHARE = "#c-share-other"


def run(quick: bool = False) -> str:
    from playwright.sync_api import sync_playwright

    runs = 1 if quick else 5
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        flags = ["--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        home = Path(folder)
        _many_takes(home)
        _model(home)
        starts, idle, lists = [], [], []
        for _ in range(runs):
            begun = time.perf_counter()
            with _server(home) as (address, process):
                page = browser.new_page()
                page.goto(address)
                page.wait_for_function(READY)
                starts.append(time.perf_counter() - begun)
                time.sleep(1.0)
                idle.append(psutil.Process(process.pid).memory_info().rss / 1e6)
                begun = time.perf_counter()
                page.goto(f"{address}songs/many/listen")
                page.wait_for_function(READY)
                assert page.locator(".take").count() == TAKES
                page.locator(".take .play").first.click()
                lists.append(time.perf_counter() - begun)
                page.close()
        moves = _moves(home, browser, 3 if quick else 15)
        blended = _moves(home, browser, 3 if quick else 8, blend=True)
        browser.close()
    start, first, rest, both = map(statistics.median, (starts, moves[:1], moves[1:], blended[1:]))
    return f"""## The page (`milonga web`)

| what | here | goal |
| --- | --- | --- |
| from the command to a page that can be used | {start:.1f} s | 3 s |
| memory of the server, idle after a page | {statistics.median(idle):.0f} MB | 300 MB |
| a list of {TAKES} takes, until one plays | {statistics.median(lists):.2f} s | 1 s |
| from a slider's move to its sound, 2 s by Griffin-Lim | {rest:.2f} s | 2 s |
| the same in a blend of two models | {both:.2f} s | 2 s |
| the same for the first move, which loads torch and the model | {first:.1f} s | |

In chromium, which ran before; medians of {runs} starts and lists, of {len(moves) - 1} moves, and
of {len(blended) - 1} of a blend's share. The sound models have the published size and random
weights."""


@contextlib.contextmanager
def _server(home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "milonga", "web", "--songs", str(home / "songs")]
    process = subprocess.Popen(
        [*command, "--port", "0", "--no-open"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MILONGA_HOME": str(home)},
    )
    assert process.stderr is not None
    try:
        yield process.stderr.readline().split()[3], process
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def _many_takes(home: Path) -> None:
    """A song of ten segments with fifty takes each, copies of one with seeds of their own."""
    from milonga.workflows.songs import render_song

    song = home / "songs" / "many"
    song.mkdir(parents=True)
    (song / "song.yaml").write_text(SHEET + "".join(SEGMENT.format(n) for n in range(1, 11)))
    render_song(song / "song.yaml", song / "out", report=False)
    for first in sorted((song / "out" / "takes").glob("*/guide-s0.json")):
        receipt = json.loads(first.read_text())
        for seed in range(1, TAKES // 10):
            receipt["seed"] = receipt["seed_used"] = receipt["request"]["seed"] = seed
            receipt["sound"]["file"] = f"guide-s{seed}.wav"
            first.with_name(f"guide-s{seed}.json").write_text(json.dumps(receipt))
            shutil.copyfile(first.with_suffix(".wav"), first.with_name(f"guide-s{seed}.wav"))


def _model(home: Path) -> None:
    """Two sound models of the published size, untrained."""
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from sound_models import small_model

    from milonga.sounds import Library
    from milonga.sounds.model.architecture import Architecture

    for seed, name in enumerate(("random", "other")):
        model = small_model(name, seed=seed, shape=Architecture())
        Library(home / "sounds").save(name, *model)


def _moves(home: Path, browser: object, count: int, blend: bool = False) -> list[float]:
    """Move a slider again and again, of a blend its share; the seconds until each sound plays."""
    took = []
    with _server(home) as (address, _):
        page = browser.new_page()  # type: ignore[attr-defined]
        page.goto(f"{address}sounds/random")
        page.wait_for_function(READY)
        for move in range(count + 1):
            heard = page.locator("#sound").get_attribute("src") or ""
            begun = time.perf_counter()
            if blend and not move:
                page.locator("#add").click()
            elif blend:
                page.locator(SHARE).fill(str(20 + 5 * move))
            else:
                page.locator(LOUDNESS).fill(str(round(-1 + 0.1 * (move % 20), 1)))
            page.wait_for_function(
                "heard => { const s = document.getElementById('sound');"
                " return s.src && s.getAttribute('src') !== heard && !s.paused }",
                arg=heard,
                timeout=120_000,
            )
            took.append(time.perf_counter() - begun)
        page.close()
    return took
