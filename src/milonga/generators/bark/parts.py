"""Lyrics in parts that Bark can say in one go: about 13 s, and never more text than it reads."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from milonga.generators.bark.notation import Phrase
from milonga.generators.words.syllables import split_syllables

PART_S = 13.0
"""Seconds that one call renders well."""

MOST_TOKENS = 256
"""Tokens of text that the model reads; the rest would be cut."""

_PER_S = {"sung": 3.6, "spoken": 5.0, "whispered": 4.5, "shouted": 3.6}
"""Syllables a second."""
_FASTER = {"es": 1.2, "pt": 1.15, "it": 1.15, "fr": 1.1, "ja": 1.4}
"""Speed of a language's syllables, relative to English."""
_PAUSE_S, _SIGN_S = 0.35, {"[music]": 2.5}
_OTHER_SIGN_S = 1.0

_ENDS = re.compile(r"(?<=[,;:.!?…—–])\s+|(?<=[、。，！？；])")


@dataclass(frozen=True, slots=True)
class ScriptPart:
    """The lyrics of one call.

    Attributes:
        phrases: its phrases, in order.
        seconds: how long that is estimated to take.
    """

    phrases: tuple[Phrase, ...]
    seconds: float

    @property
    def prompt(self) -> str:
        """The text for the model."""
        return "\n".join(phrase.prompt for phrase in self.phrases)

    @property
    def words(self) -> str:
        return " ".join(phrase.words for phrase in self.phrases if phrase.words)


def split(
    found: Sequence[Phrase], *, longest_s: float = PART_S, most_tokens: int = MOST_TOKENS
) -> list[ScriptPart]:
    """Parts of about equal length, split between phrases.

    Nothing is left out and the order stays. A phrase that alone is too long is split behind its
    marks, then between words, and a word that alone is too long between letters.

    Args:
        found: the phrases, a line each.
        longest_s: of a part, as estimated.
        most_tokens: of a part's text, by ``tokens_at_most``.
    """

    def fits(phrase: Phrase) -> bool:
        return estimate_s(phrase) <= longest_s and tokens_at_most(phrase.prompt) <= most_tokens

    pieces = [piece for phrase in found for piece in _broken(phrase, fits)]
    if not pieces:
        return []
    lengths = [estimate_s(piece) for piece in pieces]
    sizes = [tokens_at_most(piece.prompt) for piece in pieces]

    def grouped(limit: float) -> list[list[int]]:
        groups: list[list[int]] = []
        seconds, size = 0.0, 0
        for index, (length, tokens) in enumerate(zip(lengths, sizes, strict=True)):
            if not groups or seconds + length > limit or size + tokens > most_tokens:
                groups.append([])
                seconds, size = 0.0, 0
            groups[-1].append(index)
            seconds, size = seconds + length, size + tokens
        return groups

    best = grouped(longest_s)
    # The same number of parts, but equally long: no last part of one word, no idle rows.
    low, high = min(max(lengths), longest_s), longest_s
    for _ in range(12):
        middle = (low + high) / 2
        tried = grouped(middle)
        if len(tried) == len(best):
            best, high = tried, middle
        else:
            low = middle
    return [
        ScriptPart(tuple(pieces[i] for i in group), sum(lengths[i] for i in group))
        for group in best
    ]


def estimate_s(phrase: Phrase) -> float:
    """About how long a phrase takes to sing or say, in seconds."""
    signs = sum(_SIGN_S.get(sign, _OTHER_SIGN_S) for sign in phrase.signs)
    if not phrase.words:
        return signs
    speed = _PER_S[phrase.manner] * _FASTER.get(phrase.language.split("-")[0], 1.0)
    return signs + syllables(phrase.words, phrase.language) / speed + _PAUSE_S


def syllables(words: str, language: str) -> int:
    """Syllables of a line; scripts that write without blanks count a letter each."""
    spelled = sum(len(word) for word in split_syllables(words, language))
    unspaced = len(re.findall("[぀-ヿ㐀-鿿가-힯]", words))
    return max(1, spelled, unspaced)


def tokens_at_most(text: str) -> int:
    """A bound on the tokens of a text, without the tokenizer.

    Bark's cuts text at blanks, then into pieces of at least one character each (WordPiece). It may
    take letters and their accents apart before that, so the longer form counts.
    """
    return max(
        len("".join(unicodedata.normalize(form, text).split())) for form in ("NFC", "NFD", "NFKD")
    )


def _broken(phrase: Phrase, fits: Callable[[Phrase], bool]) -> list[Phrase]:
    if fits(phrase):
        return [phrase]
    if not phrase.words:
        return [replace(phrase, signs=(sign,)) for sign in phrase.signs]
    for pieces, joint in (
        ([p for p in _ENDS.split(phrase.words) if p], " "),
        (phrase.words.split(), " "),
        (list(phrase.words), ""),
    ):
        if len(pieces) > 1:
            broken: list[Phrase] = []
            for group in _halves(pieces):
                signs = () if broken else phrase.signs
                broken += _broken(replace(phrase, words=joint.join(group), signs=signs), fits)
            return broken
    return [phrase] if not phrase.signs else [
        replace(phrase, words=""),
        replace(phrase, signs=()),
    ]  # fmt: skip


def _halves(pieces: list[str]) -> tuple[list[str], list[str]]:
    """Split where both sides are about equally long."""
    total = sum(map(len, pieces))
    count, best, at = 0, total, 1
    for index, piece in enumerate(pieces[:-1], 1):
        count += len(piece)
        if abs(2 * count - total) < best:
            best, at = abs(2 * count - total), index
    return pieces[:at], pieces[at:]
