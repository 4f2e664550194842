"""The parts of a song, from the words that people write over them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from milonga.runtime.words import plain

SectionKind = Literal[
    "intro",
    "verse",
    "pre-chorus",
    "chorus",
    "bridge",
    "breakdown",
    "interlude",
    "instrumental",
    "outro",
]


@dataclass(frozen=True, slots=True)
class SectionShape:
    """The character of a section.

    ``energy`` (0 to 1) drives how much is played and how hard, ``lufs`` is the loudness of the
    finished clip, ``register`` moves the tune up (semitones), ``ends`` is the degree on which
    the harmony closes: home, on the dominant, or open (as the loop leaves it).
    """

    energy: float
    lufs: float
    register: float
    ends: Literal["home", "dominant", "open"]


SHAPES: dict[SectionKind, SectionShape] = {
    "intro": SectionShape(0.35, -17.5, 0, "open"),
    "verse": SectionShape(0.55, -16.0, 0, "open"),
    "pre-chorus": SectionShape(0.7, -15.5, 2, "dominant"),
    "chorus": SectionShape(1.0, -14.2, 4, "home"),
    "bridge": SectionShape(0.5, -16.0, 2, "dominant"),
    "breakdown": SectionShape(0.25, -17.8, 0, "dominant"),
    "interlude": SectionShape(0.5, -16.5, 1, "open"),
    "instrumental": SectionShape(0.85, -15.0, 3, "home"),
    "outro": SectionShape(0.35, -17.5, -1, "home"),
}

# The first that matches counts, so the longer names stand before those they contain.
_WORDS: tuple[tuple[str, SectionKind], ...] = (
    (r"pre[- ]?(chorus|coro|estribillo|hook|refrain)|build|lift|subida|precoro", "pre-chorus"),
    (r"post[- ]?(chorus|coro|estribillo)|hook|chorus|coro|estribillo|refrain|refran", "chorus"),
    (r"break|drop ?out|stripped|quiebre", "breakdown"),
    (r"outro|ending|end\b|fade|coda|final\b|finale|cierre", "outro"),
    (r"intro|opening|prelude|preludio|apertura", "intro"),
    (r"bridge|puente|middle 8|middle eight", "bridge"),
    (r"interlude|interludio|transition|transicion|skit", "interlude"),
    (r"instrumental|solo|drop|jam|instr\b|variacion", "instrumental"),
    (r"verse|verso|estrofa|rap\b|strophe|spoken", "verse"),
)


def section_kind(text: str) -> SectionKind:
    """The kind of a section from free text ("Final Chorus", "Estribillo 2"); else a verse."""
    words = plain(text)
    for pattern, kind in _WORDS:
        if re.search(rf"\b(?:{pattern})", words):
            return kind
    return "verse"
