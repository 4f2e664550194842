"""The key of a recording, by the shares of the twelve notes.

The notes' shares are correlated with those of pieces in each of 24 keys (Albrecht, Shanahan, "The
use of large corpora to train a new type of key-finding algorithm", Music Perception 31, 2013, after
Krumhansl, "Cognitive foundations of musical pitch", 1990).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_LEAST = 0.5
"""Noise and drums correlate less with any key; music in one more."""
_SPREAD = 0.055
"""Set by the guide's takes, so that of the keys held for 80 % sure four in five are right."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key.

    Attributes:
        tonic: pitch class, 0 for C; None where there is none.
        minor: whether it is minor.
        confidence: that it is this one of the 24.
        likelihoods: of all: twelve major keys from C, then twelve minor ones.
    """

    tonic: int | None
    minor: bool
    confidence: float
    likelihoods: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        return "" if self.tonic is None else key_name(self.tonic, self.minor)

    def likelihood(self, tonic: int, minor: bool) -> float:
        """Return how likely one of the keys is, from 0 to 1."""
        return self.likelihoods[tonic + 12 * minor] if self.likelihoods else 0.0


def key_name(tonic: int, minor: bool) -> str:
    """Return the name of a key, such as ``A minor``."""
    return f"{NAMES[tonic % 12]} {'minor' if minor else 'major'}"


def relation(tonic: int, minor: bool, other: int, other_minor: bool) -> str:
    """Say how a key is related to another one; empty where it is far from it."""
    if minor != other_minor and (other - tonic) % 12 == (3 if minor else 9):
        return "relative"
    if minor != other_minor and tonic == other:
        return "parallel"
    if minor == other_minor and (other - tonic) % 12 in (5, 7):
        return "a fifth away"
    return ""


def key_of(chroma: NDArray[np.floating]) -> Key:
    """Find the key.

    Args:
        chroma: strength of the pitch classes over time, ``[frames, 12]``; silent frames are 0.
    """
    shares = chroma.mean(axis=0, dtype=np.float64) if len(chroma) else np.zeros(12)
    if shares.std() < 1e-9:
        return Key(None, False, 0.0)
    shares = (shares - shares.mean()) / shares.std()
    likeness = _profiles() @ shares / 12
    best = int(likeness.argmax())
    if likeness[best] < _LEAST:
        return Key(None, False, 0.0)
    weight = np.exp((likeness - likeness[best]) / _SPREAD)
    weight /= weight.sum()
    return Key(best % 12, best >= 12, float(weight[best]), tuple(map(float, weight)))


def _profiles() -> NDArray[np.float64]:
    rows = [np.roll(profile, step) for profile in (_MAJOR, _MINOR) for step in range(12)]
    table = np.array(rows)
    table -= table.mean(axis=1, keepdims=True)
    return np.asarray(table / table.std(axis=1, keepdims=True))
