"""Keys, chord progressions, and the bars of a segment.

Everything here depends only on what all layers of a segment share (tempo, key, section, seed,
seconds), so that voices and instruments rendered apart fit together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from milonga.errors import GeneratorError
from milonga.generators.guide.score import BEATS, Bar, Chord, dice
from milonga.generators.guide.sections import SHAPES, SectionKind
from milonga.runtime.words import plain

_SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
}

_MODE_WORDS: tuple[tuple[str, str], ...] = (
    (r"(phrygian|frigio) dominante?|spanish phrygian|hijaz", "phrygian dominant"),
    (r"dori(an|co)", "dorian"),
    (r"(phrygian|frigio)", "phrygian"),
    (r"(lydian|lidio)", "lydian"),
    (r"mixoly?i?d(ian|io)", "mixolydian"),
    (
        r"(harmonic |melodic |natural )?(minor|min|menor|moll|m)( armonic[ao]| melodic[ao]"
        r"| natural| pentatonic| blues)?|blues|aeolian|eolico",
        "minor",
    ),
    (r"|maj|major|mayor|dur|ionian|jonico|(major|mayor) pentatonic", "major"),
)

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
        return _SCALES[self.mode]

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
    return next((mode for pattern, mode in _MODE_WORDS if re.fullmatch(pattern, words)), None)


# Four-bar loops in Roman numerals. Upper case is a major triad, lower case a minor one.
_MINOR_LOOPS: dict[SectionKind, tuple[str, ...]] = {
    "verse": ("i VI III VII", "i iv VI V", "i VII VI VII", "i i iv V", "i VI iv V"),
    "chorus": ("VI VII i i", "i VI III VII", "VI III VII i", "iv VII III VI", "i VII VI V"),
    "bridge": ("iv i iv V", "VI VII III V", "III VII iv V", "iv VII III V"),
    "breakdown": ("i i VI VI", "VI VI i V", "i VI i V"),
    "instrumental": ("i iv i V", "i VII VI V", "i iv VII III", "iv i V i"),
}
_MAJOR_LOOPS: dict[SectionKind, tuple[str, ...]] = {
    "verse": ("I V vi IV", "I vi IV V", "I iii IV V", "I IV vi V", "vi IV I V"),
    "chorus": ("IV V I vi", "I V vi IV", "IV I V vi", "vi IV I V", "I IV ii V"),
    "bridge": ("vi iii IV V", "ii V vi V", "IV iv I V", "vi V IV V"),
    "breakdown": ("I I IV IV", "vi vi IV V", "IV IV I V"),
    "instrumental": ("I IV I V", "I vi ii V", "vi IV I V", "IV I V I"),
}
_MODAL_LOOPS: dict[str, tuple[str, ...]] = {
    "dorian": ("i IV i IV", "i IV VII i", "i III IV i", "i v IV i"),
    "phrygian": ("i II i vii", "i II III II", "i vii VI II", "VI vii II i"),
    "lydian": ("I II I II", "I II vi II", "I vii II I", "vi II I II"),
    "mixolydian": ("I VII IV I", "I v VII IV", "I IV VII IV", "VII IV I I"),
    "phrygian dominant": ("I II I vii", "I iv II I", "iv II I I", "I vii II I"),
}
_LIKE: dict[SectionKind, SectionKind] = {
    "intro": "verse",
    "outro": "chorus",
    "interlude": "verse",
    "pre-chorus": "bridge",
}
_DOMINANTS = {
    "phrygian": "vii",
    "phrygian dominant": "II",
    "mixolydian": "VII",
    "lydian": "II",
    "dorian": "IV",
}
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
    source = _LIKE.get(kind, kind)
    if key.mode in _MODAL_LOOPS:
        loops = _MODAL_LOOPS[key.mode]
    else:
        loops = (_MINOR_LOOPS if key.minor else _MAJOR_LOOPS)[source]
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
    dominant = chord(key, _DOMINANTS.get(key.mode, "V"))
    if ends == "dominant" and len(chords) > 1:
        chords[-1] = dominant
    elif ends == "home" or tag or len(chords) % 4:
        chords[-1] = home(key)
        if len(chords) >= 4 and chords[-2] == chords[-1] and chords[-3] != dominant:
            chords[-2] = dominant
