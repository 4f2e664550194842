"""Labels of a picture's axes and their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NOTES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")

_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_HERTZ = (100, 200, 500, 1000, 2000, 4000, 8000, 16000)


@dataclass(frozen=True, slots=True)
class Tick:
    """A label and its place along the axis in percent, from the left or the top."""

    at: float
    text: str
    anchor: str = ""


def time_ticks(span: float, most: int = 6) -> list[Tick]:
    """Place labels in seconds (minutes from one minute on), at most about ``most`` of them."""
    step = next((s for s in _STEPS if span / s <= most), _STEPS[-1])
    count = int(span / step + 1e-6)
    ticks = []
    for index in range(count + 1):
        at = 100 * index * step / span
        anchor = "start" if index == 0 else "end" if at > 97 else ""
        ticks.append(Tick(round(at, 3), _time(index * step, step, last=index == count), anchor))
    return ticks


def _time(seconds: float, step: float, *, last: bool) -> str:
    if step >= 15 and seconds:
        return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"
    text = f"{seconds:.1f}" if step < 1 else f"{seconds:.0f}"
    return f"{text} s" if last else text


def hertz_ticks(centres: Sequence[float]) -> list[Tick]:
    """Place labels for bands whose centres rise from the bottom to the top, in Hz."""
    bands = len(centres)
    ticks: list[Tick] = []
    for hertz in _HERTZ:
        if not centres[0] <= hertz <= centres[-1]:
            continue
        band = float(np.interp(hertz, centres, np.arange(bands)))
        at = 100 * (1 - (band + 0.5) / bands)
        # The bottom is where the unit stands.
        if 3 <= at <= 88 and (not ticks or ticks[-1].at - at >= 9):
            ticks.append(Tick(round(at, 2), f"{hertz // 1000}k" if hertz >= 1000 else str(hertz)))
    return ticks


def note_ticks() -> list[Tick]:
    """Place the natural notes beside a chromagram with C at the bottom."""
    return [
        Tick(round(100 * (1 - (row + 0.5) / 12), 2), name)
        for row, name in enumerate(NOTES)
        if len(name) == 1
    ]
