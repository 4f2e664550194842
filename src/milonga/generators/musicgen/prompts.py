"""The text prompt for MusicGen."""

from __future__ import annotations

from milonga.generators.base import Request
from milonga.generators.measures import DEFAULT_TIME
from milonga.generators.words.directions import SAYS_NOTHING, flat


def prompt_of(request: Request) -> str:
    """Write the text for a request.

    First what the music is like: style, mood, section, a metre other than 4/4, separated by commas;
    then tempo and key as ``bpm: 122. key: A minor.``, the form in which such facts were joined to
    the descriptions when the model was trained (MusicGen, arXiv:2306.05284, section 3). Lyrics and
    voice are left out: the model was trained on music without vocals.
    """
    section = request.section.strip()
    words = [request.style, request.mood]
    if section.lower() not in SAYS_NOTHING:
        words.append(section)
    if request.role in ("backing", "texture"):
        words.append("backing track")
    if request.time != DEFAULT_TIME:
        words.append(f"{request.time} time")
    described = ", ".join(part for word in words if (part := flat(word)))
    facts = [f"bpm: {request.tempo:g}", f"key: {flat(request.key)}"]
    return ". ".join([part for part in (described, *facts) if part]) + "."
