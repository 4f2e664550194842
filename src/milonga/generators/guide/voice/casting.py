"""The singer: the words of ``voice`` turned into a range, a vocal tract and a manner."""

from __future__ import annotations

from dataclasses import dataclass, replace

from milonga.generators.guide.tune.melody import FEMALE, MALE, VoiceRange
from milonga.generators.words.directions import FEMALE_WORDS, MALE_WORDS, says
from milonga.runtime.words import plain


@dataclass(frozen=True, slots=True)
class Singer:
    """One voice.

    Attributes:
        range: lowest and highest note.
        tract: vocal tract length relative to an adult woman's; longer is deeper.
        vibrato: depth, 1 as usual.
        air: noise mixed into voiced sounds, 0 to 1.
        whisper: no pitch at all.
    """

    range: VoiceRange
    tract: float
    vibrato: float = 1.0
    air: float = 0.0
    whisper: bool = False


@dataclass(frozen=True, slots=True)
class Cast:
    """The singers of a segment: the lead, the one who answers, if they take turns, and if
    the lead is doubled on both sides."""

    lead: Singer
    answer: Singer
    turns: bool = False
    layered: bool = False

    def singer_of(self, line_index: int, answer: bool) -> Singer:
        """Return who sings a line, counted from 0; an ``answer`` stands in round brackets."""
        return self.answer if answer or (self.turns and line_index % 2 == 1) else self.lead


WOMAN = Singer(FEMALE, tract=1.0)
MAN = Singer(MALE, tract=1.16)
CHILD = Singer(FEMALE, tract=0.88, vibrato=0.4)

_LAYERED = (
    r"layer(?:s|ed|ing)?|stacked|doubled?|double-tracked|harmon(?:y|ies|ised|ized)|choir|chorus"
    r"|group|capas|dobladas?|coros?|armonias?"
)

_SHADES = (
    (r"soprano|high|agud[oa]", 0.97),
    (r"alto|contralto|mezzo|low|deep|grave|profund[oa]|baritone?|baritono", 1.04),
    (r"bass|bajo", 1.08),
)
"""Words that lengthen or shorten the tract within a sex."""


def cast(voice: str) -> Cast:
    """Cast the singers for the ``voice`` of a request ("smooth male lead", "mujer", "duet").

    Nothing said is a woman, whose range and tract are the neural voice's own.
    """
    words = plain(voice)
    male, female = says(words, MALE_WORDS), says(words, FEMALE_WORDS)
    turns = says(words, r"duet|duo|dueto|both|two voices|a dos voces") or (male and female)
    lead = MAN if male and not female else WOMAN
    if says(words, r"child|children|kids?|nin[oa]s?|infantil"):
        lead = CHILD
    for pattern, factor in _SHADES:
        if says(words, pattern) and not turns:
            lead = replace(lead, tract=lead.tract * factor)
            break
    if says(words, r"breathy|airy|intimate|soft|susurrante|etere[oa]|ethereal"):
        lead = replace(lead, air=0.35, vibrato=0.7)
    if says(words, r"robot|robotic|autotune|auto-tune|vocoder|android|synthetic"):
        lead = replace(lead, vibrato=0.0)
    if says(words, r"whisper(?:s|ed|ing)?|susurr(?!ante)\w*"):
        lead = replace(lead, whisper=True)
    # The answer comes from somebody else: the other sex where they take turns, else a neighbour.
    if turns:
        answer = replace(MAN, air=lead.air, vibrato=lead.vibrato, whisper=lead.whisper)
    else:
        answer = replace(lead, tract=lead.tract * (0.93 if lead.tract > 1.08 else 1.08))
    return Cast(lead, answer, turns, layered=says(words, _LAYERED))
