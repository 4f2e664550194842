"""The ladder: a baseline in known steps of damage, measured against itself."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.pairs.measure import common
from milonga.analysis.pairs.sketch import Sketch, sketch
from milonga.analysis.verdicts.damages import DAMAGES, RATE, Damage, working
from milonga.analysis.verdicts.judge import Rung
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


def rungs(clip: Clip, every: int = _EVERY) -> Iterator[Rung]:
    """Yield the steps of each damage, done to (an excerpt of) a baseline.

    Args:
        clip: the baseline.
        every: take every this many of the six steps, from the first.
    """
    wave = working(excerpt(clip))
    own = sketch(Clip(wave, RATE, copy=False))
    for damage in DAMAGES:
        for step in damage.steps[::every]:
            yield rung(own, wave, damage, step)


def rung(own: Sketch, wave: NDArray[np.float32], damage: Damage, step: float) -> Rung:
    """Damage a recording (mono at ``RATE``) and measure it against its own sketch."""
    damaged = sketch(Clip(damage.apply(wave, step), RATE, copy=False))
    return Rung(damage.name, step, damage.label(step), common(own, damaged))
