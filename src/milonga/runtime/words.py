"""Text as people read it on any terminal: sizes, times, steps, and words to match."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that steer a terminal: controls but for line ends and tabs, marks that turn the
direction of writing, and halves of characters."""


def size_text(size: float) -> str:
    """Write bytes in decimal units.

    >>> size_text(489_000_000), size_text(4.51e9)
    ('489 MB', '4.5 GB')
    """
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def time_text(seconds: float) -> str:
    """Write a length of time in the unit that fits.

    >>> time_text(0.0032), time_text(4), time_text(95), time_text(150), time_text(117105)
    ('0.003 s', '4 s', '95 s', '2.5 min', '33 h')
    """
    value, unit = seconds, "s"
    for longer in ("min", "h"):
        if value < 119.5:
            break
        value, unit = value / 60, longer
    if value < 0.95:
        number = f"{value:.1g}"
    else:
        number = f"{value:.1f}".removesuffix(".0") if value < 9.95 else f"{value:.0f}"
    return f"{number} {unit}"


def numbered(steps: Sequence[str]) -> str:
    """Join the steps of an error, one a line, with numbers if there are several."""
    if len(steps) == 1:
        return steps[0]
    return "\n  ".join(f"{number}. {step}" for number, step in enumerate(steps, 1))


def without_accents(text: str) -> str:
    """Return the text without diacritics, decomposed (NFKD)."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def plain(text: str) -> str:
    """Return lower case without diacritics, to match words: "Duración" gives "duracion"."""
    return without_accents(text.casefold())


def printable(text: object) -> str:
    r"""Escape what would steer a terminal.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], str(text))
