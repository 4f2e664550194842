"""The parts of a song, from the words that people write over them: ``sections.toml``."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import TypeAdapter

from milonga.runtime.documents import read_table
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

_WORDS = TypeAdapter(dict[SectionKind, str]).validate_python(
    read_table(__package__, "sections.toml")
)


def known_kind(text: str) -> SectionKind | None:
    """Find the kind of a section in free text ("Final Chorus", "Estribillo 2"); None for none."""
    words = plain(text)
    found = (kind for kind, names in _WORDS.items() if re.search(rf"\b(?:{names})", words))
    return next(found, None)


def section_kind(text: str) -> SectionKind:
    """Find the kind of a section in free text; else a verse."""
    return known_kind(text) or "verse"
