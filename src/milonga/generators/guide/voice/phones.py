"""Phones of speech in the International Phonetic Alphabet: classes, timing and syllable nuclei."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

# The capitals are one-letter diphthongs of the neural voice's alphabet (eɪ, aɪ, oʊ, aʊ, ɔɪ).
_DIPHTHONG_LETTERS = "AIOQWY"
_VOWELS = frozenset("aeiouyæøœɐɑɒɔɘəɚɛɜɝɞɤɨɪɯɵɶʉʊʌʏᵊᵻ" + _DIPHTHONG_LETTERS)
_UNVOICED = frozenset("ptkfshxqcθʃʧçɕχʂʈʦʨɸʔħɬ")
_PLOSIVES = frozenset("pbtdkɡgqcɟʈɖʔ")
_MARKS = frozenset("ˈˌːˑ")
_SYLLABIC = "\u0329"


@dataclass(frozen=True, slots=True)
class Phone:
    """One speech sound.

    Attributes:
        symbol: IPA, with stress and length marks; empty for a pause.
        start_s, end_s: where it lies in the speech.
        word: index of the word it belongs to.
    """

    symbol: str
    start_s: float
    end_s: float
    word: int

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def pause(self) -> bool:
        return not self.symbol

    @property
    def nucleus(self) -> bool:
        """True if a syllable is built on it: a vowel or a syllabic consonant."""
        return any(letter in _VOWELS for letter in self.symbol) or _SYLLABIC in self.symbol

    @property
    def voiced(self) -> bool:
        letters = [letter for letter in self.symbol if letter not in _MARKS]
        return bool(letters) and (self.nucleus or letters[0] not in _UNVOICED)

    @property
    def plosive(self) -> bool:
        letters = [letter for letter in self.symbol if letter not in _MARKS]
        return bool(letters) and not self.nucleus and letters[0] in _PLOSIVES

    @property
    def stressed(self) -> bool:
        return "ˈ" in self.symbol

    @property
    def diphthong(self) -> bool:
        vowels = [letter for letter in self.symbol if letter in _VOWELS]
        return len(vowels) > 1 or any(letter in _DIPHTHONG_LETTERS for letter in vowels)


@dataclass(frozen=True, slots=True)
class Nucleus:
    """The vowel of a syllable and the consonants up to the next one, in seconds of the speech.

    ``onset`` are the phones between the vowel before and this one that belong to this syllable,
    ``coda`` those after it that do not belong to the next.
    """

    phone: Phone
    onset: tuple[Phone, ...]
    coda: tuple[Phone, ...]

    @property
    def word(self) -> int:
        return self.phone.word


def nuclei(phones: Sequence[Phone]) -> list[Nucleus]:
    """Syllables of the speech in order; every word that sounds has at least one.

    Consonants go with the vowel of their own word that follows them, the rest with the vowel
    before. Within a word all consonants between two vowels go to the second: sung lines hold
    the vowel and put the consonants before the next note. A word without a vowel ("shh", "mmm")
    is carried by its longest voiced sound, else its longest.
    """
    at = _carriers(phones)
    cuts = [0]
    for left, right in pairwise(at):
        cut = right
        while cut - 1 > left and phones[cut - 1].word == phones[right].word:
            cut -= 1
        # A pause never opens a syllable.
        while cut < right and phones[cut].pause:
            cut += 1
        cuts.append(cut)
    cuts.append(len(phones))
    return [
        Nucleus(phones[i], tuple(phones[start:i]), tuple(phones[i + 1 : stop]))
        for i, start, stop in zip(at, cuts, cuts[1:], strict=False)
    ]


def _carriers(phones: Sequence[Phone]) -> list[int]:
    by_word: dict[int, list[int]] = {}
    for index, phone in enumerate(phones):
        if not phone.pause:
            by_word.setdefault(phone.word, []).append(index)
    found: list[int] = []
    for members in by_word.values():
        vowels = [i for i in members if phones[i].nucleus]
        longest = max(
            members, key=lambda i: (phones[i].voiced, phones[i].end_s - phones[i].start_s)
        )
        found += vowels or [longest]
    return sorted(found)
