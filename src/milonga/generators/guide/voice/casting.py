"""Who sings: the words of ``voice`` turned into a range, a vocal tract and a manner."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from milonga.generators.guide.tune.melody import FEMALE, MALE, VoiceRange
from milonga.runtime.words import plain


@dataclass(frozen=True, slots=True)
class Singer:
    """One voice.

    Attributes:
        range: lowest and highest note.
        tract: vocal tract length relative to an adult woman's; longer is deeper.
        vibrato: depth, 1 as usual.
        air: noise mixed into voiced sounds, 0 to 1.
        whisper: no pitch at all.
    """

    range: VoiceRange
    tract: float
    vibrato: float = 1.0
    air: float = 0.0
    whisper: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """Who sings a segment: the lead, the one who answers, whether they take turns, and whether
    the lead is doubled on both sides."""

    lead: Singer
    answer: Singer
    turns: bool = False
    layered: bool = False


WOMAN = Singer(FEMALE, tract=1.0)
MAN = Singer(MALE, tract=1.16)
CHILD = Singer(FEMALE, tract=0.88, vibrato=0.4)

_MALE_WORDS = (
    r"male|man|men|boy|guy|masculin[oa]?|hombre|varon|chico|tenor|baritone?|baritono"
    r"|bass|bajo|he|his"
)
_FEMALE_WORDS = (
    r"female|woman|women|girl|lady|feminin[oa]?|femenin[oa]|mujer|chica|soprano"
    r"|alto|contralto|mezzo|she|her|diva"
)

_LAYERED = (
    r"layer(?:s|ed|ing)?|stacked|doubled?|double-tracked|harmon(?:y|ies|ised|ized)|choir|chorus"
    r"|group|capas|dobladas?|coros?|armonias?"
)

_SHADES = (
    (r"soprano|high|agud[oa]", 0.97),
    (r"alto|contralto|mezzo|low|deep|grave|profund[oa]|baritone?|baritono", 1.04),
    (r"bass|bajo", 1.08),
)
"""Words that lengthen or shorten the tract within a sex."""


def cast(voice: str) -> Cast:
    """The singers for the ``voice`` of a request ("smooth male lead", "mujer", "duet").

    Nothing said is a woman, whose range and tract are the neural voice's own.
    """
    words = plain(voice)
    male, female = _says(words, _MALE_WORDS), _says(words, _FEMALE_WORDS)
    turns = _says(words, r"duet|duo|dueto|both|two voices|a dos voces") or (male and female)
    lead = MAN if male and not female else WOMAN
    if _says(words, r"child|children|kids?|nin[oa]s?|infantil"):
        lead = CHILD
    for pattern, factor in _SHADES:
        if _says(words, pattern) and not turns:
            lead = replace(lead, tract=lead.tract * factor)
            break
    if _says(words, r"breathy|airy|intimate|soft|susurrante|etere[oa]|ethereal"):
        lead = replace(lead, air=0.35, vibrato=0.7)
    if _says(words, r"robot|robotic|autotune|auto-tune|vocoder|android|synthetic"):
        lead = replace(lead, vibrato=0.0)
    if _says(words, r"whisper(?:s|ed|ing)?|susurr(?!ante)\w*"):
        lead = replace(lead, whisper=True)
    # The answer comes from somebody else: the other sex where they take turns, else a neighbour.
    if turns:
        answer = replace(MAN, air=lead.air, vibrato=lead.vibrato, whisper=lead.whisper)
    else:
        answer = replace(lead, tract=lead.tract * (0.93 if lead.tract > 1.08 else 1.08))
    return Cast(lead, answer, turns, layered=_says(words, _LAYERED))


def _says(words: str, pattern: str) -> bool:
    return re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", words) is not None


_WHISPER = re.compile(r"(?<![a-z])(?:whisper|susurr|murmur|sotto ?voce|voz baja)\w*")
_BEHIND = re.compile(r"(?<![a-z])(?:background|backing|behind|fondo|detras|ambient\w*)(?![a-z])")


def whispers(words: str) -> bool:
    """Whether a stage direction (or an aside) asks for a whisper, in English or Spanish."""
    return _WHISPER.search(plain(words)) is not None


def behind(words: str) -> bool:
    """Whether a stage direction speaks of a sound behind the lead."""
    return _BEHIND.search(plain(words)) is not None
