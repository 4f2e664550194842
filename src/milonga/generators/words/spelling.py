"""Cutting a word at its syllables, once its vowel groups are known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from milonga.runtime.words import plain


def lowered(word: str, *, accents: bool) -> str:
    """The word in small letters, as many as it has, with or without its diacritics."""
    return "".join((c.lower() if accents else plain(c) or c)[0] for c in word)


def divide(
    word: str, nuclei: list[tuple[int, int]], lower: str, onsets: frozenset[str]
) -> list[str]:
    """Cut a word between its nuclei, giving each syllable the longest onset it may have."""
    cuts: list[int] = []
    for (_, left), (right, _) in pairwise(nuclei):
        start = right
        if right - left > 0:
            start = right - 1
            for size in (3, 2):
                if right - left >= size and lower[right - size : right] in onsets:
                    start = right - size
                    break
        cuts.append(start)
    edges = [0, *cuts, len(word)]
    return [word[a:b] for a, b in pairwise(edges)]


def nuclei_of(
    word: str, is_vowel: Callable[[str, int], bool], splits: Callable[[str, int], bool]
) -> list[tuple[int, int]]:
    """Find the runs of vowels in a word: where each begins and ends.

    Args:
        word: in small letters.
        is_vowel: tells whether the letter at an index is one.
        splits: tells whether the vowel at an index belongs to another syllable than the one
            before it.
    """
    nuclei: list[tuple[int, int]] = []
    for index in range(len(word)):
        if not is_vowel(word, index):
            continue
        if nuclei and nuclei[-1][1] == index and not splits(word, index):
            nuclei[-1] = (nuclei[-1][0], index + 1)
        else:
            nuclei.append((index, index + 1))
    return nuclei


def cut(word: str, parts: tuple[str, ...]) -> list[str]:
    """The word in its own letters, cut where ``parts`` says; a longer ending stays on the last."""
    out: list[str] = []
    at = 0
    for part in parts[:-1]:
        out.append(word[at : at + len(part)])
        at += len(part)
    return [*out, word[at:]]


def digits(number: str, names: tuple[str, ...]) -> list[str]:
    """The syllables of a number read digit by digit."""
    return [part for digit in number for part in names[int(digit)].split("-")]
