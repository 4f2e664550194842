"""Whether a request asks for music, so that noise or one long tone in its place is a defect."""

from __future__ import annotations

import re

from milonga.generators.base import Request

_NO_MUSIC = (
    # English
    "noise", "noisy", "hiss", "static", "hum", "humming", "buzz", "drone", "drones", "feedback",
    "wind", "rain", "storm", "sea", "ocean", "waves", "surf", "river", "waterfall", "breath",
    "traffic", "crowd", "applause", "engine", "crackle", "vinyl", "lofi", "lo-fi", "tape",
    "ambience", "ambient", "atmosphere", "soundscape", "texture", "riser", "sweep", "whoosh",
    "sine", "test tone", "siren", "silence", "fuzz", "shoegaze", "industrial",
    # Spanish, Portuguese, Italian, French, German
    "ruido", "viento", "lluvia", "mar", "olas", "zumbido", "ruído", "vento", "chuva", "ondas",
    "rumore", "pioggia", "onde", "mare", "bruit", "pluie", "vent", "mer", "vagues", "bourdon",
    "rauschen", "lärm", "regen", "meer", "wellen", "brummen", "bordun",
)  # fmt: skip
_WORDS = re.compile(rf"\b(?:{'|'.join(_NO_MUSIC)})\b", re.IGNORECASE)


def music_wanted(request: Request) -> bool:
    """Tell whether music was asked for, and neither a bed of sound nor noise or a drone.

    Examples:
        >>> from milonga.generators.base import Request
        >>> asked = {"section": "verse", "seconds": 8, "tempo": 120, "key": "", "seed": 0}
        >>> music_wanted(Request(role="instrumental", style="bandoneón and drums", **asked))
        True
        >>> music_wanted(Request(role="instrumental", style="wind over the pampa", **asked))
        False
    """
    texts = (request.style, request.mood, request.section)
    parts = (text for part in request.parts for text in (part.style, part.mood, part.section))
    return request.role != "texture" and not any(map(_WORDS.search, (*texts, *parts)))
