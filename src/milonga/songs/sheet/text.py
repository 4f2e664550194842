"""The two shapes of text in a sheet: one line, and lyrics."""

from __future__ import annotations

import re
import unicodedata

# Every character that some program takes for the end of a line.
_BREAKS = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
_ANY_SPACE = re.compile("[ \t\n\r\v\f\x85\u2028\u2029]+")


def one_line(text: str) -> str:
    """Bring a text onto one line, with single blanks.

    Raises:
        ValueError: a control character.
    """
    return _printable(_ANY_SPACE.sub(" ", text).strip())


def lyrics_text(text: str) -> str:
    """Bring lyrics into one form: lines without blanks around them, at most one empty line between
    them, none at either end.

    Raises:
        ValueError: a control character.
    """
    lines = [_printable(line.replace("\t", " ").strip()) for line in _BREAKS.split(text)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def control_character(text: str) -> str | None:
    """Return the name of the first character that no text holds ("U+0007"), or None."""
    if text.isprintable():
        return None
    found = next(
        (c for c in text if unicodedata.category(c) in ("Cc", "Cs") or c in "\ufffe\uffff"), None
    )
    return None if found is None else f"U+{ord(found):04X}"


def _printable(text: str) -> str:
    found = control_character(text)
    if found is not None:
        raise ValueError(f"It holds a control character ({found}). Delete it.")
    return text


def number_text(value: float) -> str:
    """Write a number as people do: 10, 0.5."""
    return str(int(value)) if value == int(value) else repr(value)
