"""English syllables and stress, guessed from spelling.

A count of vowel groups with the known ways in which that count goes wrong (silent e, -ed, -es,
consonant + le, vowels in hiatus, -ism), and a list of common words that break them.
"""

from __future__ import annotations

import re

from milonga.generators.words.spelling import cut, digits, divide, lowered, nuclei_of
from milonga.runtime.documents import read_table

_LISTS = {name: text.split() for name, text in read_table(__package__, "english.toml").items()}
_ONSETS, _WEAK_WORDS, _PREFIXES, _STRESSED_FIRST = (
    frozenset(_LISTS[name]) for name in ("onsets", "weak", "prefixes", "stressed_first")
)
_KNOWN = {
    word.replace("-", ""): tuple(word.split("-")) for word in _LISTS["fewer"] + _LISTS["more"]
}
_HIATUS = re.compile(
    r"ia(?!l$|ls$|lly$|n$|ns$|ge|r$|liz)|(?<![cgstx])i(?=al|an|ar)"
    r"|(?<![cgstxln])i(?=o(?!us))|(?<=[nl])i(?=o(?!n|us))|(?<![cgx])i(?=ous)|i(?=um|us)"
    r"|(?<![cgtsx])i(?=en)|eo(?!us|p|n)|(?<=[rlnd])e(?=ous)|(?<![qg])ua(?!r|d)|(?<=d)ua|uo"
    r"|(?<=[^qg])ui(?=n[^e]|ti)|(?<=g)u(?=ity|ous)|iu|(?<=[rlnmdbvhf])ie(?=r$|rs$|st$|ty|t$)"
    r"|[aeoy](?=ing)|ao|eu(?=m)|oe(?=m|t)|ea(?=tio)|ue(?=l|nc|nt)|uy(?=a)|(?<=[rv])ia"
)
_VOWELS = "aeiouy"
_DIGITS = ("ze-ro", "one", "two", "three", "four", "five", "six", "sev-en", "eight", "nine")


def split(word: str) -> list[str]:
    """English syllables by rules and a list of exceptions; at least one a word."""
    if word.isdecimal():
        return digits(word, _DIGITS)
    lower = word.casefold().replace("’", "'")
    bare = lower.removesuffix("'s").removesuffix("'")
    known = _KNOWN.get(lower) or _KNOWN.get(bare)
    if known is None and bare.endswith("s"):
        known = _KNOWN.get(bare[:-1])
    if known is not None:
        return cut(word, known)
    letters = lowered(word, accents=False)
    return divide(word, _nuclei(letters.replace("’", "'")), letters, _ONSETS)


def _nuclei(word: str) -> list[tuple[int, int]]:
    hiatus = {match.start() + 1 for match in _HIATUS.finditer(word)}
    nuclei = nuclei_of(word, _is_vowel, lambda _, index: index in hiatus)
    if len(nuclei) > 1 and _silent_ending(word, nuclei[-1]):
        nuclei.pop()
    heard = [n for n in nuclei if not _silent_inside(word, n, len(nuclei))]
    # The m of "rhythm" and the n of "isn't" are syllables of their own.
    if heard and (match := re.search(r"(?<=th|.s)ms?$|(?<=[ds])n't$", word)):
        heard.append((match.start(), len(word)))
    return heard


def _is_vowel(word: str, index: int) -> bool:
    letter = word[index]
    if letter == "y":
        # A consonant where it opens a syllable: "yes", "beyond".
        following = word[index + 1 : index + 2]
        return not (following in (*"aeiou",) and (index == 0 or word[index - 1] in "aeo"))
    if letter == "u" and index and word[index - 1] == "q":
        return False
    return letter in _VOWELS


def _silent_ending(word: str, nucleus: tuple[int, int]) -> bool:
    start, end = nucleus
    if word[start:end] != "e":
        return False
    tail, before = word[start:], word[:start]
    if tail == "e":
        return not re.search(r"[^aeiouyrlw]l$", before)
    if tail in ("es", "e's"):
        return not re.search(r"([sxz]|[cs]h|[cg]|[^aeiouyrlw]l)$", before)
    if tail == "ed":
        return not re.search(r"([td]|[^aeiouyrlw]l)$", before)
    return False


_SILENT_INSIDE = re.compile(
    r"(?<=[aeiouy][bcdfgklmnprstvz])e(?=(?:ly|less|ness|ment|ful|fully|some|where|thing|time|times"
    r"|light|work|land|man|men|body|back|like|hood|house|bound|head|fully|lessly)s?$)"
    r"|(?<=ic)a(?=lly$)"
)


def _silent_inside(word: str, nucleus: tuple[int, int], count: int) -> bool:
    start = nucleus[0]
    return count > 1 and any(m.start() == start for m in _SILENT_INSIDE.finditer(word))


def stress(word: str, parts: list[str]) -> int | None:
    """The index of the stressed syllable; None for words that carry none."""
    lower = word.casefold().replace("’", "'")
    if lower in _WEAK_WORDS:
        return None
    if len(parts) == 1:
        return 0
    match = re.search(r"(tion|sion|cian|ic|ical|ity|ious|eous|ial|ian)s?$", lower)
    if match and len(parts) > 1:
        back = 3 if match[1] in ("ical", "ity") else 2
        return max(0, len(parts) - back)
    prefixed = parts[0].casefold() in _PREFIXES and lower not in _STRESSED_FIRST
    return 1 if prefixed else 0
