"""Style and mood words into a band: a groove, instruments for each job, and how they play."""

from __future__ import annotations

import re
from dataclasses import dataclass

from milonga.generators.base import Request
from milonga.generators.guide.band.grooves import GROOVES, Groove
from milonga.generators.guide.band.instruments import (
    DRUM_WORDS,
    INSTRUMENTS,
    NO_DRUM_WORDS,
    WORDS,
    Instrument,
    Job,
    Named,
    instruments_in,
    split_refusals,
)
from milonga.generators.guide.score import dice
from milonga.generators.guide.sections import SHAPES
from milonga.generators.measures import METRES, Metre
from milonga.generators.words.sections import section_kind
from milonga.runtime.words import plain

_LIVELY = (
    r"energetic|energic[oa]|upbeat|euphoric|driving|powerful|aggressive|intense|anthemic|party"
    r"|fiesta|explosive|epic|hype|fast|danceable|bailable|urgent|wild"
)
_CALM = (
    r"calm|reflective|reflexiv[oa]|sad|triste|gentle|soft|suave|intimate|intim[oa]|dreamy|mellow"
    r"|melanchol(y|ic)|melancolic[oa]|peaceful|tender|sparse|minimal|minimalist|stripped|whisper"
    r"|quiet|nostalgic[oa]?|slow|lent[oa]|ethereal|vulnerable"
)
_DARK = r"dark|oscur[oa]|ominous|brooding|gritty|haunting|sinister|noir|moody|mysterious"
_BRIGHT = r"playful|jugueton[a]?|happy|feliz|alegre|bright|joyful|sunny|cheerful|fun|sweet|hopeful"

_VAGUE = ("ambient", "cinematic", "electronic", "pop")
"""Words that say less about a beat than the genre beside them ("Latin pop ballad")."""

_SILENT = (
    # Words that ask for nothing by themselves, English and Spanish.
    r"a|an|and|at|by|for|from|in|into|its|of|on|or|over|the|then|to|under|up|with|y|e|o|u|con|de|del|el"
    r"|en|la|las|los|mas|para|por|pero|but|no|not|sin|su|un|una|unos|very|muy|que|like|as|bpm|tempo"
    r"|fusion|mix|mezcla|blend|hybrid|style|estilo|genre|genero|vibes?|feel|mood|music|musica|musical"
    r"|sounds?|sonidos?|song|cancion|track|tema|tune|grooves?|rhythms?|rhythmic|ritmos?|ritmic[oa]s?"
    r"|sections?|parts?|intro|verse|chorus|bridge|outro|breaks?|drops?|rolls?|fills?|solos?|leads?"
    r"|melod(?:y|ies|ic|ia|ias|ic[oa])|harmon(?:y|ies|ic)|armonias?|chords?|acordes?|lines?|loops?"
    r"|instrument(?:s|al|ation|os?|ales)?|accompaniment|backing|background|acompanamiento|versions?"
    r"|vocals?|voices?|voz|voces|sing(?:ing|er)?|lyrics?|spoken|words?|influences?|influenced?|inspired"
    r"|driven|hooks?|patterns?"
)
_METRE = r"(?<!\d)\d{1,2}/(?:2|4|8|16)(?!\d)"

_SEED_GENRES = ("pop", "ballad", "house", "hip-hop", "rock")


@dataclass(frozen=True, slots=True)
class Band:
    """The players of a band.

    Attributes:
        genres: every style recognised, the one that rules the drums first.
        groove: patterns of drums, bass and chords.
        comping: whose chord pattern is played (a tango in a trap beat keeps its 3-3-2).
        lead, chords, pad, bass: the instruments; None for a job that nobody does.
        drums: whether there are drums at all.
        bed: whether the pad also plays where a section is neither full nor bare.
        rolls: whether hi-hats roll.
        energy: 0 to 1, from the section, nudged by mood words.
        shade: semitones that mood words move the chords by: dark down, bright up.
    """

    genres: tuple[str, ...]
    groove: Groove
    comping: Groove
    lead: Instrument
    chords: Instrument | None
    pad: Instrument | None
    bass: Instrument | None
    drums: bool
    bed: bool
    rolls: bool
    energy: float
    shade: int


def band_for(request: Request, lead: str = "", drums: bool | None = None) -> Band:
    """Read a request's style, mood and negative prompt.

    Args:
        lead: an instrument by name in place of what the style says.
        drums: True or False overrules the style.
    """
    named = instruments_in(f"{request.style}, {request.mood}", request.negative)
    metre = request.metre
    genres = _style_names(request.style, request.negative, request.seed, metre)
    groove = GROOVES[genres[0]].in_metre(metre)
    signed = next((GROOVES[g] for g in genres if GROOVES[g].signature), None)
    comping = signed.in_metre(metre) if signed else groove
    if drums is None:
        drums = groove.drums if named.drums is None else named.drums
    jobs = _cast(named, groove, comping, request.seed)
    if lead:
        jobs["lead"] = INSTRUMENTS[lead]
    mood = plain(f"{request.mood} {request.style}")
    energy = SHAPES[section_kind(request.section)].energy + groove.push
    energy += 0.08 * (_has(_LIVELY, mood) - _has(_CALM, mood))
    return Band(
        genres=genres,
        groove=groove,
        comping=comping,
        lead=jobs["lead"] or INSTRUMENTS["piano"],
        chords=jobs["chords"],
        pad=jobs["pad"],
        bass=jobs["bass"],
        drums=drums,
        bed=jobs["pad"] in named.wanted or not (drums or comping.signature),
        rolls=any(GROOVES[genre].rolls for genre in genres),
        energy=min(max(energy, 0.1), 1.0),
        shade=3 * (_has(_BRIGHT, mood) - _has(_DARK, mood)),
    )


