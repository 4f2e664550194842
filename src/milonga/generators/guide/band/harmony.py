"""Keys, chord progressions, and the bars of a segment.

Everything here depends only on what all layers of a segment share (tempo, key, section, seed,
seconds), so that voices and instruments rendered apart fit together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import TypeAdapter

from milonga.errors import GeneratorError
from milonga.generators.guide.score import BEATS, Bar, Chord, dice
from milonga.generators.guide.sections import SHAPES
from milonga.generators.words.sections import SectionKind
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
_ACCIDENTALS = {"#": 1, "sharp": 1, "sostenido": 1, "b": -1, "flat": -1, "bemol": -1}

KEY_FORMS = "Write it like 'A minor', 'F# major', 'Bb', 'Am', 'D dorian', 'la menor' or '8A'."


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
    """A key from how musicians write it, English or Spanish, note name first; also Camelot.

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
    tempo: float, seconds: float, key: Key, kind: SectionKind, seed: int
) -> tuple[Bar, ...]:
    """The bars of a segment with their chords.

    What is left after the last whole bar becomes a closing bar in which the last chord rings, or
    lengthens that bar where it is less than 0.6 beats.
    """
    bar_s = BEATS * 60.0 / tempo
    # Lengths written with two decimals should not leave a sliver of a bar.
    whole = int(seconds / bar_s + 0.01)
    rest = (seconds - whole * bar_s) / bar_s * BEATS
    tag = rest >= 0.6 or whole == 0
    count = whole + 1 if tag else whole
    loop = progression(key, kind, seed)
    chords = [loop[index % len(loop)] for index in range(count)]
    _close(chords, key, kind, tag)
    return tuple(
        Bar(
            index,
            index * bar_s,
            seconds if index == count - 1 else (index + 1) * bar_s,
            chords[index],
            hold=index == count - 1 and (tag or kind == "outro"),
        )
        for index in range(count)
    )


def _close(chords: list[Chord], key: Key, kind: SectionKind, tag: bool) -> None:
    """Let the chords come to where the section ends."""
    ends = SHAPES[kind].ends
    dominant = chord(key, _MODES[key.mode].dominant)
    if ends == "dominant" and len(chords) > 1:
        chords[-1] = dominant
    elif ends == "home" or tag or len(chords) % 4:
        chords[-1] = home(key)
        if len(chords) >= 4 and chords[-2] == chords[-1] and chords[-3] != dominant:
            chords[-2] = dominant
