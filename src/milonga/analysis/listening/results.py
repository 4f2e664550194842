"""The result of a listening test: who is believed, what was found, and what can't be said."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from milonga.analysis.listening.answers import Answers
from milonga.analysis.listening.design import ANCHORS, Key, Trial
from milonga.analysis.statistics import (
    FEWEST_PAIRS,
    LEVEL,
    Interval,
    Share,
    Test,
    holm,
    mean_of,
    share_of,
    sign_flips,
)

_REFERENCE_RATED, _ANCHOR_RATED, _OF_ITEMS = 90.0, 90.0, 0.15
"""BS.1534-3, 4.1.2: a listener is left out who rates the hidden reference under 90, or the mid
anchor over 90, in more than 15 % of the items."""
_FAST_S = 0.5


@dataclass(frozen=True, slots=True)
class Screened:
    """A listener whose answers don't count, with the reason."""

    listener: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two conditions held against each other.

    Attributes:
        first, second: conditions.
        share: of the answers for ``first`` (``ab``) or of right answers (``abx``).
        difference: of ratings, first minus second, on 0 to 100 (``mushra``).
        listeners: whose answers count.
        answers: of theirs, undecided ones left out.
        undecided: answers without a preference.
        p: chance of such a result without any difference, corrected for the number of pairs; None
            where there are too few answers for any.
        verdict: one sentence.
    """

    first: str
    second: str
    listeners: int
    answers: int
    share: Interval | None = None
    difference: Interval | None = None
    undecided: int = 0
    p: float | None = None
    verdict: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "first": self.first, "second": self.second, "listeners": self.listeners,
            "answers": self.answers, "undecided": self.undecided,
            "share": self.share.to_dict() if self.share else None,
            "difference": self.difference.to_dict() if self.difference else None,
            "p": self.p, "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ListeningResult:
    """What a listening test found.

    Attributes:
        key: the test.
        listeners: whose answers count.
        screened: whose don't.
        pairs: of conditions.
        ratings: mean over listeners by condition (``mushra``), best first.
    """

    key: Key
    listeners: tuple[str, ...]
    screened: tuple[Screened, ...]
    pairs: tuple[Pair, ...]
    ratings: dict[str, Interval]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "test": self.key.test,
            "kind": self.key.kind,
            "title": self.key.title,
            "level": LEVEL,
            "listeners": list(self.listeners),
            "screened": [{"listener": s.listener, "reason": s.reason} for s in self.screened],
            "ratings": {name: each.to_dict() for name, each in self.ratings.items()},
            "pairs": [pair.to_dict() for pair in self.pairs],
        }


def evaluate(key: Key, answers: Sequence[Answers]) -> ListeningResult:
    """Evaluate the answers to a test.

    A listener who answered twice counts once, with the answers given last in the sequence. With
    one listener the trials are what is drawn (of ``ab`` and ``abx``: exactly binomial); with
    several the listeners are, each as a whole.

    Args:
        key: the test.
        answers: each listener's.
    """
    latest = {each.listener: each for each in answers}
    reasons = {who: _reason(key, each) for who, each in latest.items()}
    believed = {who: each for who, each in latest.items() if not reasons[who]}
    screened = tuple(Screened(who, reason) for who, reason in reasons.items() if reason)
    if key.kind == "mushra":
        pairs, ratings = _rated(key, believed)
    else:
        pairs, ratings = _chosen(key, believed), {}
    return ListeningResult(key, tuple(believed), screened, tuple(pairs), ratings)


def _reason(key: Key, answers: Answers) -> str:
    """Say why a listener isn't believed; empty for one who is."""
    given = {answer.trial: answer for answer in answers.answers}
    lacking = sum(1 for trial in key.trials if not _answered(key, trial, given.get(trial.name)))
    if lacking:
        return f"{lacking} of {len(key.trials)} questions are not answered"
    fast = sum(1 for answer in answers.answers if answer.seconds < _FAST_S)
    if fast > len(key.trials) / 2:
        return f"{fast} questions were answered within {_FAST_S:g} s, without listening"
    if key.kind != "mushra":
        return ""
    low = high = 0
    for trial in key.trials:
        ratings = given[trial.name].ratings
        by_condition = {s.condition: ratings[s.name] for s in trial.stimuli[1:]}
        low += by_condition[key.reference] < _REFERENCE_RATED
        high += by_condition["mid anchor"] > _ANCHOR_RATED
    most = _OF_ITEMS * len(key.trials)
    if low > most:
        return (
            f"the hidden reference got less than {_REFERENCE_RATED:g} in {low} of {len(key.trials)}"
        )
    if high > most:
        return f"the mid anchor got more than {_ANCHOR_RATED:g} in {high} of {len(key.trials)}"
    return ""


def _answered(key: Key, trial: Trial, answer: Any) -> bool:
    if answer is None:
        return False
    if key.kind == "mushra":
        return all(stimulus.name in answer.ratings for stimulus in trial.stimuli[1:])
    return bool(answer.choice) and (key.kind == "ab" or answer.choice != "same")


