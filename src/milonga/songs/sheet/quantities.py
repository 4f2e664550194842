"""Durations and tempi as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from milonga.runtime.words import plain

_NUMBER = r"\d+(?:[.,]\d+)?"
_DASH = r"(?:-|–|—|to|a|y|and|hasta)"
_SECONDS = r"(?:s|secs?|seconds?|segs?|segundos?|\"|″)"
_MINUTES = r"(?:m|mins?|minutes?|minutos?|'|′)"
_BARS = r"(?:bars?|measures?|compas(?:es)?)"

_BPM = (
    r"(?:bpm|ppm|(?:beats?|pulsaciones|pulsos|golpes|battements|batidas|battiti) "
    r"(?:per|por|par|al) minut[eo]|schlage pro minute)"
)

_AMOUNT = (
    rf"(?:\d{{1,4}}:[0-5]\d(?:[.,]\d+)?|{_NUMBER}\s*{_MINUTES}\s*{_NUMBER}\s*{_SECONDS}?"
    rf"|{_NUMBER})"
)
_DURATION = re.compile(
    rf"(?<![\w.,:])(?:(?P<low>{_AMOUNT})\s*(?P<lowunit>{_MINUTES}|{_SECONDS})?\s*{_DASH}\s*)?"
    rf"(?P<high>{_AMOUNT})\s*(?P<unit>{_MINUTES}|{_SECONDS}|{_BARS})?(?![\w:])"
)
_TEMPO = re.compile(
    rf"(?<![\w.,])(?P<before>(?:bpm|tempo)\s*[:=]?\s*)?"
    rf"(?:(?P<low>{_NUMBER})\s*{_BPM}?\s*{_DASH}\s*)?(?P<high>{_NUMBER})\s*(?P<unit>{_BPM})?(?!\w)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A quantity in a text: its value, its place, and if it was read from a range."""

    value: float
    start: int
    end: int
    unit: str = ""
    ranged: bool = False


def number(text: str) -> float | None:
    """Read a plain decimal number; None for any other text."""
    text = text.strip()
    if not re.fullmatch(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text):
        return None
    return float(text)


def exact_seconds(text: str) -> float | None:
    """Read seconds as a sheet may give them: ``12.5``, ``12 s``, ``1:30``; else None."""
    text = text.strip()
    clock = re.fullmatch(r"(\d{1,3}):([0-5]\d(?:\.\d+)?)", text)
    if clock:
        return int(clock[1]) * 60 + float(clock[2])
    return number(re.sub(r"(?<=[\d.])\s*(?:s|sec|seconds?)$", "", text, flags=re.IGNORECASE))


def exact_tempo(text: str) -> float | None:
    """Read beats per minute as a sheet may give them: ``122``, ``122 BPM``; else None."""
    return number(re.sub(r"(?<=[\d.])\s*bpm$", "", text.strip(), flags=re.IGNORECASE))


def find_duration(text: str) -> Found | None:
    """Find the first duration in a text; of a range the upper end. Seconds, or bars by ``unit``.

    Understands "~15-20 seconds", "1:30", "90s", "2 min", "1 min 30 s", "8 bars", and the
    same in Spanish; a number alone is seconds. One with a unit goes before one without.
    """
    matches = list(_DURATION.finditer(_same_length_plain(text)))
    if not matches:
        return None
    match = next((m for m in matches if m["unit"] or ":" in m["high"]), matches[0])
    unit = match["unit"] or ""
    if re.fullmatch(_BARS, unit):
        value, kind = _decimal(match["high"]) if ":" not in match["high"] else None, "bars"
    else:
        value, kind = _seconds(match["high"], bool(re.fullmatch(_MINUTES, unit))), "seconds"
    if value is None:
        return None
    return Found(value, match.start(), match.end(), kind, match["low"] is not None)


def is_length(text: str) -> bool:
    """Tell if a text is nothing but a length with its unit: "8 bars", "15 s".

    >>> is_length("8 bars"), is_length("soft, 8 bars"), is_length("2")
    (True, False, False)
    """
    found = find_duration(text)
    if found is None or re.search(r"\w", text[: found.start] + text[found.end :]):
        return False
    return found.unit == "bars" or re.search(r"\d\s*[a-z:\"″]", plain(text)) is not None


def find_tempo(text: str, *, need_unit: bool = False) -> Found | None:
    """Find the first tempo in a text, in BPM; of a range the middle.

    With ``need_unit`` only a number with "BPM" counts ("120 BPM", "BPM: 120"). One with it goes
    before one without.
    """
    matches = list(_TEMPO.finditer(_same_length_plain(text)))
    named = [m for m in matches if m["unit"] or m["before"]]
    if not named and (need_unit or not matches):
        return None
    match = (named or matches)[0]
    high, low = _decimal(match["high"]), match["low"]
    value = high if low is None else (high + _decimal(low)) / 2
    return Found(value, match.start(), match.end(), "bpm", low is not None)


def _same_length_plain(text: str) -> str:
    # Letter by letter, so that places in the result are places in the text.
    return "".join(p if len(p := plain(c)) == 1 else c for c in text)


def _decimal(text: str) -> float:
    return float(text.replace(",", "."))


def _seconds(amount: str, minutes: bool) -> float | None:
    clock = re.fullmatch(r"(\d+):(\d+(?:[.,]\d+)?)", amount)
    if clock:
        return int(clock[1]) * 60 + _decimal(clock[2])
    mixed = re.fullmatch(rf"({_NUMBER})\s*{_MINUTES}\s*({_NUMBER})\s*{_SECONDS}?", amount)
    if mixed:
        return _decimal(mixed[1]) * 60 + _decimal(mixed[2])
    return _decimal(amount) * (60 if minutes else 1)
