"""Lyrics in Bark's own notation: ♪ around what is sung, and the few sounds it knows in brackets.

Source: suno-ai/bark, README, "Non-Speech Sounds" and "Music".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from milonga.generators.base import LyricLine, Request
from milonga.generators.words import directions
from milonga.generators.words.directions import behind, says, whispers
from milonga.generators.words.language import line_languages
from milonga.runtime.words import plain

Manner = Literal["sung", "spoken", "whispered", "shouted"]

NOTE = "♪"

_SIGNS: tuple[tuple[str, str], ...] = (
    ("[laughter]", r"laughter|crowd laugh\w*|risas del publico"),
    ("[laughs]", r"laugh\w*|giggl\w*|chuckl\w*|risas?|ri(?:e|endo|endose)|carcajadas?"),
    ("[sighs]", r"sigh\w*|suspir\w*"),
    ("[gasps]", r"gasp\w*|jade\w*|ahog\w+"),
    ("[clears throat]", r"clear\w* (?:his |her |the )?throat|carraspe\w*"),
    ("[music]", r"music\w*|instrumental\w*|interlud\w*|solos?|musica\w*|melod\w+"),
)
_MANNERS: tuple[tuple[Manner, str], ...] = (
    ("shouted", r"shout\w*|scream\w*|yell\w*|grit\w*"),
    ("spoken", directions.SPOKEN),
    ("sung", directions.SUNG),
)
"""Whispers are judged by the guide's own rule, so that both take the same words for one."""

_UNSENT = re.compile(rf"[{NOTE}♫♬\[\]{{}}]")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that belong together, or signs alone.

    Attributes:
        words: what is sung; empty for signs alone.
        signs: sounds before the words, as Bark writes them.
        manner: how the words come.
        language: a code.
    """

    words: str
    language: str
    manner: Manner = "sung"
    signs: tuple[str, ...] = ()

    @property
    def prompt(self) -> str:
        """The phrase as Bark reads it."""
        return " ".join([*self.signs, *([_marked(self.words, self.manner)] if self.words else [])])


def phrases(request: Request) -> tuple[list[Phrase], list[str]]:
    """The phrases of a request, a line each, and the stage directions that Bark has no sign for.

    A direction on a line of its own that says how words come holds for the next line.
    """
    lines = _lines_of(request)
    usual = manner_of((request.section, request.voice, request.mood, request.style)) or "sung"
    if usual == "shouted":
        # "Screaming guitars" and the like speak of the music; only a direction makes capitals.
        usual = "sung"
    found: list[Phrase] = []
    unknown: list[str] = []
    ahead: Manner | None = None
    for line, language in zip(lines, line_languages(lines), strict=True):
        signs, manner, rest = read_directions(line.directions)
        unknown += rest
        words = clean(line.text)
        if words:
            found.append(Phrase(words, language, manner or ahead or usual, signs))
            ahead = None
        else:
            ahead = manner or ahead
            if signs:
                found.append(Phrase("", language, usual, signs))
    return found, list(dict.fromkeys(unknown))


def read_directions(
    directions: Iterable[str],
) -> tuple[tuple[str, ...], Manner | None, list[str]]:
    """Stage directions as signs, as a manner, and those that are neither."""
    signs: list[str] = []
    manner: Manner | None = None
    unknown = []
    for direction in directions:
        said = plain(direction)
        # A sound behind the lead would come out in front of it.
        heard = () if behind(said) else _SIGNS
        sign = next((sign for sign, pattern in heard if says(said, pattern)), None)
        found = None if behind(said) else manner_of([said])
        if sign:
            signs.append(sign)
        if found:
            manner = found
        if not (sign or found):
            unknown.append(direction)
    return tuple(dict.fromkeys(signs)), manner, unknown


def manner_of(texts: Iterable[str]) -> Manner | None:
    """Choose how words are sung, by the first text that says so."""
    for text in texts:
        if whispers(text) and not behind(text):
            return "whispered"
        said = plain(text)
        for manner, pattern in _MANNERS:
            if says(said, pattern):
                return manner
    return None


def clean(text: str) -> str:
    """A line's words without what Bark would read as a sign; answers in round brackets become
    phrases of the line."""
    text = _UNSENT.sub(" ", text)
    text = re.sub(r"\s*\(\s*", ", ", text)
    text = re.sub(r"\s*\)\s*", ", ", text)
    text = " ".join(text.split())
    # Where a bracket stood beside a mark, or at the end, no comma is wanted.
    text = re.sub(r"([,;:.!?…])(?:\s*,)+", r"\1", text)
    text = re.sub(r"(?:,\s*)+(?=[;:.!?…])", "", text)
    return text.strip().strip(",").strip()


def _lines_of(request: Request) -> Sequence[LyricLine]:
    """The lines that this layer sings: of a backing, the answers in round brackets, if any."""
    if request.role != "backing":
        return request.lyrics
    answers = []
    for line in request.lyrics:
        inside = " ".join(f"{found}," for found in re.findall(r"\(([^()]*)\)", line.text))
        if inside:
            answers.append(line.model_copy(update={"text": inside}))
    return answers or request.lyrics


def _marked(words: str, manner: Manner) -> str:
    match manner:
        case "sung":
            return f"{NOTE} {words} {NOTE}"
        case "shouted":
            return f"{NOTE} {words.upper()} {NOTE}"
        case "whispered":
            # There is no sign for it; a hesitation makes the voice soft.
            return f"… {words} …"
        case _:
            return words
