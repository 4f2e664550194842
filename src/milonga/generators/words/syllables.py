"""Words into syllables, by spelling, for English and Spanish.

Spanish spelling says how a word divides; English spelling only suggests it. Hyphenation libraries
are no substitute: they leave out the breaks that typesetters avoid ("cha-os", "i-dea").
"""

from __future__ import annotations

import re
from types import ModuleType
from typing import Literal

from milonga.generators.words import english, spanish
from milonga.runtime.words import plain

Language = Literal["en", "es"]

_RULES: dict[Language, ModuleType] = {"en": english, "es": spanish}

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*['’]?|\d+")

_SPANISH_HINT = re.compile(
    r"[ñ¿¡áéíóúü]|(?:cion|dad|ando|iendo|mente|ito|ita|illo|illa|eza|anza|ero|era|oso|osa)s?$"
    r"|^(?:el|la|los|las|un|una|unos|unas|de|del|al|y|que|en|con|por|para|sin|mi|tu|su|mis|tus"
    r"|sus|te|se|lo|le|nos|yo|ella|pero|como|cuando|donde|porque|esta|este|esto|eso|muy"
    r"|mas|siempre|nunca|nada|todo|toda|hoy|noche|amor|vida|luz|sol|corazon|conmigo|contigo"
    r"|susurra|baila|canta|vamos|somos|soy|eres|es|fue|ser|hay|voy|vas|va|quiero|tengo)$"
)
_ENGLISH_HINT = re.compile(
    r"[kw]|th|sh|ck|gh|ph|ee|oo|tt|ff|mm|pp|ss|dd|gg|bb|zz|tion|[bcdfghklmnpqrstvwxz]y$"
    r"|[bcdfgjkmptvw]$|['’]"
    r"|^(?:the|a|an|i|you|he|she|it|we|us|are|is|was|of|to|in|on|at|for|from|my|your|our|all|her|his"
    r"|or|be|do|go|no|so|if|as|by|me|fire|code|love|dance|future|time|one|hearts?|lines?|dreams?"
    r"|dreaming|never|over|under|again|can|will|more|here|there|where|one|line|alone|before"
    r"|tune|heart|rain|run|sun|moon|song|sing|long|stars?|eyes|tears?|years?|hearts)$"
)


def words_of(text: str) -> list[str]:
    """The words of a line as they stand, numbers included; no punctuation, no emoji."""
    return _WORD.findall(text)


def word_languages(text: str, language: str | None = None) -> list[tuple[str, Language]]:
    """The words of a line, each with its language; ``language`` decides for all where given.

    Without it each word is judged by its spelling, and unclear ones go with the line.
    """
    words = words_of(text)
    if language:
        fixed: Language = "es" if plain(language).startswith(("es", "spa", "cast")) else "en"
        return [(word, fixed) for word in words]
    votes: list[Language | None] = []
    for word in words:
        spelled = word.casefold()
        spanish = bool(_SPANISH_HINT.search(spelled) or _SPANISH_HINT.search(plain(spelled)))
        english = bool(_ENGLISH_HINT.search(spelled))
        votes.append(None if spanish == english else "es" if spanish else "en")
    line: Language = "es" if votes.count("es") > votes.count("en") else "en"
    found: list[tuple[str, Language]] = []
    for index, (word, vote) in enumerate(zip(words, votes, strict=True)):
        if vote is None:
            near = [v for v in votes[max(0, index - 1) : index + 2] if v is not None]
            vote = near[0] if near and len(set(near)) == 1 else line
        found.append((word, vote))
    return found


def split_syllables(text: str, language: str | None = None) -> list[list[str]]:
    """The syllables of each word of a line; every word has at least one.

    Args:
        text: one line of lyrics. Punctuation, brackets and symbols are passed over.
        language: "en" or "es" (or a longer tag, "es-AR"); None judges word by word. Other
            languages divide by the English rules: groups of vowels.
    """
    return [_RULES[tongue].split(word) for word, tongue in word_languages(text, language)]


def stresses(text: str, language: str | None = None) -> list[bool]:
    """For each syllable of a line, whether singers would put weight on it.

    Spanish stress follows the spelling; English stress is guessed: function words carry none,
    other words mostly their first syllable, behind a prefix that takes none.
    """
    marks: list[bool] = []
    for word, tongue in word_languages(text, language):
        parts = _RULES[tongue].split(word)
        at = _RULES[tongue].stress(word, parts)
        marks += [index == at for index in range(len(parts))]
    return marks
