"""Keys, chord progressions, and the bars of a segment.

Everything here depends only on what all layers of a segment share (tempo, key, section, seed,
seconds), so that voices and instruments rendered apart fit together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import cycle

from pydantic import TypeAdapter

from milonga.errors import GeneratorError
from milonga.generators.base import Request
from milonga.generators.guide.score import Bar, Chord, dice
from milonga.generators.guide.sections import SHAPES
from milonga.generators.measures import DEFAULT_TIME, METRES, Metre, parse_chords
from milonga.generators.words.sections import SectionKind, section_kind
from milonga.runtime.documents import read_table
from milonga.runtime.record import Record
from milonga.runtime.words import plain


class Mode(Record):
    """A mode, as ``modes.toml`` explains it."""

    words: str
    scale: tuple[int, ...]
    dominant: str = "V"
    loops: dict[str, tuple[str, ...]]


_MODES = TypeAdapter(dict[str, Mode]).validate_python(read_table(__package__, "modes.toml"))
_NOTES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SOLFEGE = {"do": 0, "re": 2, "mi": 4, "fa": 5, "sol": 7, "la": 9, "si": 11}
_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_KEY = re.compile(
    r"(?P<note>sol|do|re|mi|fa|la|si|[a-g])[\s-]*"
    r"(?P<accidental>##|#|bb|b|sharp|flat|sostenido|bemol)?"
    r"(?P<mode>(?:[\s-]*(?:m|min|maj|minor|major|menor|mayor|dur|moll)|[\s-]+.*)?)"
)
_GERMAN = re.compile(r"(?P<note>[a-h])(?P<accidental>is|e?s)?[\s-]*(?P<mode>dur|moll)")
_ACCIDENTALS = {"#": 1, "sharp": 1, "sostenido": 1, "b": -1, "flat": -1, "bemol": -1}

KEY_FORMS = "Write it like 'A minor', 'F# major', 'Bb', 'Am', 'D dorian', 'la menor' or '8A'."

_SHORT_BAR_S, _SLIVER_S = 1.4, 0.02


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic (pitch class, 0 is C) and a mode."""

    tonic: int
    mode: str

    @property
    def scale(self) -> tuple[int, ...]:
        """The seven intervals above the tonic, in semitones."""
        return _MODES[self.mode].scale

    @property
    def pitch_classes(self) -> frozenset[int]:
        return frozenset((self.tonic + step) % 12 for step in self.scale)

    @property
    def minor(self) -> bool:
        """True if the third above the tonic is minor."""
        return self.scale[2] == 3

    @property
    def name(self) -> str:
        return f"{_NAMES[self.tonic]} {self.mode}"


def parse_key(text: str) -> Key:
    """A key from how musicians write it, English, Spanish or German, note name first; also
    Camelot.

    Raises:
        GeneratorError: it isn't one; the step names forms that are.
    """
    # A capital M says major where a small one says minor.
    given = re.sub(r"(?<=[A-Ga-g#b♭♯])M\b", " major", text.strip())
    given = plain(given.replace("♯", "#").replace("♭", "b")).replace("_", " ")
    # In chord charts a final minus is minor.
    given = re.sub(r"\s+", " ", re.sub(r"-$", " minor", given))
    camelot = re.fullmatch(r"(1[0-2]|[1-9])([ab])", given)
    if camelot:
        # The wheel goes by fifths: 8B is C major, 8A its relative minor.
        tonic = (int(camelot[1]) - 8) * 7 % 12
        return Key(tonic, "major") if camelot[2] == "b" else Key((tonic + 9) % 12, "minor")
    if german := _GERMAN.fullmatch(given):
        # B is what others call B flat, and H what they call B.
        note = {**_NOTES, "b": 10, "h": 11}[german["note"]]
        shift = {None: 0, "is": 1}.get(german["accidental"], -1)
        return Key((note + shift) % 12, "major" if german["mode"] == "dur" else "minor")
    match = _KEY.fullmatch(given)
    mode = None if match is None else _mode(match["mode"].strip())
    if match is None or mode is None:
        raise GeneratorError(f"{text!r} is not a key.", where="key", step=KEY_FORMS)
    note = {**_NOTES, **_SOLFEGE}[match["note"]]
    accidental = match["accidental"] or ""
    shift = (
        2 * _ACCIDENTALS[accidental[0]]
        if accidental in ("##", "bb")
        else (_ACCIDENTALS.get(accidental, 0))
    )
    return Key((note + shift) % 12, mode)


def _mode(words: str) -> str | None:
    words = words.lstrip("- ") or words
    return next((name for name, mode in _MODES.items() if re.fullmatch(mode.words, words)), None)


_DEGREES = ("i", "ii", "iii", "iv", "v", "vi", "vii")


