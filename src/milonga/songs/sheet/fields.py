"""Types of the fields of a song sheet: their kind in a file, their bounds, their errors."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator

from milonga.generators.measures import metre_of, parse_chords
from milonga.songs.sheet import text as texts
from milonga.songs.sheet.lyrics import unbalanced

Kind = Literal[
    "text", "lyrics", "integer", "number", "seconds", "tempo", "time", "chords", "names", "options"
]


@dataclass(frozen=True, slots=True)
class Reads:
    """The kind of a field, as the readers and writers of sheets treat it; text without one."""

    kind: Kind


TEXTS = ("style", "mood", "voice", "negative")
"""Descriptions that a layer has from its segment, and a segment from its sheet."""
SECONDS = (0.5, 600.0)
TEMPO = (20.0, 300.0)
BARS = (0.25, 1000.0)
PICKUP = (0.0, 12.0)
NUMBERS = (1, 9999)
GAIN_DB = (-60.0, 24.0)
NAME_LENGTH = 200
OPTION_DEPTH = 5


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _name(value: str) -> str:
    value = texts.one_line(value)
    if not value:
        raise ValueError("It is empty.")
    if len(value) > NAME_LENGTH:
        raise ValueError(f"It has {len(value)} characters; at most {NAME_LENGTH} fit a name.")
    return value


def _lyrics(value: str) -> str:
    value = texts.lyrics_text(value)
    for number, line in enumerate(value.split("\n"), 1):
        wrong = unbalanced(line)
        if wrong:
            raise ValueError(
                f"Line {number} of the lyrics ({_shortened(line)}): {wrong}. Square brackets hold "
                "stage directions, a pair on one line; what is sung goes without or in round ones."
            )
    return value


def _shortened(line: str) -> str:
    return repr(line if len(line) <= 40 else line[:39] + "…")


def _between(low: float, high: float, unit: str) -> AfterValidator:
    def check(value: float) -> float:
        if not low <= value <= high:  # also refuses NaN
            bounds = f"{texts.number_text(low)} to {texts.number_text(high)}"
            given = texts.number_text(value) if math.isfinite(value) else str(value)
            raise ValueError(f"{given} is out of range: {bounds} {unit}.".replace(" .", "."))
        return value

    return AfterValidator(check)


def _generator(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", value):
        raise ValueError(
            f"{value!r} can't be a generator's name: small letters, digits and hyphens, "
            "for example stable-audio."
        )
    return value


def _distinct(value: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name, count in Counter(value).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is named twice.")
    return value


def _language(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", value):
        raise ValueError(f"{value!r} is not a language code: write en, es, pt-BR, ...")
    return value


def check_baseline(value: str) -> str:
    """Check the path of a baseline; raises ValueError with the reason."""
    value = texts.one_line(value)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", value):
        raise ValueError("A baseline is a file on this machine. Download it and give its path.")
    if is_absolute(value):
        return value
    if "\\" in value:
        raise ValueError("Write / between folders.")
    if os.path.normpath(value) == ".." or os.path.normpath(value).startswith("../"):
        raise ValueError(LEAVES_FOLDER)
    return value


LEAVES_FOLDER = (
    "The path leaves the sheet's folder. Copy the recording beside the sheet, or give its "
    "whole path."
)


def is_absolute(path: str) -> bool:
    """Tell if a path is whole on some system, ``~`` included."""
    return (
        path.startswith("~")
        or PurePosixPath(path).is_absolute()
        or PureWindowsPath(path).is_absolute()
    )


def _time(value: str) -> str:
    return metre_of(value).name


def _chords(value: str) -> str:
    value = texts.one_line(value)
    if not parse_chords(value):
        raise ValueError("There is no chord in it.")
    return value


def _options(value: object) -> object:
    if not isinstance(value, dict):
        return value  # pydantic says so
    read = {}
    for generator, settings in value.items():
        _generator(str(generator))
        if not isinstance(settings, dict):
            raise ValueError(
                f"The options of {generator} are settings by name, "
                f"for example {{{generator}: {{temperature: 0.7}}}}."
            )
        read[generator] = _setting(settings, str(generator), OPTION_DEPTH)
    return read


def _setting(value: object, where: str, depth: int) -> object:
    """Return the value as JSON would give it back; raises ValueError for what JSON can't hold."""
    if not depth:
        raise ValueError(f"{where}: it is nested too deep.")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not re.fullmatch(r"\w[\w.-]{0,63}", key):
                raise ValueError(f"{where}: {key!r} can't be the name of an option.")
        return {k: _setting(v, f"{where}, {k}", depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_setting(part, where, depth - 1) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where}: {value} is not a finite number.")
    if isinstance(value, int) and abs(value) >= 10**18:
        raise ValueError(f"{where}: {value} is too large.")
    if isinstance(value, str):
        found = texts.control_character(value.replace("\n", " "))
        if found:
            raise ValueError(f"{where}: it holds a control character ({found}).")
    elif not isinstance(value, bool | int | float | None):
        raise ValueError(f"{where}: {type(value).__name__} is no kind of setting.")
    return value


Text = Annotated[str, AfterValidator(texts.one_line)]
Name = Annotated[str, AfterValidator(_name)]
OneLine = Annotated[Text | None, BeforeValidator(_blank_is_none)]
Lyrics = Annotated[
    Annotated[str, AfterValidator(_lyrics)] | None,
    BeforeValidator(_blank_is_none),
    Reads("lyrics"),
]
Language = Annotated[
    Annotated[str, AfterValidator(_language)] | None, BeforeValidator(_blank_is_none)
]
Baseline = Annotated[
    Annotated[str, AfterValidator(check_baseline)] | None, BeforeValidator(_blank_is_none)
]
Generators = Annotated[
    tuple[Annotated[str, AfterValidator(_generator)], ...],
    AfterValidator(_distinct),
    Reads("names"),
]
Options = Annotated[dict[str, dict[str, Any]], BeforeValidator(_options), Reads("options")]
Tempo = Annotated[float, _between(*TEMPO, "BPM"), Reads("tempo")]
Seconds = Annotated[float, _between(*SECONDS, "seconds"), Reads("seconds")]
Bars = Annotated[float, _between(*BARS, "bars"), Reads("number")]
Pickup = Annotated[float, _between(*PICKUP, "beats"), Reads("number")]
Time = Annotated[str, AfterValidator(_time), Reads("time")]
Chords = Annotated[
    Annotated[str, AfterValidator(_chords)] | None,
    BeforeValidator(_blank_is_none),
    Reads("chords"),
]
Number = Annotated[int, _between(*NUMBERS, ""), Reads("integer")]
GainDb = Annotated[float, _between(*GAIN_DB, "dB"), Reads("number")]
