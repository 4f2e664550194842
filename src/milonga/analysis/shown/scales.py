"""Scales that show what a similarity is worth: takes beside what isn't the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from milonga.analysis.shown.figures import OTHER, YARDSTICKS, number, yardstick_parts

MEASURES: dict[str, tuple[str, str]] = {
    "sound_similarity": ("Sound", "what sounds when"),
    "notes_similarity": ("Notes", "the twelve notes over time"),
    "rhythm_similarity": ("Rhythm", "onsets over time"),
    "dynamics_similarity": ("Dynamics", "loudness over time"),
    "form_similarity": ("Form", "which parts resemble which"),
    "timbre_similarity": ("Timbre", "the mean tone colour"),
    "harmony_similarity": ("Harmony", "the balance of the twelve notes"),
}

_PUBLISHED: dict[str, tuple[str, str]] = {
    "mfcc_similarity": ("MFCC", "tone colour and level"),
    "timbre_similarity": ("Timbre", "tone colour alone"),
    "chroma_similarity": ("Harmony", "balance of the twelve notes"),
}
"""What comparisons of milonga 0.1 have."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A take as a scale needs it: entries of the comparison's document.

    Attributes:
        common: its figures on common ground.
        verdicts: what they are worth.
        differences: its figures as published elsewhere, for documents without common ground.
    """

    label: str
    common: Mapping[str, Any] | None = None
    verdicts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    differences: Mapping[str, Any] | None = None


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
    takes: Sequence[Judged],
    yardsticks: Mapping[str, Any] | None,
    impostors: Mapping[str, Mapping[str, Any]] | None = None,
    ladder: Sequence[Mapping[str, Any]] | None = None,
) -> list[Scale]:
    """Make one scale for each similarity that any take has.

    Args:
        takes: the recordings that were compared.
        yardsticks: of the baseline, by name.
        impostors: figures of what isn't the baseline; of other recordings the best is shown.
        ladder: steps of damage; those next to a take are shown.
    """
    if not any(take.common for take in takes):
        return [
            _published(measure, takes, yardsticks)
            for measure in _PUBLISHED
            if any(take.differences and measure in take.differences for take in takes)
        ]
    built = []
    for measure, (name, about) in MEASURES.items():
        own = [
            (
                take.label,
                take.common.get(measure),
                str(take.verdicts.get(measure, {}).get("text", "")),
            )
            for take in takes
            if take.common
        ]
        if all(value is None for _, value, _ in own):
            continue
        others = _yardstick_values(yardsticks, measure, "common")
        for who, entry in (impostors or {}).items():
            score = entry.get(measure)
            if who.startswith(OTHER.lower()) and score is not None:
                others[OTHER] = max(score, others.get(OTHER) or -1.0)
        verdicts = [take.verdicts.get(measure, {}) for take in takes]
        wanted = {verdict.get(side) for verdict in verdicts for side in ("better", "worse")}
        steps = {
            str(rung["label"]): rung.get(measure)
            for rung in ladder or ()
            if rung["label"] in wanted
        }
        built.append(_scale(name, about, own, others, steps, _sentence(others)))
    return built


def _published(
    measure: str, takes: Sequence[Judged], yardsticks: Mapping[str, Any] | None
) -> Scale:
    name, about = _PUBLISHED[measure]
    others = _yardstick_values(yardsticks, measure, "differences")
    noise = others.get(YARDSTICKS["noise"].label)
    own = []
    for take in takes:
        if take.differences and measure in take.differences:
            value = take.differences[measure]
            beaten = value is not None and noise is not None and value <= noise
            own.append((take.label, value, "noise scores as much" if beaten else ""))
    return _scale(name, about, own, others, {}, _sentence(others))


def _yardstick_values(
    yardsticks: Mapping[str, Any] | None, measure: str, part: str
) -> dict[str, float | None]:
    values: dict[str, float | None] = {}
    for name, known in YARDSTICKS.items():
        figures = yardstick_parts(yardsticks, name).get(part)
        if figures and measure in figures:
            values[known.label] = figures[measure]
    return values


def _scale(
    name: str,
    about: str,
    takes: Iterable[tuple[str, float | None, str]],
    yardsticks: Mapping[str, float | None],
    steps: Mapping[str, float | None],
    sentence: str,
) -> Scale:
    found = [(label, "take", value, verdict) for label, value, verdict in takes]
    found += [(label, "yardstick", value, "") for label, value in yardsticks.items()]
    found += [(label, "step", value, "") for label, value in steps.items()]
    # Silence may lie far off: it must not squeeze what matters.
    silence = YARDSTICKS["silence"].label
    low = _beginning([v for label, _, v, _ in found if v is not None and label != silence])
    found.sort(key=lambda mark: -2.0 if mark[2] is None else mark[2], reverse=True)
    marks = tuple(_mark(label, kind, value, low, verdict) for label, kind, value, verdict in found)
    return Scale(name, about, number(low, 2), marks, sentence)


def _beginning(values: Sequence[float]) -> float:
    """Find the beginning of the scale: some way under the lowest value."""
    spread = 1.0 - min(values, default=0.9)
    return max(-1.0, 1.0 - max(0.02, spread * 1.15))


def _mark(label: str, kind: str, value: float | None, low: float, verdict: str = "") -> Mark:
    if value is None:
        return Mark(label, kind, "", None, "not defined")
    at = 100 * (value - low) / (1.0 - low)
    return Mark(label, kind, number(value, 3), min(100.0, max(0.0, at)), verdict, at < 0)


def _sentence(yardsticks: Mapping[str, float | None]) -> str:
    own = YARDSTICKS["self"].label
    known = {who: v for who, v in yardsticks.items() if who != own and v is not None}
    if not known:
        return "A yardstick is missing here, so there is nothing to hold these values against."
    best = max(known, key=lambda who: known[who])
    return f"{best} scores {number(known[best], 3)}; nearer than that begins to say something."
