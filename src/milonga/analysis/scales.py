"""Scales that show what a similarity is worth: takes beside yardsticks, and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from milonga.analysis.figures import YARDSTICKS, number, yardstick_parts

_ROUNDING = 0.0005
_TELLING = 0.01
"""Distance between noise and shuffled baseline under which a similarity tells nothing."""

MEASURES: dict[str, tuple[str, str]] = {
    "mfcc_similarity": ("MFCC", "tone colour and level"),
    "timbre_similarity": ("Timbre", "tone colour alone"),
    "chroma_similarity": ("Harmony", "balance of the twelve notes"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One value on a scale. ``at`` is its place from 0 (left) to 100; None if undefined.
    ``beyond`` marks a value left of the scale's beginning."""

    label: str
    kind: str
    value: str
    at: float | None
    verdict: str = ""
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale of takes and yardsticks by one similarity, best first."""

    name: str
    about: str
    low: str
    marks: tuple[Mark, ...]
    sentence: str

    def take(self, label: str) -> Mark | None:
        """Find the mark of a take."""
        return next((m for m in self.marks if m.kind == "take" and m.label == label), None)


def scales(
    takes: Sequence[tuple[str, Mapping[str, Any] | None]], yardsticks: Mapping[str, Any] | None
) -> list[Scale]:
    """Make one scale for each similarity that any take has.

    Args:
        takes: label and differences of each.
        yardsticks: of the baseline, by name.
    """
    built = []
    for measure, (name, about) in MEASURES.items():
        own = [(label, d.get(measure)) for label, d in takes if d and measure in d]
        if own:
            built.append(_scale(name, about, own, _yardstick_values(yardsticks, measure)))
    return built


def _yardstick_values(
    yardsticks: Mapping[str, Any] | None, measure: str
) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for name in YARDSTICKS:
        _, differences = yardstick_parts(yardsticks, name)
        if differences is not None and measure in differences:
            values[name] = differences[measure]
    return values


def _scale(
    name: str,
    about: str,
    takes: Sequence[tuple[str, float | None]],
    yardsticks: Mapping[str, float | None],
) -> Scale:
    noise, shuffled = yardsticks.get("noise"), yardsticks.get("shuffled")
    # Silence may lie far off: it must not squeeze what matters.
    shown = [v for v in (*(value for _, value in takes), noise, shuffled) if v is not None]
    low = _beginning(shown)
    telling = noise is not None and shuffled is not None and shuffled - noise >= _TELLING
    marks = [
        _mark(label, "take", value, low, verdict(value, noise, shuffled) if telling else "")
        for label, value in takes
    ]
    marks += [
        _mark(YARDSTICKS[key].label, "yardstick", value, low) for key, value in yardsticks.items()
    ]
    order = {YARDSTICKS[key].label: value for key, value in yardsticks.items()}
    values = {("take", label): value for label, value in takes} | {
        ("yardstick", label): value for label, value in order.items()
    }
    marks.sort(key=lambda m: -2.0 if (v := values[m.kind, m.label]) is None else v, reverse=True)
    return Scale(name, about, number(low, 2), tuple(marks), _sentence(noise, shuffled))


def _beginning(values: Sequence[float]) -> float:
    """Find the beginning of the scale: some way under the lowest value."""
    spread = 1.0 - min(values, default=0.9)
    return max(-1.0, 1.0 - max(0.02, spread * 1.15))


def _mark(label: str, kind: str, value: float | None, low: float, verdict: str = "") -> Mark:
    if value is None:
        return Mark(label, kind, "", None, "not defined")
    at = 100 * (value - low) / (1.0 - low)
    return Mark(label, kind, number(value, 3), min(100.0, max(0.0, at)), verdict, at < 0)


def verdict(value: float | None, noise: float | None, shuffled: float | None) -> str:
    """Place a take between noise and the shuffled baseline, in a few words."""
    if value is None or noise is None or shuffled is None:
        return ""
    if value <= noise + _ROUNDING:
        return "no closer than noise"
    if value >= shuffled - _ROUNDING:
        return "as close as the baseline shuffled"
    return f"{100 * (value - noise) / (shuffled - noise):.0f} % of the way from noise to shuffled"


def _sentence(noise: float | None, shuffled: float | None) -> str:
    if noise is None or shuffled is None:
        return "A yardstick is missing here, so there is nothing to hold these values against."
    scores = (
        f"Noise scores {number(noise, 3)}, the baseline with its seconds shuffled "
        f"{number(shuffled, 3)}. "
    )
    if shuffled - noise < _TELLING:
        return scores + "They lie so close together that this figure hardly tells takes apart here."
    return scores + (
        "A take has to beat the noise before its value means anything; "
        "the order of the music it never shows."
    )
