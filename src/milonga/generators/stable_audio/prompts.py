"""What Stable Audio Open is told of a segment."""

from __future__ import annotations

import re

from milonga.generators.base import Request

_SAYS_NOTHING = ("instrumental", "music")
_ROLES = {
    "instrumental": "instrumental",
    "backing": "instrumental backing track",
    "texture": "ambient texture, no melody",
}
_TEMPO = re.compile(r"\b\d{2,3} ?bpm\b", re.IGNORECASE)


def prompt_of(request: Request) -> str:
    """The text for a request.

    Style, mood and section, then what the clip is for, then tempo and key, with commas between:
    ``Latin trap, playful, verse, instrumental backing track, 122 BPM, A minor``. The model was
    trained on such words and tags, tempo and key among them (Stable Audio Open, arXiv:2407.14358,
    section 3). A bed of sound has neither. Lyrics and voice are left out: the model doesn't sing.
    """
    section = _flat(request.section)
    parts = [_flat(request.style), _flat(request.mood)]
    if section.lower() not in _SAYS_NOTHING:
        parts.append(section)
    parts.append(_ROLES.get(request.role, ""))
    if request.role != "texture":
        if not _TEMPO.search(" ".join(parts)):
            parts.append(f"{request.tempo:g} BPM")
        parts.append(_flat(request.key))
    return ", ".join(part for part in parts if part)


def _flat(text: str) -> str:
    return " ".join(text.split()).strip(" .,;")
