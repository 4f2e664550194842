"""Verdicts: the place of a figure on a ladder of known damage, or what else scores as much.

A similarity says something only if what isn't the baseline scores clearly less. So each figure
is first held against impostors: noise of three kinds, the baseline shuffled, other recordings. It
must come two and a half times as close to 1 as the best of them. Only then has it a place
between two steps of known damage. ``docs/decisions/verdicts.md`` has the rates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from milonga.analysis.pairs.figures import SIMILARITIES, Common

COURSES = ("sound_similarity", "notes_similarity", "rhythm_similarity", "form_similarity")
"""Figures of what happens when. Without one of them no other figure says anything: means over
time and swells of loudness resemble each other by chance."""

WORDS = {
    "sound_similarity": "sound",
    "notes_similarity": "notes",
    "rhythm_similarity": "rhythm",
    "dynamics_similarity": "dynamics",
    "form_similarity": "form",
    "timbre_similarity": "timbre",
    "harmony_similarity": "harmony",
}

NAMED = ("pitch", "stretch")
"""Damage that has figures of its own, which name it: no place among the other kinds."""

_ORDER_FREE = ("timbre_similarity", "harmony_similarity")
"""Means over time: for them the shuffled baseline is the baseline."""

SHARE = 0.4
"""A figure counts if it misses 1 by less than this share of what the best impostor misses."""

_TELLING = 0.02
"""An impostor that comes closer than this to 1 leaves no room for anything to count."""

_SAME = 0.999


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of known damage: its words, and the baseline's figures with it."""

    damage: str
    step: float
    label: str
    common: Common


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one figure of a candidate is worth.

    Attributes:
        figure: its name in ``Common``.
        value: the figure.
        impostor: what else scored highest, in words.
        impostor_value: its score.
        counts: whether the figure says something in favour of the candidate.
        better, worse: the steps of the ladder around it, where it counts.
        text: the verdict in words.
    """

    figure: str
    value: float
    impostor: str
    impostor_value: float
    counts: bool
    text: str
    better: str | None = None
    worse: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def judge(found: Common, impostors: Mapping[str, Common]) -> dict[str, Verdict]:
    """Hold each similarity of a candidate against impostors.

    Args:
        found: the candidate on common ground with the baseline.
        impostors: the figures of what isn't the baseline, by name in words. One whose name
            is ``SHUFFLED`` isn't asked where the order makes no difference.

    Returns:
        A verdict for each figure that the candidate and any impostor have.
    """
    verdicts = {}
    for name in SIMILARITIES:
        value = getattr(found, name)
        scores = {
            who: score
            for who, common in impostors.items()
            if (score := getattr(common, name)) is not None
            and not (who == SHUFFLED and name in _ORDER_FREE)
        }
        if value is None or not scores:
            continue
        best = max(scores, key=lambda who: scores[who])
        counts, text = _worth(value, best, scores[best])
        verdicts[name] = Verdict(name, value, best, scores[best], counts, text)
    if not any(verdicts[name].counts for name in COURSES if name in verdicts):
        verdicts = {name: _alone(verdict) for name, verdict in verdicts.items()}
    return verdicts


SHUFFLED = "the baseline with its seconds shuffled"


def _worth(value: float, best: str, score: float) -> tuple[bool, str]:
    if value >= _SAME > score:
        return True, "as the baseline itself"
    if value <= score:
        return False, f"{best} scores as much"
    if 1 - score < _TELLING:
        return False, f"{best} scores nearly 1: this figure can't tell anything apart here"
    if 1 - value > SHARE * (1 - score):
        return False, f"{best} scores nearly as much"
    return True, f"clear of {best}"


def _alone(verdict: Verdict) -> Verdict:
    if not verdict.counts:
        return verdict
    text = "alike, but nothing happens at the same time"
    return Verdict(
        verdict.figure, verdict.value, verdict.impostor, verdict.impostor_value, False, text
    )


def placed(verdict: Verdict, ladder: Sequence[Rung]) -> Verdict:
    """Find the place of a figure on the ladder."""
    if not verdict.counts or verdict.value >= _SAME:
        return verdict
    values = [
        (value, rung.label)
        for rung in ladder
        if rung.damage not in NAMED and (value := getattr(rung.common, verdict.figure)) is not None
    ]
    above = min((v for v in values if v[0] >= verdict.value), default=None)
    below = max((v for v in values if v[0] < verdict.value), default=None)
    if above and below:
        text = f"between {above[1]} and {below[1]}"
    elif below:
        text = f"closer than {below[1]}"
    elif above:
        text = f"further off than {above[1]}"
    else:
        text = verdict.text
    return Verdict(
        verdict.figure,
        verdict.value,
        verdict.impostor,
        verdict.impostor_value,
        True,
        text,
        above[1] if above else None,
        below[1] if below else None,
    )


def sentence(found: Common, verdicts: Mapping[str, Verdict]) -> str:
    """Say what all figures together are worth."""
    if not verdicts:
        return next(iter(found.reasons.values()), "No figure can be measured.")
    counting = [name for name in WORDS if name in verdicts and verdicts[name].counts]
    changes = _changes(found)
    if not counting:
        best = max(verdicts.values(), key=lambda v: (v.figure in COURSES, v.impostor_value))
        return f"Nothing says that the two are alike: {best.impostor} comes as close."
    same = all(verdicts[name].value >= _SAME for name in verdicts)
    if same and not changes:
        what = "A part of the" if found.matched_s else "The"
        return f"{what} same recording, as far as these figures can tell."
    others = [WORDS[name] for name in WORDS if name in verdicts and name not in counting]
    # Timbre and sound move with the pitch: there they are no second difference.
    excused = {"harmony", "timbre", "sound"} if "transposed" in found.changes else set()
    if changes and not set(others) - excused:
        start = f"{', '.join(changes)}, otherwise alike"
    else:
        alike = f"alike in {_list([WORDS[name] for name in counting])}"
        start = ", ".join([*changes, alike])
    placed = next((verdicts[n] for n in counting if verdicts[n].better or verdicts[n].worse), None)
    if placed is not None:
        start += f"; its {WORDS[placed.figure]}: {placed.text}"
    rest = f"; in {_list(others)} something else scores as much" if others and not changes else ""
    return f"{start[0].upper()}{start[1:]}{rest}."


def _changes(found: Common) -> list[str]:
    changes = []
    shift, ratio = found.pitch_shift_semitones, found.tempo_ratio
    if "transposed" in found.changes and shift is not None:
        whole = round(shift)
        near = abs(shift - whole) < 0.08
        amount = f"{abs(whole)} semitone{'s' if abs(whole) != 1 else ''}" if near else ""
        amount = amount or f"{abs(shift) * 100:.0f} cents"
        changes.append(f"{amount} {'up' if shift > 0 else 'down'}")
    if ratio is not None and {"faster", "slower"} & set(found.changes):
        percent = 100 * abs(ratio - 1)
        shown = f"{percent:.0f}" if percent >= 3 else f"{percent:.1f}"
        changes.append(f"{shown} % {'faster' if ratio > 1 else 'slower'}")
    channels = {
        "swapped": "channels swapped",
        "inverted": "one channel inverted",
        "mono": "mono",
        "polarity": "polarity inverted",
    }
    changes += [channels[name] for name in found.changes if name in channels]
    return changes


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
