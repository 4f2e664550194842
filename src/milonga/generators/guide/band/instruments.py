"""Instruments by the words that prompts use for them, English and Spanish.

Programs are those of General MIDI, counted from 0; the soundfont's 23 (tango accordion) is a
sampled bandoneon.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from milonga.runtime.words import plain

Job = Literal["lead", "chords", "pad", "bass"]


@dataclass(frozen=True, slots=True)
class Instrument:
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
    low: int = 48
    high: int = 84
    holds: bool = False
    synth: str = ""


_LEAD: tuple[Job, ...] = ("lead",)
_KEYS: tuple[Job, ...] = ("chords", "lead")
_SOLO: tuple[Job, ...] = ("lead", "chords")
_BED: tuple[Job, ...] = ("pad", "chords")
_LOW: tuple[Job, ...] = ("bass",)

INSTRUMENTS: dict[str, Instrument] = {
    i.name: i
    for i in (
        Instrument("piano", 0, _KEYS, 40, 88),
        Instrument("electric piano", 4, _KEYS, 43, 84),
        Instrument("harpsichord", 6, _KEYS, 43, 80),
        Instrument("organ", 16, ("chords", "pad", "lead"), 43, 84, True),
        Instrument("accordion", 21, _SOLO, 53, 84, True),
        Instrument("harmonica", 22, _LEAD, 60, 84, True),
        Instrument("bandoneon", 23, _SOLO, 52, 84, True),
        Instrument("nylon guitar", 24, _KEYS, 45, 79),
        Instrument("steel guitar", 25, _KEYS, 45, 79),
        Instrument("clean guitar", 27, _KEYS, 45, 79),
        Instrument("muted guitar", 28, _KEYS, 45, 79),
        Instrument("overdriven guitar", 29, _SOLO, 45, 81, True),
        Instrument("distorted guitar", 30, ("chords", "lead"), 40, 79, True),
        Instrument("banjo", 105, _KEYS, 50, 79),
        Instrument("sitar", 104, _LEAD, 50, 79),
        Instrument("violin", 40, _LEAD, 57, 86, True),
        Instrument("cello", 42, ("lead", "pad"), 45, 67, True),
        Instrument("strings", 48, ("pad", "chords", "lead"), 45, 84, True),
        Instrument("pizzicato", 45, _KEYS, 50, 79),
        Instrument("harp", 46, _KEYS, 45, 88),
        Instrument("choir", 52, _BED, 48, 77, True),
        Instrument("brass", 61, ("chords", "lead", "pad"), 48, 77, True),
        Instrument("trumpet", 56, _LEAD, 57, 80, True),
        Instrument("muted trumpet", 59, _LEAD, 57, 80, True),
        Instrument("trombone", 57, _LEAD, 45, 69, True),
        Instrument("horns", 60, ("pad", "lead"), 45, 72, True),
        Instrument("saxophone", 65, _LEAD, 53, 79, True),
        Instrument("clarinet", 71, _LEAD, 53, 84, True),
        Instrument("oboe", 68, _LEAD, 60, 84, True),
        Instrument("flute", 73, _LEAD, 62, 91, True),
        Instrument("pan flute", 75, _LEAD, 60, 84, True),
        Instrument("whistle", 78, _LEAD, 67, 91, True),
        Instrument("music box", 10, _SOLO, 67, 96),
        Instrument("bells", 9, _SOLO, 67, 96),
        Instrument("vibraphone", 11, _SOLO, 53, 84),
        Instrument("marimba", 12, _SOLO, 48, 84),
        Instrument("kalimba", 108, _SOLO, 55, 84),
        Instrument("steel drums", 114, _SOLO, 55, 84),
        Instrument("saw synth", 81, ("lead", "chords"), 52, 84, True),
        Instrument("square synth", 80, ("lead",), 52, 84, True),
        Instrument("pluck synth", 7, ("chords", "lead"), 52, 84, synth="pluck"),
        Instrument("synth", 90, ("chords", "pad", "lead"), 48, 84, True),
        Instrument("warm pad", 89, _BED, 45, 79, True),
        Instrument("halo pad", 94, _BED, 45, 79, True),
        Instrument("atmosphere", 99, ("chords", "pad", "lead"), 48, 84, True),
        Instrument("crystal", 98, _SOLO, 60, 91),
        Instrument("upright bass", 32, _LOW, 28, 55),
        Instrument("electric bass", 33, _LOW, 28, 52),
        Instrument("picked bass", 34, _LOW, 28, 52),
        Instrument("fretless bass", 35, _LOW, 28, 55),
        Instrument("slap bass", 36, _LOW, 28, 52),
        Instrument("synth bass", 38, _LOW, 28, 52),
        Instrument("808", 38, _LOW, 28, 45, synth="808"),
    )
}

# Longer names stand before those they contain: once matched, the words are taken.
_WORDS: tuple[tuple[str, str], ...] = (
    (r"bandoneons?", "bandoneon"),
    (r"accordions?|acordeon(es)?", "accordion"),
    (r"harmonica|armonica", "harmonica"),
    (r"808s?|sub[- ]?bass|subgrave", "808"),
    (r"upright bass|double bass|contrabass|contrabajo|acoustic bass", "upright bass"),
    (r"slap bass", "slap bass"),
    (r"fretless bass", "fretless bass"),
    (r"synth[- ]?bass|bajo sintetizado|reese", "synth bass"),
    (r"bass ?line|bass guitar|electric bass|bass|bajo( electrico)?", "electric bass"),
    (r"(electric|e[- ]?)piano|rhodes|wurlitzer|piano electrico", "electric piano"),
    (r"harpsichord|clavecin", "harpsichord"),
    (r"pianos?|keys|keyboards?|teclados?", "piano"),
    (r"organs?|organo|hammond", "organ"),
    (r"(distorted|heavy|power) guitars?|guitarras? distorsionadas?|riffs?", "distorted guitar"),
    (r"overdriven guitars?|guitar solo|rock guitars?", "overdriven guitar"),
    (r"(palm[- ])?muted guitars?", "muted guitar"),
    (r"(electric|clean) guitars?|guitarras? electricas?", "clean guitar"),
    (r"(acoustic|steel|folk) guitars?|guitarras? acusticas?|ukulele", "steel guitar"),
    (
        r"((nylon|spanish|classical|flamenco) )?guitars?"
        r"|guitarras?( (criollas?|espanolas?|flamencas?))?|requinto|charango",
        "nylon guitar",
    ),
    (r"banjo", "banjo"),
    (r"sitar", "sitar"),
    (r"pizzicato", "pizzicato"),
    (r"violins?|violin(es)?|fiddle", "violin"),
    (r"cellos?|chelo|violonchelo", "cello"),
    (r"strings?|cuerdas|orchestra(l)?|orquesta", "strings"),
    (r"harps?|arpa", "harp"),
    (r"choirs?|coros? angelical(es)?|choral", "choir"),
    (r"muted trumpet", "muted trumpet"),
    (r"trumpets?|trompetas?", "trumpet"),
    (r"trombones?|trombon", "trombone"),
    (r"french horns?|cornos?", "horns"),
    (r"brass|horns?|metales|vientos", "brass"),
    (r"sax(ophone)?s?|saxo(fon)?", "saxophone"),
    (r"clarinets?|clarinete", "clarinet"),
    (r"oboe", "oboe"),
    (r"pan ?flute|siku|zampona|quena", "pan flute"),
    (r"flutes?|flautas?", "flute"),
    (r"whistl(e|ing)|silbidos?", "whistle"),
    (r"music ?box|caja de musica", "music box"),
    (r"bells?|glockenspiel|campanas?|celesta", "bells"),
    (r"vibraphone|vibes|vibrafono", "vibraphone"),
    (r"marimba|xylophone", "marimba"),
    (r"kalimba", "kalimba"),
    (r"steel ?(pan|drum)s?", "steel drums"),
    (r"(synth )?plucks?|plucky", "pluck synth"),
    (r"(synth|saw|supersaw) leads?|supersaws?|lead synths?", "saw synth"),
    (r"chiptune|8[- ]?bit|square leads?", "square synth"),
    (r"(ambient |warm |synth |lush )?pads?|colchon(es)?", "warm pad"),
    (r"drones?|textures?|texturas?", "halo pad"),
    (r"arp(eggio)?s?|arpegios?", "pluck synth"),
    (r"synth(esi[sz]ers?|s)?|sintetizador(es)?", "synth"),
)

_DRUM_WORDS = (
    r"drums?|drumming|beats?|percussion|bateria|percusion(es)?|hi[- ]?hats?|kicks?|snares?|cajon"
    r"|congas?|bongos?|bombo"
)
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
    if re.search(rf"\b(?:{_DRUM_WORDS})\b", refused) or re.search(
        r"\b(drumless|beatless|a ?cappella|unplugged solo)\b", words
    ):
        drums = False
    elif re.search(rf"\b(?:{_DRUM_WORDS})\b", words):
        drums = True
    wanted = tuple(INSTRUMENTS[name] for name in names if name not in unwanted)
    return Named(wanted, frozenset(unwanted), drums)


def _find(words: str) -> tuple[list[str], str]:
    found: dict[str, int] = {}
    for pattern, name in _WORDS:
        for match in re.finditer(rf"\b(?:{pattern})\b", words):
            found[name] = min(found.get(name, match.start()), match.start())
        words = re.sub(rf"\b(?:{pattern})\b", lambda m: " " * len(m[0]), words)
    return sorted(found, key=lambda name: found[name]), words
