"""The ladder: a baseline in known steps of damage, measured against itself."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.pairs.measure import common
from milonga.analysis.pairs.sketch import Sketch, sketch
from milonga.analysis.verdicts.damages import DAMAGES, RATE, Damage, working
from milonga.analysis.verdicts.judge import NAMED, Rung
from milonga.audio.clip import Clip

EXCERPT_S = 8.0
"""Of longer baselines, the part with the most going on stands for the whole."""

_EVERY = 2


def excerpt(clip: Clip) -> Clip:
    """Cut out the loudest 8 s, by the energy of whole seconds."""
    if clip.seconds <= EXCERPT_S:
        return clip
    step = clip.sample_rate
    energies = np.add.reduceat(np.square(clip.mono), np.arange(0, clip.n_samples, step))
    windows = np.convolve(energies, np.ones(int(EXCERPT_S)), "valid")
    start = float(np.argmax(windows[: max(1, len(windows))]))
    return clip.between(start, min(start + EXCERPT_S, clip.seconds))


def rungs(clip: Clip, every: int = _EVERY, workers: int | None = None) -> tuple[Rung, ...]:
    """Measure the steps of each damage, done to (an excerpt of) a baseline.

    Damage that has figures of its own is no place for others, and isn't done.

    Args:
        clip: the baseline.
        every: take every this many of the six steps, from the first.
        workers: threads; None for one per processor.
    """
    wave = working(excerpt(clip))
    own = sketch(Clip(wave, RATE, copy=False))
    steps = [
        (damage, step)
        for damage in DAMAGES
        if damage.name not in NAMED
        for step in damage.steps[::every]
    ]
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        return tuple(pool.map(lambda one: rung(own, wave, *one), steps))


def rung(own: Sketch, wave: NDArray[np.float32], damage: Damage, step: float) -> Rung:
    """Damage a recording (mono at ``RATE``) and measure it against its own sketch."""
    damaged = sketch(Clip(damage.apply(wave, step), RATE, copy=False))
    return Rung(damage.name, step, damage.label(step), common(own, damaged))
