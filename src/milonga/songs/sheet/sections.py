"""Names of sections, in English and Spanish, for import and notes.

A sheet keeps a section as its author wrote it; generators read it in their own way.
"""

from __future__ import annotations

import re

from milonga.runtime.words import plain

# In order: a longer name stands before one that it contains.
_NAMES: tuple[tuple[str, str], ...] = (
    ("pre-chorus", r"pre[- ]?(?:chorus|coro|estribillo|hook|refrain)|build(?:[- ]?up)?|precoro"),
    ("post-chorus", r"post[- ]?(?:chorus|coro|estribillo)"),
    ("chorus", r"chorus|hook|refrain|coro|estribillo"),
    ("intro", r"intro(?:duccion)?|opening|preludio?|prelude|apertura"),
    ("outro", r"outro|ending|coda|finale|cierre"),
    ("bridge", r"bridge|puente|middle (?:8|eight)"),
    ("breakdown", r"breakdown|quiebre"),
    ("instrumental", r"instrumental(?: break| solo| interlude)?|solo|drop"),
    ("interlude", r"interlude|interludio|transition|transicion|break"),
    ("verse", r"verse|verso|estrofa|strophe|rap|spoken(?: word)?"),
)
_PATTERNS = tuple((name, re.compile(rf"\b(?:{pattern})s?\b")) for name, pattern in _NAMES)
SECTIONS = tuple(name for name, _ in _NAMES)


def section_in(text: str) -> tuple[str, re.Match[str]] | None:
    """Find the first section in a text, and its place in ``plain(text)``; else None."""
    words = plain(text)
    found = [(match, name) for name, p in _PATTERNS if (match := p.search(words))]
    if not found:
        return None
    match, name = min(found, key=lambda pair: (pair[0].start(), -pair[0].end()))
    return name, match


def section_named(text: str) -> str | None:
    """Return the section that a text is about ("Final Chorus 2" gives "chorus"), else None."""
    found = section_in(text)
    return found[0] if found else None


def is_instrumental(section: str) -> bool:
    """Tell if the name of a section means that it has no words."""
    return section_named(section) == "instrumental"
