"""Words of a voice and of stage directions, in English and Spanish."""

from __future__ import annotations

import re

from milonga.runtime.words import plain

MALE_WORDS = (
    r"male|man|men|boy|guy|masculin[oa]?|hombre|varon|chico|tenor|baritone?|baritono"
    r"|bass|bajo|he|his"
)
FEMALE_WORDS = (
    r"female|woman|women|girl|lady|feminin[oa]?|femenin[oa]|mujer|chica|soprano"
    r"|alto|contralto|mezzo|she|her|diva"
)

SPOKEN = (
    r"(?<!-)spoken|speaks?|speaking|talks?|talking(?! drums?)|narrat(?:es?|ed|ing|ion)"
    r"|recit(?:es?|ed|ing|ado|ada|ando)|habla\w*|narra\w*|declama\w*"
)
SUNG = r"sung|sings?|singing|canta\w*|cantando"

_WHISPER = re.compile(r"(?<![a-z])(?:whisper|susurr|murmur|sotto ?voce|voz baja)\w*")
_BEHIND = re.compile(r"(?<![a-z])(?:background|backing|behind|fondo|detras|ambient\w*)(?![a-z])")


SAYS_NOTHING = ("instrumental", "music")
"""Sections that every clip without a voice is."""


def flat(text: str) -> str:
    """Put a text on one line, without marks at its ends."""
    return " ".join(text.split()).strip(" .,;")


def says(words: str, pattern: str) -> bool:
    """Check if plain words hold one that a pattern matches as a whole."""
    return re.search(rf"(?<![a-z])(?:{pattern})(?![a-z])", words) is not None


def spoken(text: str) -> bool:
    """Check if a section, a voice or a stage direction asks for speech, in English or Spanish."""
    return says(plain(text), SPOKEN)


def whispers(words: str) -> bool:
    """Check if a stage direction (or an aside) asks for a whisper, in English or Spanish."""
    return _WHISPER.search(plain(words)) is not None


def behind(words: str) -> bool:
    """Check if a stage direction speaks of a sound behind the lead."""
    return _BEHIND.search(plain(words)) is not None
