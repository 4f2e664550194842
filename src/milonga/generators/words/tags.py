"""A request as a line of tags, as models that play from descriptions were taught."""

from __future__ import annotations

import re

from milonga.generators.base import Request
from milonga.generators.measures import DEFAULT_TIME
from milonga.generators.words.directions import SAYS_NOTHING, flat

_ROLES = {
    "instrumental": "instrumental",
    "backing": "instrumental backing track",
    "texture": "ambient texture, no melody",
}
_TEMPO = re.compile(r"\b\d{2,3} ?bpm\b", re.IGNORECASE)


def tags_of(request: Request) -> str:
    """Write the text for a request.

    Style, mood and section, then what the clip is for, then tempo and key, with commas between:
    ``Latin trap, playful, verse, instrumental backing track, 122 BPM, A minor``; a metre other than
    4/4 as ``3/4 time``. Stable Audio was trained on such words and tags, tempo and key among them
    (arXiv:2407.14358, section 3). A bed of sound has neither. Lyrics and voice are left out: these
    models don't sing.
    """
    section = flat(request.section)
    parts = [flat(request.style), flat(request.mood)]
    if section.lower() not in SAYS_NOTHING:
        parts.append(section)
    parts.append(_ROLES.get(request.role, ""))
    if request.role != "texture":
        if not _TEMPO.search(" ".join(parts)):
            parts.append(f"{request.tempo:g} BPM")
        if request.time != DEFAULT_TIME:
            parts.append(f"{request.time} time")
        parts.append(flat(request.key))
    return ", ".join(part for part in parts if part)
