"""The measured effect of each control of a trained model.

A control is swept over nine positions at a few seeds; all descriptors of each result are
measured. Spearman's rank correlation between positions and each descriptor's mean says how
reliably they go together, and the range of that mean, in spreads of the corpus, how much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milonga.runtime.progress import Progress
from milonga.sounds.controls.descriptors import CONTROLS, NAMES, describe
from milonga.sounds.controls.report import ControlEffect, ControlReport
from milonga.sounds.model.player import LIMIT, SoundPlayer
from milonga.sounds.model.resolved_play import ResolvedPlay

Floats = NDArray[np.float32]

POSITIONS = tuple(np.linspace(-LIMIT, LIMIT, 9).tolist())
SEEDS = range(3)
SECONDS = 5.0

Measure = Callable[[ResolvedPlay], Floats]


def measure_effects(
    player: SoundPlayer,
    controls: Mapping[str, ControlReport],
    progress: Progress | None = None,
    *,
    seeds: Sequence[int] = SEEDS,
    seconds: float = SECONDS,
    through: Measure | None = None,
) -> dict[str, ControlReport]:
    """Measure the effect of each control that is enabled.

    Args:
        player: of the trained model.
        controls: as ``control_statistics`` gives them.
        progress: shows it, and may cancel.
        seeds: of the walks.
        seconds: of each.
        through: gives the mel that is measured for a request; by default the model's own. The
            mel of rendered audio is the stricter choice.

    Returns:
        ``controls``, each enabled one with its effect.
    """
    progress = progress or Progress()
    take = through or player.mel
    made = {name: controls[name] for name in NAMES}
    spread = np.array([max(controls[c.name].spread, c.least_spread) for c in CONTROLS])
    sweeps = len(player.enabled) * len(seeds)
    with progress.task("Measuring controls", sweeps, "sweeps") as task:
        for name in player.enabled:
            rows = []
            for seed in seeds:
                rows.append(_sweep(player, take, name, seed, seconds))
                task.advance()
            table = np.stack(rows)
            ranks = [[spearman(POSITIONS, table[s, :, d]) for d in range(len(NAMES))]
                     for s in range(len(seeds))]  # fmt: skip
            moved = ((table[:, -1] - table[:, 0]) / spread).mean(0)
            own = NAMES.index(name)
            effect = ControlEffect(
                spearman=_named(np.mean(ranks, axis=0)),
                moved=_named(moved),
                curve=tuple(round(float(v), 4) for v in table[:, :, own].mean(0)),
            )
            made[name] = made[name].model_copy(update={"effect": effect})
    return made


def _sweep(
    player: SoundPlayer, take: Measure, name: str, seed: int, seconds: float
) -> NDArray[np.float64]:
    """Mean descriptors at each position, ``[9, 7]``."""
    rows = []
    for position in POSITIONS:
        request = ResolvedPlay(seconds=seconds, seed=seed, controls={name: position})
        rows.append(describe(take(request), player.spec)[0].mean(axis=1))
    return np.asarray(rows, np.float64)


def spearman(a: Sequence[float] | NDArray[Any], b: Sequence[float] | NDArray[Any]) -> float:
    """Spearman's rank correlation; 0 where one of both is constant."""
    x, y = _ranks(np.asarray(a)), _ranks(np.asarray(b))
    x, y = x - x.mean(), y - y.mean()
    power = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y / power) if power > 0 else 0.0


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks, ties sharing their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)


def _named(values: NDArray[Any]) -> dict[str, float | None]:
    return {name: round(float(value), 3) for name, value in zip(NAMES, values, strict=True)}
