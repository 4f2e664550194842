"""Lyrics held against recognised words: which are right, wrong, missing, added, and when.

Source of the error rate: the word error rate of speech recognition, substitutions, deletions and
insertions of the cheapest alignment over the number of reference words (NIST sclite; Levenshtein
1966). It can exceed 1 where more words were added than there are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from milonga.runtime.words import without_accents

_NEAR = 0.5
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_ALONE = ("CJK UNIFIED", "HIRAGANA", "KATAKANA")


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A recognised word.

    Attributes:
        text: as the recogniser writes it.
        start_s, end_s: where it lies in the recording.
        probability: how sure the recogniser is, 0 to 1.
    """

    text: str
    start_s: float
    end_s: float
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """A word of the lyrics, or of the recording, or of both.

    Attributes:
        kind: ``right``; ``wrong``, another was heard; ``missing``, none was; ``added``, it isn't in
            the lyrics.
        expected: the word of the lyrics; empty for an added one.
        heard: the recognised word; empty for a missing one.
        line: of the lyrics, from 0; of an added word, the line that it stands in or after.
        start_s, end_s: of the heard word.
    """

    kind: Literal["right", "wrong", "missing", "added"]
    expected: str
    heard: str
    line: int
    start_s: float | None = None
    end_s: float | None = None


def words_of(text: str) -> list[str]:
    """Split a text into words; each character of Chinese and Japanese is one.

    Example:
        >>> words_of("Don't stop, ¡corazón! 東京")
        ["Don't", 'stop', 'corazón', '東', '京']
    """
    found: list[str] = []
    for word in _WORD.findall(text.replace("’", "'")):
        alone = unicodedata.name(word[0], "").startswith(_ALONE)
        found.extend(word if alone else [word])
    return found


def plain(word: str) -> str:
    """Return a word as it is compared: without case, accents and apostrophes."""
    return without_accents(word.replace("'", "").casefold())


def align(lines: Sequence[str], heard: Sequence[HeardWord]) -> list[AlignedWord]:
    """Align lyrics with what was heard, with the fewest edits.

    Args:
        lines: of the lyrics.
        heard: words in order of time; one that holds several words is split evenly.
    """
    expected = [(word, n) for n, line in enumerate(lines) for word in words_of(line)]
    found = [part for word in heard for part in _parts(word)]
    steps = _steps([plain(word) for word, _ in expected], [plain(word.text) for word in found])
    aligned, line = [], 0
    for i, j in steps:
        word, line = expected[i] if i is not None else ("", line)
        if j is None:
            aligned.append(AlignedWord("missing", word, "", line))
            continue
        heard_word = found[j]
        kind: Literal["right", "wrong", "added"] = "added"
        if i is not None:
            kind = "right" if plain(word) == plain(heard_word.text) else "wrong"
        aligned.append(
            AlignedWord(kind, word, heard_word.text, line, heard_word.start_s, heard_word.end_s)
        )
    return aligned


def edits(expected: Sequence[str], heard: Sequence[str]) -> int:
    """Count the fewest substitutions, deletions and insertions between two sequences."""
    row = np.arange(len(heard) + 1)
    for i, word in enumerate(expected):
        same = np.array([word != other for other in heard], dtype=int)
        best = np.minimum(row[:-1] + same, row[1:] + 1)
        row = np.concatenate(([i + 1], best))
        # Insertions run along the row: the smallest of all before, plus the way from there.
        row = np.minimum.accumulate(row - np.arange(len(row))) + np.arange(len(row))
    return int(row[-1])


def _parts(word: HeardWord) -> list[HeardWord]:
    texts = words_of(word.text)
    step = (word.end_s - word.start_s) / max(1, len(texts))
    return [
        HeardWord(text, word.start_s + n * step, word.start_s + (n + 1) * step, word.probability)
        for n, text in enumerate(texts)
    ]


def _steps(expected: Sequence[str], heard: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """The pairs of the cheapest alignment, None where a word has no counterpart."""
    pairs = {word: _pairs(word) for word in (*expected, *heard)}
    # From where each cell is reached: 0 a pair, 1 a missing word, 2 an added one.
    cost = [float(j) for j in range(len(heard) + 1)]
    origin = np.full((len(expected) + 1, len(heard) + 1), 2, np.int8)
    origin[:, 0] = 1
    for i, word in enumerate(expected):
        before, cost = cost, [float(i + 1)]
        for j, other in enumerate(heard):
            ways = (before[j] + _unlike(word, other, pairs), before[j + 1] + 1, cost[j] + 1)
            cost.append(min(ways))
            origin[i + 1, j + 1] = ways.index(cost[-1])
    i, j = len(expected), len(heard)
    steps: list[tuple[int | None, int | None]] = []
    while i or j:
        way = int(origin[i, j])
        i, j = i - (way != 2), j - (way != 1)
        steps.append((i if way != 2 else None, j if way != 1 else None))
    return steps[::-1]


def _pairs(word: str) -> frozenset[str]:
    """The pairs of neighbouring letters of a word, its ends included."""
    padded = f"^{word}$"
    return frozenset(padded[n : n + 2] for n in range(len(padded) - 1))


def _unlike(a: str, b: str, pairs: dict[str, frozenset[str]]) -> float:
    """The cost of one word for another: 0 for the same, else 1 and a little for being unlike, so
    that of as few edits those with the most right words and the likest wrong ones are found."""
    if a == b:
        return 0.0
    shared = 2 * len(pairs[a] & pairs[b]) / (len(pairs[a]) + len(pairs[b]))
    # Small enough that a whole song of them is less than one edit.
    return 1.0 + _NEAR * (1.0 - shared) / 1e4