def chord(key: Key, numeral: str) -> Chord:
    """The triad of a Roman numeral in a key."""
    root = (key.tonic + key.scale[_DEGREES.index(numeral.lower())]) % 12
    minor = numeral.islower()
    return Chord(root, (0, 3, 7) if minor else (0, 4, 7), _NAMES[root] + ("m" if minor else ""))


def home(key: Key) -> Chord:
    """The tonic triad."""
    return chord(key, "i" if key.minor else "I")


def progression(key: Key, kind: SectionKind, seed: int) -> tuple[Chord, ...]:
    """The four chords that a section turns round; the same for every verse, every chorus."""
    source = SHAPES[kind].harmony or kind
    by_section = _MODES[key.mode].loops
    loops = by_section.get(source) or by_section["any"]
    chosen = loops[int(dice(seed, "progression", source).integers(len(loops)))]
    return tuple(chord(key, numeral) for numeral in chosen.split())


def lay_out(
    tempo: float,
    seconds: float,
    key: Key,
    kind: SectionKind,
    seed: int,
    metre: Metre = METRES[DEFAULT_TIME],
    chords: str = "",
    pickup: float = 0.0,
) -> tuple[Bar, ...]:
    """The bars of a segment with their chords.

    What is left after the last whole bar becomes a closing bar, or lengthens that bar where it is
    less than 0.6 beats. It is played on to its end; only in an outro the last chord rings there.

    Args:
        chords: those of the sheet, as ``parse_chords`` reads them; by default the section's own.
        pickup: beats before the first bar, in which the chord that leads to it rings.
    """
    bar_s, lead_s = metre.bar_s(tempo), pickup * 60.0 / tempo
    # Lengths written with two decimals should not leave a sliver of a bar.
    whole = int((seconds - lead_s) / bar_s + 0.01)
    rest = (seconds - lead_s - whole * bar_s) / bar_s * metre.beats
    tag = rest >= 0.6 or whole <= 0
    count = max(whole + 1 if tag else whole, 1)
    if chords:
        changes = _given(chords, count)
    else:
        loop = progression(key, kind, seed)
        # Where bars are short, a chord lasts two.
        each = 2 if metre.name != DEFAULT_TIME and bar_s < _SHORT_BAR_S else 1
        own = [loop[index // each % len(loop)] for index in range(count)]
        _close(own, key, kind, tag, 4 * each)
        changes = [(float(index), chord) for index, chord in enumerate(own)]
    starts = [lead_s + at * bar_s for at, _ in changes]
    bars = [
        Bar(index, start_s, end_s, chord, hold=last and (whole <= 0 or kind == "outro"))
        for index, (start_s, end_s, (at, chord)) in enumerate(
            zip(starts, [*starts[1:], seconds], changes, strict=True)
        )
        for last in (at >= count - 1,)
        if start_s < seconds - _SLIVER_S or not index
    ]
    bars[-1] = replace(bars[-1], end_s=seconds)
    if lead_s < _SLIVER_S:
        return tuple(bars)
    leading = changes[-1][1] if chords else chord(key, _MODES[key.mode].dominant)
    first = Bar(0, 0.0, min(lead_s, seconds), leading, hold=True)
    return (first, *(replace(bar, index=bar.index + 1) for bar in bars))


def bars_of(request: Request) -> tuple[Bar, ...]:
    """Lay out the bars of a request.

    Raises:
        GeneratorError: the key can't be read.
    """
    return lay_out(
        request.tempo, request.seconds, parse_key(request.key), section_kind(request.section),
        request.seed, request.metre, request.chords, request.pickup,
    )  # fmt: skip


def _given(chords: str, count: int) -> list[tuple[float, Chord]]:
    """The chords of a sheet with their places in bars, over and over; each bar line is a place."""
    found: list[tuple[float, Chord]] = []
    at = Fraction(0)
    for change in cycle(parse_chords(chords)):
        symbol, end = change.chord, min(at + change.bars, Fraction(count))
        bass = symbol.bass if symbol.bass != symbol.root else None
        one = Chord(
            symbol.root, symbol.intervals, symbol.name, bass, given=True, silent=symbol.silent
        )
        while at < end:
            found.append((float(at), one))
            at = min(Fraction(int(at) + 1), end)
        if at >= count:
            return found
    return found


def _close(chords: list[Chord], key: Key, kind: SectionKind, tag: bool, loop: int) -> None:
    """Let the chords come to where the section ends; ``loop`` is the bars of their loop."""
    ends = SHAPES[kind].ends
    dominant = chord(key, _MODES[key.mode].dominant)
    if ends == "dominant" and len(chords) > 1:
        chords[-1] = dominant
    elif ends == "home" or tag or len(chords) % loop:
        chords[-1] = home(key)
        if len(chords) >= 4 and chords[-2] == chords[-1] and chords[-3] != dominant:
            chords[-2] = dominant
