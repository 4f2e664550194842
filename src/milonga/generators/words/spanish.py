"""Spanish syllables and stress, which the spelling tells.

Source: Real Academia Española, Ortografía de la lengua española (2010), on syllables, diphthongs,
hiatus and the written accent.
"""

from __future__ import annotations

from milonga.generators.words.spelling import digits, divide, lowered, nuclei_of
from milonga.runtime.words import plain

_STRONG, _ACCENTED_WEAK = "aeoáéóàèò", "íú"
_VOWELS = _STRONG + _ACCENTED_WEAK + "iuüy"
_ONSETS = frozenset(
    f"{first}{second}" for first in "pbfcgtkdv" for second in "rl" if first + second != "dl"
) | {"ch", "ll", "rr", "qu"}
_WEAK_WORDS = (
    "el la los las un una de del al y e o u que en con por para sin mi tu su mis tus sus me te se "
    "lo le nos os les"
)


def split(word: str) -> list[str]:
    """Spanish syllables: diphthongs stay whole, hiatus splits, ``chr`` joins as in "Cris-to"."""
    if word.isdecimal():
        return digits(word, _DIGITS)
    lower = lowered(word, accents=True)
    return divide(word, nuclei_of(lower, _is_vowel, _hiatus), lower, _ONSETS)


def _is_vowel(word: str, index: int) -> bool:
    letter = word[index]
    if letter == "y":
        return index == len(word) - 1 and (index > 0 or len(word) == 1)
    if (
        letter == "u"
        and index
        and word[index - 1] in "qg"
        and word[index + 1 : index + 2] in (*"eiéí",)
    ):
        return False
    return letter in _VOWELS or (plain(letter) != letter and plain(letter)[:1] in ("a", "o"))


def _hiatus(word: str, index: int) -> bool:
    """Check if the vowels around ``index`` belong to two syllables."""
    before, after = word[index - 1], word[index]
    if before == "h":
        return True
    if before in _STRONG and after in _STRONG:
        return True
    if before == after:
        return True
    return (before in _ACCENTED_WEAK and after in _STRONG) or (
        before in _STRONG and after in _ACCENTED_WEAK
    )


def stress(word: str, parts: list[str]) -> int | None:
    """The index of the stressed syllable; None for words that carry none."""
    if word.casefold() in _WEAK_WORDS.split():
        return None
    for index, part in enumerate(parts):
        if set(part.casefold()) & set("áéíóú"):
            return index
    if len(parts) > 1 and word.casefold()[-1] in "aeiouns":
        return len(parts) - 2
    return len(parts) - 1


_DIGITS = ("ce-ro", "u-no", "dos", "tres", "cua-tro", "cin-co", "seis", "sie-te", "o-cho", "nue-ve")
