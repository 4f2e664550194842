"""Instruments by the words that prompts use for them, English and Spanish: ``instruments.toml``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from milonga.generators.guide.score import Note, ScorePart
from milonga.runtime.documents import read_table
from milonga.runtime.record import Record
from milonga.runtime.words import plain

Job = Literal["lead", "chords", "pad", "bass"]


class Instrument(Record):
    """A sound and what it is good for.

    Attributes:
        program: General MIDI program.
        jobs: what it plays in a band, its usual job first.
        low, high: where it sounds well, MIDI notes.
        holds: whether a held note keeps sounding (a bow, a reed) or decays (a string plucked).
        synth: name of a sound of our own in place of the program.
    """

    name: str
    program: int
    jobs: tuple[Job, ...]
    low: int
    high: int
    holds: bool = False
    synth: str = ""

    def part(
        self,
        name: str,
        notes: Sequence[Note],
        level_db: float,
        *,
        pan: float = 0.0,
        reverb: float = 0.35,
        duck: float = 0.0,
    ) -> ScorePart:
        """Its part of a score, placed as ``ScorePart`` explains."""
        sound = self.program, tuple(notes), False, level_db
        return ScorePart(name, *sound, pan, reverb, self.synth, duck, self.name)


_TABLE = read_table(__package__, "instruments.toml")
INSTRUMENTS = {
    name: Instrument.model_validate({"name": name, **entry})
    for name, entry in _TABLE["instruments"].items()
}

WORDS: list[tuple[str, str]] = [(pattern, name) for pattern, name in _TABLE["words"]]
"""Patterns and the instrument that each stands for; what matched is taken from the text."""

DRUM_WORDS = (
    r"drums?|drumming|beats?|percussion|bateria|percusion(es)?|hi[- ]?hats?|kicks?|snares?|cajon"
    r"|congas?|bongos?|bombo"
)
NO_DRUM_WORDS = r"drumless|beatless|a ?cappella|unplugged solo"
_REFUSAL = re.compile(
    r"\b(?:no|without|sin|minus|ni|zero|non|not)\s+[^,.;]*?(?=\b(?:but|with|pero|con)\b|[,.;]|$)"
)


@dataclass(frozen=True, slots=True)
class Named:
    """Find the instruments that a text asks for, in its order, and those it forbids."""

    wanted: tuple[Instrument, ...]
    unwanted: frozenset[str]
    drums: bool | None
    """True where drums are asked for, False where they are refused, None where neither."""


def split_refusals(text: str) -> tuple[str, str]:
    """Plain words without "no drums", "without piano" and the like, and what those refused."""
    words = plain(text)
    return _REFUSAL.sub(" ", words), " , ".join(_REFUSAL.findall(words))


def instruments_in(text: str, negative: str = "") -> Named:
    """Read instruments out of style words, "no drums" and a negative prompt included."""
    words, refused = split_refusals(text)
    refused += " , " + plain(negative)
    names, _ = _find(words)
    unwanted, _ = _find(refused)
    drums: bool | None = None
    if re.search(rf"\b(?:{DRUM_WORDS})\b", refused) or re.search(
        rf"\b(?:{NO_DRUM_WORDS})\b", words
    ):
        drums = False
    elif re.search(rf"\b(?:{DRUM_WORDS})\b", words):
        drums = True
    wanted = tuple(INSTRUMENTS[name] for name in names if name not in unwanted)
    return Named(wanted, frozenset(unwanted), drums)


def _find(words: str) -> tuple[list[str], str]:
    found: dict[str, int] = {}
    for pattern, name in WORDS:
        for match in re.finditer(rf"\b(?:{pattern})\b", words):
            found[name] = min(found.get(name, match.start()), match.start())
        words = re.sub(rf"\b(?:{pattern})\b", lambda m: " " * len(m[0]), words)
    return sorted(found, key=lambda name: found[name]), words
