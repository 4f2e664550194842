"""Text as people read it on any terminal: sizes, times, steps, and words to match."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Sequence

READABLE = "milonga-readable"
"""The error handler of a stream that shows every text, as ``readable`` does."""

HALF = re.compile("[\ud800-\udfff]")
_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")
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


def counted(number: int, noun: str) -> str:
    """Write a number and its noun.

    >>> counted(1, "line"), counted(3, "line")
    ('1 line', '3 lines')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def gathered(notes: Sequence[str]) -> list[str]:
    """Say once what is said of several segments.

    >>> gathered(["segment 1: Slow.", "segment 2: Odd.", "segment 3: Slow."])
    ['segments 1, 3: Slow.', 'segment 2: Odd.']
    """
    places: dict[str, list[str]] = {}
    for note in notes:
        place, about, text = note.partition(": ")
        known = about and place.startswith("segment ")
        places.setdefault(text if known else note, []).append(place if known else "")
    return [
        text if not where[0] else f"{_segments(list(dict.fromkeys(where)))}: {text}"
        for text, where in places.items()
    ]


def _segments(places: Sequence[str]) -> str:
    numbers = [place.removeprefix("segment ") for place in places]
    if len(places) > 1 and all(number.isdecimal() for number in numbers):
        return f"segments {', '.join(numbers)}"
    return "; ".join(places)


def without_accents(text: str) -> str:
    """Return the text without diacritics, decomposed (NFKD)."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def plain(text: str) -> str:
    """Return lower case without diacritics, to match words: "Duración" gives "duracion"."""
    return without_accents(text.casefold())


def readable(text: str) -> str:
    r"""Write the bytes of a file's name that are not UTF-8 as ``\xf3``, all else as it is.

    Python has such a name with halves of characters in it, which no UTF-8 text can hold.

    >>> readable("canci\udcf3n")
    'canci\\xf3n'
    """
    return HALF.sub(_readable_half, text)


def unreadable(text: str) -> str:
    r"""Return the name that ``readable`` wrote, as Python opens it.

    >>> unreadable("canci\\xf3n") == "canci\udcf3n"
    True
    """
    return _BYTE.sub(lambda found: chr(0xDC00 + int(found[1], 16)), text)


def _readable_half(found: re.Match[str]) -> str:
    code = ord(found[0])
    return rf"\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else rf"\u{code:04x}"


def printable(text: object) -> str:
    r"""Escape what would steer a terminal.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], readable(str(text)))


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = readable(error.object[error.start : error.end])
    return text.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(READABLE, _escaped)
