"""Recognise the language of a line of lyrics.

Lyric lines are short and mix languages, so each word votes: by the function words, letters and
endings that only some languages have. Other scripts than Latin tell by themselves.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from milonga.generators.base import LyricLine
from milonga.runtime.documents import read_table
from milonga.runtime.words import plain

DEFAULT = "en"
_USUAL = ("en", "es")
_LEAST = 1.0
"""Evidence that another language than the usual ones needs in a line."""

_TABLE = read_table(__package__, "language.toml")
_SETS = {code: frozenset(entry["words"].split()) for code, entry in _TABLE["languages"].items()}
_TELLING = 0.5
"""Weight from which a shape says something of a word by itself."""

_PATTERNS = [
    (code, re.compile(shape), weight)
    for code, entry in _TABLE["languages"].items()
    for shape, weight in entry["shapes"]
]
_NAMES: dict[str, str] = {
    name: code for code, entry in _TABLE["languages"].items() for name in entry["names"]
}
_OTHER_SETS = {code: frozenset(words.split()) for code, words in _TABLE["others"].items()}

_NONSENSE = re.compile(r"\b(la|na|da|do|no|oh|ah|hey|sha|du)(?:\W+\1)+\b")
"""Syllables that are sung in any language."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def language_code(said: str) -> str:
    """The code for what a sheet says: "es", "es_AR" (as es-ar), "Spanish" or "español"."""
    name = plain(said).strip().replace("_", "-")
    return _NAMES.get(name, name)


def language_name(code: str) -> str:
    """The English name of a language's code, as far as it is known."""
    return str(_TABLE["english"].get(code, code))


def other_language(texts: Sequence[str]) -> str:
    """The code of a language that ``line_languages`` can't tell, if the words are clearly of one.

    Three different common words that none of its languages has, and as many of that language as
    of any of those.
    """
    words = {word for text in texts for word in _WORD.findall(text.casefold())}
    usual = set().union(*_SETS.values())
    counts = {code: len(words & (members - usual)) for code, members in _OTHER_SETS.items()}
    best = max(counts, key=lambda code: (counts[code], len(words & _OTHER_SETS[code])))
    most = max(len(words & members) for members in _SETS.values())
    return best if counts[best] >= 3 and len(words & _OTHER_SETS[best]) >= most else ""


def line_languages(lines: Sequence[LyricLine]) -> list[str]:
    """A language code for every line: what the sheet says, else what its words say, else that
    of most other lines, else English."""
    scores = [{} if line.language else _scores(line.text) for line in lines]
    own = [
        language_code(line.language) if line.language else _best(score)
        for line, score in zip(lines, scores, strict=True)
    ]
    usual = Counter(code for code in own if code)
    found = []
    for code, score in zip(own, scores, strict=True):
        if len(score) > 1:
            # What the song is in elsewhere tips close calls ("Solo", "No more").
            tipped = {c: v + 0.25 * usual[c] / len(lines) for c, v in score.items()}
            code = _best(tipped)
        found.append(code or (usual.most_common(1)[0][0] if usual else DEFAULT))
    return found


def runs(words: Sequence[str], language: str) -> list[tuple[int, int, str]]:
    """A line's words in stretches of one language: (first, behind the last, code).

    Only two words or more of clear evidence, next to each other, leave the line's language.
    """
    if not words:
        return []
    possible = [_possible(word) for word in words]
    codes, base = [language] * len(words), language.split("-")[0]
    start = 0
    while start < len(words):
        end = start
        while end < len(words) and possible[end] and base not in possible[end]:
            end += 1
        votes = Counter(code for found in possible[start:end] for code in found)
        # Among equals, the order of the table.
        best = max(sorted(votes, key=_rank), key=lambda code: votes[code], default="")
        if votes[best] >= 2:
            codes[start:end] = [best] * (end - start)
        start = end + 1
    edges = [i for i in range(len(words)) if i == 0 or codes[i] != codes[i - 1]]
    return [(a, b, codes[a]) for a, b in zip(edges, [*edges[1:], len(words)], strict=True)]


def _scores(text: str) -> dict[str, float]:
    script = _script(text)
    if script:
        return {script: 5.0}
    total: dict[str, float] = {"es": 2.0} if "¿" in text or "¡" in text else {}
    for word in _WORD.findall(_NONSENSE.sub(" ", unicodedata.normalize("NFC", text).casefold())):
        for code, vote in _votes(word.replace("’", "'")).items():
            total[code] = total.get(code, 0.0) + vote
    # A spelling that only looks foreign isn't enough.
    return {code: value for code, value in total.items() if code in _USUAL or value >= _LEAST}


def _votes(word: str) -> dict[str, float]:
    votes: dict[str, float] = {}
    members = [code for code, words in _SETS.items() if word in words]
    for code in members:
        votes[code] = 1.0 / len(members)
    if not members:
        for code, pattern, weight in _PATTERNS:
            if pattern.search(word):
                votes[code] = votes.get(code, 0.0) + weight
    return votes


def _possible(word: str) -> frozenset[str]:
    """The languages that have a word among their commonest, or else its telling letters."""
    lower = word.casefold().replace("’", "'").strip('.,;:!?¡¿…"()')
    script = _script(lower)
    if script:
        return frozenset((script,))
    known = frozenset(code for code, members in _SETS.items() if lower in members)
    return known or frozenset(
        code for code, pattern, weight in _PATTERNS if weight >= _TELLING and pattern.search(lower)
    )


def _rank(code: str) -> int:
    return list(_SETS).index(code) if code in _SETS else len(_SETS)


def _best(score: dict[str, float]) -> str:
    """The code with the most evidence (among equals, the order of the table), or nothing."""
    ranked = sorted((code for code in _SETS if code in score), key=lambda code: -score[code])
    return next(iter([*ranked, *score]), "")


def _script(text: str) -> str:
    counts: Counter[str] = Counter()
    for letter in text:
        if letter.isalpha():
            counts[unicodedata.name(letter, "").split(" ")[0].split("-")[0]] += 1
    if not counts:
        return ""
    if counts["HIRAGANA"] + counts["KATAKANA"]:
        return "ja"
    name = counts.most_common(1)[0][0]
    return str(_TABLE["scripts"].get(name, ""))
