"""The text prompt for Stable Audio Open."""

from __future__ import annotations

import re

from milonga.generators.base import Request
from milonga.generators.words.directions import SAYS_NOTHING, flat

_ROLES = {
    "instrumental": "instrumental",
    "backing": "instrumental backing track",
    "texture": "ambient texture, no melody",
}
_TEMPO = re.compile(r"\b\d{2,3} ?bpm\b", re.IGNORECASE)


def prompt_of(request: Request) -> str:
    """Write the text for a request.

    Style, mood and section, then what the clip is for, then tempo and key, with commas between:
    ``Latin trap, playful, verse, instrumental backing track, 122 BPM, A minor``. The model was
    trained on such words and tags, tempo and key among them (Stable Audio Open, arXiv:2407.14358,
    section 3). A bed of sound has neither. Lyrics and voice are left out: the model doesn't sing.
    """
    section = flat(request.section)
    parts = [flat(request.style), flat(request.mood)]
    if section.lower() not in SAYS_NOTHING:
        parts.append(section)
    parts.append(_ROLES.get(request.role, ""))
    if request.role != "texture":
        if not _TEMPO.search(" ".join(parts)):
            parts.append(f"{request.tempo:g} BPM")
        parts.append(flat(request.key))
    return ", ".join(part for part in parts if part)