def _has(pattern: str, words: str) -> int:
    return int(bool(re.search(rf"\b(?:{pattern})\b", words)))


def elsewhere(request: Request) -> dict[str, list[str]]:
    """List the words of a style that mean a metre which isn't the request's, by that metre."""
    words, _ = split_refusals(request.style)
    found: dict[str, list[str]] = {}
    for groove in GROOVES.values():
        for pattern in groove.words if not groove.at_home(request.metre) else ():
            if match := re.search(rf"\b(?:{pattern})\b", words):
                found.setdefault(groove.home, []).append(match[0])
    for name in re.findall(_METRE, request.style):
        if name in METRES and name != request.time:
            found.setdefault(name, []).append(name)
    return found


def unheard(request: Request) -> list[str]:
    """List the words of style and mood that change nothing here, in the order of the text."""
    text = f"{request.style}, {request.mood}"
    left, _ = split_refusals(text)
    names = [pattern for groove in GROOVES.values() for pattern in groove.words]
    names += [pattern for pattern, _ in WORDS]
    moods = (_LIVELY, _CALM, _DARK, _BRIGHT)
    for pattern in (*names, *moods, DRUM_WORDS, NO_DRUM_WORDS, _SILENT):
        left = re.sub(rf"(?<![^\W\d_])(?:{pattern})(?![^\W\d_])", " ", left)
    rest = set(re.findall(rf"{_METRE}|[^\W\d_]+", left))
    found = re.findall(rf"{_METRE}|[^\W\d_]+", text)
    # A letter alone is left of an abbreviation.
    rest = {word for word in rest if len(word) > 1 or not word.isascii()} - METRES.keys()
    # What the style says of the singer, the voice knows.
    rest -= set(re.findall(r"[^\W\d_]+", plain(request.voice)))
    return list(dict.fromkeys(word for word in found if plain(word) in rest))


def _style_names(style: str, negative: str, seed: int, metre: Metre) -> tuple[str, ...]:
    """Genres in the order of the text; one from the seed where the text names none."""
    words, refused = split_refusals(style)
    refused += " , " + plain(negative)
    found: dict[str, int] = {}
    for name, groove in GROOVES.items():
        for pattern in groove.words:
            match = re.search(rf"\b(?:{pattern})\b", words)
            if match and groove.at_home(metre) and not _has(pattern, refused):
                found.setdefault(name, match.start())
    if not found:
        return (_SEED_GENRES[int(dice(seed, "genre").integers(len(_SEED_GENRES)))],)
    order = sorted(found, key=lambda name: found[name])
    vague = [name for name in order if name in _VAGUE]
    beats = [name for name in order if name not in _VAGUE]
    # "Tango-trap": the beat that has drums drives, the dance shapes the chords. Where trap and
    # reggaeton meet, the dembow is the beat and trap brings its hi-hats.
    dembow = "reggaeton" in beats
    beats = sorted(
        beats,
        key=lambda n: (not GROOVES[n].home, not GROOVES[n].drums, n == "trap" and dembow),
    )
    vague = sorted(vague, key=_VAGUE.index)
    if beats and not GROOVES[beats[0]].drums and "electronic" in vague:
        return ("electronic", *beats, *vague)
    return (*beats, *vague)


_SPARE: dict[Job, tuple[str, ...]] = {
    "lead": ("piano", "flute", "vibraphone", "synth"),
    "chords": ("piano", "nylon guitar", "organ", "synth"),
    "pad": ("strings", "warm pad", "choir"),
    "bass": ("electric bass", "synth bass", "upright bass"),
}
"""Substitutes where all usual players of a genre are refused."""

_FAMILIES = {"nylon guitar": "guitar", "electric bass": "bass", "synth": "synth", "warm pad": "pad"}
"""Instruments that stand for all of their kind: "no guitars" means none at all."""


def _refused(name: str, unwanted: frozenset[str]) -> bool:
    if name == "808" and "electric bass" in unwanted:
        return True
    return name in unwanted or any(
        one in unwanted and family in name for one, family in _FAMILIES.items()
    )


def _cast(named: Named, groove: Groove, comping: Groove, seed: int) -> dict[Job, Instrument | None]:
    """Give each job to an instrument the style names, else to one usual for the genre."""
    taken: dict[Job, Instrument] = {}
    for instrument in named.wanted:
        for job in instrument.jobs:
            if job not in taken:
                taken[job] = instrument
                break
    jobs: dict[Job, Instrument | None] = {}
    for job, spare in _SPARE.items():
        source = comping if job in ("lead", "chords") and comping.signature else groove
        usual = [name for name in source.usual[job] if not _refused(name, named.unwanted)]
        if source.usual[job] and not usual:
            usual = [name for name in spare if not _refused(name, named.unwanted)][:1]
        if job in taken:
            jobs[job] = taken[job]
        elif usual:
            pick = int(dice(seed, "cast", job).integers(len(usual)))
            jobs[job] = INSTRUMENTS[usual[pick]]
        else:
            jobs[job] = None
    return jobs
