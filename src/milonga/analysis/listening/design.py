"""The design of a listening test: which recordings meet in which trial, under which names.

A page must not say what is what. So stimuli have names that were drawn, and a key, which stays with
whoever made the test, says what they are.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from milonga.errors import MilongaError
from milonga.runtime.record import FiniteRecord
from milonga.runtime.words import counted

TestKind = Literal["ab", "abx", "mushra"]
ANCHORS = {"low anchor": 3500.0, "mid anchor": 7000.0}
"""Hidden stimuli of a MUSHRA test: the reference through low-passes at so many Hz (BS.1534-3)."""
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class Stimulus(FiniteRecord):
    """One sound of a trial.

    Attributes:
        name: as the page knows it.
        condition: what it is: a generator, a recording, the reference, an anchor.
    """

    name: str
    condition: str


class Trial(FiniteRecord):
    """One question.

    Attributes:
        name: as the page knows it.
        item: what is played, such as a segment.
        stimuli: in the order of their buttons: A, B (and X); of ``mushra`` first the open
            reference, then the sliders from the left.
        answer: of ``abx``: which of the first two X is, ``a`` or ``b``.
    """

    name: str
    item: str
    stimuli: tuple[Stimulus, ...]
    answer: str = ""


class Key(FiniteRecord):
    """What is what: the file that listeners don't get."""

    format_version: Literal[1] = 1
    test: str
    kind: TestKind
    title: str = ""
    seed: int
    reference: str = ""
    """Condition that the others are held against (``mushra``)."""
    trials: tuple[Trial, ...] = Field(min_length=1)
    sources: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Path by item and condition."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """All conditions, in the order in which they first appear."""
        found = (stimulus.condition for trial in self.trials for stimulus in trial.stimuli)
        return tuple(dict.fromkeys(found))


def design(
    kind: TestKind,
    items: Mapping[str, Sequence[str]],
    *,
    seed: int = 0,
    repeats: int | None = None,
    reference: str = "",
    title: str = "",
    sources: Mapping[str, Mapping[str, str]] | None = None,
) -> Key:
    """Draw the trials of a test from a seed.

    ``ab`` and ``abx`` ask about each pair of an item's conditions, ``mushra`` about all of them at
    once, together with the reference and two anchors.

    Args:
        kind: of test.
        items: conditions by item.
        seed: of the order of everything.
        repeats: times that each pair is asked, half of them the other way round; None for 2
            (``ab``) or as many as give 8 trials (``abx``).
        reference: condition that ``mushra`` compares with; items without it are refused.
        title: shown to listeners.
        sources: path by item and condition, for the key.

    Raises:
        MilongaError: too few conditions, or a reference that isn't there.
    """
    asked = json.dumps([kind, title, {item: list(each) for item, each in items.items()}])
    # Another test with the same seed must have other names: browsers keep answers by them.
    rng = np.random.default_rng((seed, *hashlib.sha256(asked.encode()).digest()[:8]))
    names = _Names(rng)
    test = "".join(next(names) for _ in range(2))
    for item, conditions in items.items():
        if kind == "mushra" and reference not in conditions:
            raise MilongaError(
                f"{item or 'The test'} has no recording of the reference {reference!r}.",
                step=f"It has: {', '.join(conditions)}. Name one with --reference.",
            )
        if len(conditions) < 2:
            raise MilongaError(
                f"{item or 'The test'} has {counted(len(conditions), 'recording')} to listen to; "
                "a comparison needs two.",
                step="Render it with another generator, or give more recordings.",
            )
    if kind == "mushra":
        trials = [_mushra(rng, names, item, c, reference) for item, c in items.items()]
    else:
        pairs = [(i, pair) for i, c in items.items() for pair in itertools.combinations(c, 2)]
        count = repeats or (2 if kind == "ab" else max(2, -(-8 // len(pairs))))
        trials = []
        for item, pair in pairs:
            flip = int(rng.integers(2))
            for turn in range(count):
                first, second = pair[::-1] if (turn + flip) % 2 else pair
                trials.append(_pair(rng, names, kind, item, first, second))
    order = rng.permutation(len(trials))
    return Key(
        test=test, kind=kind, title=title, seed=seed, reference=reference,
        trials=tuple(trials[index] for index in order),
        sources={item: dict(paths) for item, paths in (sources or {}).items()},
    )  # fmt: skip


def _mushra(
    rng: np.random.Generator, names: _Names, item: str, conditions: Sequence[str], reference: str
) -> Trial:
    hidden = [*conditions, *ANCHORS]
    stimuli = [
        Stimulus(name=next(names), condition=hidden[i]) for i in rng.permutation(len(hidden))
    ]
    open_one = Stimulus(name=next(names), condition=reference)
    return Trial(name=next(names), item=item, stimuli=(open_one, *stimuli))


def _pair(
    rng: np.random.Generator, names: _Names, kind: TestKind, item: str, first: str, second: str
) -> Trial:
    stimuli = [Stimulus(name=next(names), condition=each) for each in (first, second)]
    answer = ""
    if kind == "abx":
        x = int(rng.integers(2))
        answer = "ab"[x]
        stimuli.append(Stimulus(name=next(names), condition=(first, second)[x]))
    return Trial(name=next(names), item=item, stimuli=tuple(stimuli), answer=answer)


class _Names(Iterator[str]):
    """Names that say nothing, each once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng, self._given = rng, set[str]()

    def __next__(self) -> str:
        while True:
            name = "".join(_LETTERS[i] for i in self._rng.integers(0, len(_LETTERS), 6))
            if name not in self._given:
                self._given.add(name)
                return name