def _chosen(key: Key, believed: dict[str, Answers]) -> list[Pair]:
    """Evaluate preferences, or discriminations."""
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for who, each in believed.items():
        choices = {answer.trial: answer.choice for answer in each.answers}
        for trial in key.trials:
            first, second = (stimulus.condition for stimulus in trial.stimuli[:2])
            names = (first, second) if key.conditions.index(first) < key.conditions.index(second) \
                else (second, first)  # fmt: skip
            choice = choices[trial.name]
            if key.kind == "abx":
                value = 1.0 if choice == trial.answer else 0.0
            elif choice == "same":
                value = 0.5
            else:
                value = 1.0 if {"a": first, "b": second}[choice] == names[0] else 0.0
            found.setdefault(names, []).append((who, value))
    pairs, tests = [], []
    for (first, second), values in found.items():
        clear = [(who, value) for who, value in values if value != 0.5]
        share, test = _share(key, clear)
        undecided = len(values) - len(clear)
        pairs.append(Pair(first, second, len(believed), len(clear), share, undecided=undecided))
        tests.append(test)
    return _tested(key, pairs, tests)


def _tested(key: Key, pairs: Sequence[Pair], tests: Sequence[Test | float | None]) -> list[Pair]:
    """Test each pair, corrected for their number, and put the finding into words.

    Args:
        key: of the listening test.
        pairs: to be tested.
        tests: differences by listener, an exact p of its own, or None for too few answers.
    """
    own = [test for test in tests if test is not None]
    groups = [test for test in own if not isinstance(test, float)]
    if len(groups) == len(own):
        corrected = iter(sign_flips(groups))
    else:
        corrected = iter(holm([
            test if isinstance(test, float) else sign_flips([test])[0] for test in own
        ]))  # fmt: skip
    sides = 1 if key.kind == "abx" else 2
    found = []
    for pair, test in zip(pairs, tests, strict=True):
        p = None if test is None else next(corrected)
        fewest = FEWEST_PAIRS
        if isinstance(test, float):
            # So many unanimous answers it takes among so many pairs.
            fewest = max(fewest, math.ceil(math.log2(sides * len(own) / (1 - LEVEL))))
        if pair.answers < fewest and isinstance(test, float):
            p = None
        found.append(replace(pair, p=p, verdict=_verdict(key, replace(pair, p=p), fewest)))
    return found


def _share(key: Key, clear: list[tuple[str, float]]) -> tuple[Interval | None, Test | float | None]:
    who, values = [each for each, _ in clear], [value for _, value in clear]
    if not values:
        return None, None
    several = len(set(who)) > 1 and len(set(who)) < len(who)
    if several and len(set(who)) >= FEWEST_PAIRS:
        return mean_of(values, who), ([value - 0.5 for value in values], who)
    exact: Share = share_of(round(sum(values)), len(values))
    if several or len(values) < FEWEST_PAIRS:
        # Answers of few listeners aren't independent of each other; the share is only described.
        return exact.share, None
    return exact.share, exact.p_more if key.kind == "abx" else exact.p


def _rated(key: Key, believed: dict[str, Answers]) -> tuple[list[Pair], dict[str, Interval]]:
    """Evaluate ratings."""
    values: dict[str, dict[tuple[str, str], float]] = {}
    for who, each in believed.items():
        given = {answer.trial: answer.ratings for answer in each.answers}
        for trial in key.trials:
            for stimulus in trial.stimuli[1:]:
                value = given[trial.name][stimulus.name]
                values.setdefault(stimulus.condition, {})[who, trial.item] = value
    means: dict[str, Interval] = {
        name: mean_of(list(each.values()), [who for who, _ in each])
        for name, each in values.items()
    }
    ratings = dict(sorted(means.items(), key=lambda pair: -pair[1].value))
    names = [name for name in ratings if name not in ANCHORS]
    pairs: list[Pair] = []
    tests: list[Test | float | None] = []
    for first, second in itertools.combinations(names, 2):
        both = sorted(values[first].keys() & values[second].keys())
        people = [listener for listener, _ in both]
        differences = [values[first][place] - values[second][place] for place in both]
        listeners = len(set(people))
        tests.append((differences, people) if listeners >= FEWEST_PAIRS else None)
        difference = mean_of(differences, people) if people else None
        pairs.append(Pair(first, second, listeners, len(people), difference=difference))
    return _tested(key, pairs, tests), ratings


def _verdict(key: Key, pair: Pair, fewest: int) -> str:
    both = f"{pair.first} and {pair.second}"
    if pair.p is None:
        of_one = pair.listeners <= 1 and key.kind != "mushra"
        need = f"at least {fewest} {'clear answers' if of_one else 'listeners'}"
        had = (
            f"{pair.listeners} listener{'s' if pair.listeners != 1 else ''}, {pair.answers} answers"
        )
        return f"Too few to say anything about {both}: it takes {need} ({had})."
    found = pair.p < 1 - LEVEL
    value = (
        pair.share.value - 0.5 if pair.share else pair.difference.value if pair.difference else 0
    )
    if key.kind == "abx":
        if found and value > 0:
            return f"{both} can be told apart."
        return f"Nobody showed that {both} can be told apart; that isn't proof that they are alike."
    if not found:
        return f"No difference was found between {both}; that isn't proof that they are alike."
    better, worse = (pair.first, pair.second) if value > 0 else (pair.second, pair.first)
    if key.kind == "ab":
        return f"{better} is preferred to {worse}."
    return f"{better} is rated above {worse}."
