"""Distances between sets: what two halves of one set show, by the number of recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from milonga import audio
from milonga.analysis.sets import compare_vectors, mfcc_embedding
from milonga.errors import ComparisonError

SETS = {
    "music": sorted(Path("/usr/share/asterisk/moh").glob("*.wav")),
    "loops": sorted(Path("/usr/share/sonic-pi/samples").glob("loop_*.flac")),
}
SIZES = (8, 10, 20, 40, 52, 80, 120)
DRAWS = 20


def run(quick: bool = False) -> str:
    music, loops = (_vectors(paths) for paths in SETS.values())
    rng = np.random.default_rng(0)
    lines = []
    for size in SIZES:
        if 2 * size > len(music):
            break
        halves, across = [], []
        for draw in range(3 if quick else DRAWS):
            order = rng.permutation(len(music))
            one, two = music[order[:size]], music[order[size : 2 * size]]
            halves.append(compare_vectors(one, two, seed=draw))
            if size <= len(loops):
                other = loops[rng.permutation(len(loops))[:size]]
                across.append(compare_vectors(other, two, seed=draw))
        cells = [_cell([getattr(found, name) for found in kind])
                 for name in ("frechet", "kernel") for kind in (halves, across)]  # fmt: skip
        lines.append(f"| {size} | {' | '.join(cells)} |")
    table = "\n".join(lines)
    return f"""## Distances between sets of recordings

| number | Fréchet, halves | Fréchet, loops and music | kernel, halves | kernel, loops and music |
| ---: | --- | --- | --- | --- |
{table}

Pieces of 1 s: {len(music)} of music (asterisk-moh-opsound-wav), {len(loops)} of loops
(sonic-pi-samples), by means and deviations of 13 MFCCs. Halves are two parts of the music. Medians
of {DRAWS} draws, in brackets the median interval; the share of draws whose interval holds 0 says
how often two sets were called the same. "refused": too few recordings.
"""


def _vectors(paths: list[Path]) -> np.ndarray:
    found = []
    for path in paths:
        clip = audio.read(path)
        # Far enough apart that neighbours aren't one bar.
        step = 1 if clip.seconds < 20 else 5
        for at in range(0, int(clip.seconds), step):
            try:
                found.append(mfcc_embedding(clip.between(at, at + 1)))
            except ComparisonError:
                continue
    return np.array(found)


def _cell(found: list) -> str:
    if not found:
        return "no more recordings"
    if found[0] is None:
        return "refused"
    value, low, high = (np.median([getattr(f, n) for f in found]) for n in ("value", "low", "high"))
    holds = np.mean([f.low <= 0 <= f.high for f in found])
    return f"{value:.2f} ({low:.2f} to {high:.2f}); 0 inside: {holds:.0%}"
