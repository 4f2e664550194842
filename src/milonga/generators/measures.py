"""Musical time: metres, bars, and chords as musicians write them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

DEFAULT_TIME = "4/4"


@dataclass(frozen=True, slots=True)
class Metre:
    """A time signature and the beats that one counts in it.

    A tempo counts ``beats`` a minute: quarters, in 6/8 and 12/8 dotted quarters.
    ``beat_quarters`` is the length of a beat in quarters, as MIDI and DAWs count.
    """

    name: str
    beats: int
    beat_quarters: float = 1.0

    @property
    def compound(self) -> bool:
        """True if a beat has three eighths."""
        return self.beat_quarters == 1.5

    @property
    def quarters(self) -> float:
        """The length of a bar in quarters."""
        return self.beats * self.beat_quarters

    def bar_s(self, tempo: float) -> float:
        """Return the length of a bar in seconds; ``tempo`` in beats a minute."""
        return self.beats * 60.0 / tempo


METRES = {
    metre.name: metre
    for metre in (
        Metre("4/4", 4),
        Metre("3/4", 3),
        Metre("6/8", 2, 1.5),
        Metre("2/4", 2),
        Metre("12/8", 4, 1.5),
    )
}


def metre_of(time: str) -> Metre:
    """Return the metre of a time signature.

    Raises:
        ValueError: it isn't one that milonga has.
    """
    metre = METRES.get(re.sub(r"\s", "", time))
    if metre is None:
        raise ValueError(f"{time!r} is no metre that is known here: {', '.join(METRES)}.")
    return metre


# Intervals above the root in semitones. The longest sign that fits counts.
_QUALITIES: dict[str, tuple[int, ...]] = {
    "": (0, 4, 7), "maj": (0, 4, 7), "M": (0, 4, 7),
    "m": (0, 3, 7), "min": (0, 3, 7), "-": (0, 3, 7),
    "5": (0, 7), "6": (0, 4, 7, 9), "m6": (0, 3, 7, 9), "69": (0, 4, 7, 9, 14),
    "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10), "min7": (0, 3, 7, 10), "-7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11), "M7": (0, 4, 7, 11), "Δ": (0, 4, 7, 11), "Δ7": (0, 4, 7, 11),
    "mmaj7": (0, 3, 7, 11), "mM7": (0, 3, 7, 11),
    "9": (0, 4, 7, 10, 14), "m9": (0, 3, 7, 10, 14), "maj9": (0, 4, 7, 11, 14),
    "11": (0, 7, 10, 14, 17), "m11": (0, 3, 7, 10, 17), "13": (0, 4, 7, 10, 21),
    "add9": (0, 4, 7, 14), "madd9": (0, 3, 7, 14),
    "7b9": (0, 4, 7, 10, 13), "7#9": (0, 4, 7, 10, 15), "7#5": (0, 4, 8, 10),
    "7b5": (0, 4, 6, 10), "sus2": (0, 2, 7), "sus4": (0, 5, 7), "sus": (0, 5, 7),
    "7sus4": (0, 5, 7, 10), "7sus": (0, 5, 7, 10),
    "dim": (0, 3, 6), "°": (0, 3, 6), "dim7": (0, 3, 6, 9), "°7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10), "ø": (0, 3, 6, 10), "ø7": (0, 3, 6, 10),
    "aug": (0, 4, 8), "+": (0, 4, 8), "aug7": (0, 4, 8, 10), "+7": (0, 4, 8, 10),
}  # fmt: skip
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SOLFEGE = {"do": "C", "re": "D", "ré": "D", "mi": "E", "fa": "F", "sol": "G", "la": "A", "si": "B"}
_SILENT = "N.C."
_NO_CHORD = re.compile(r"(?<![^\s|,:])(?:N\.\s?C\.?|NC|no chord)(?![^\s|,:])", re.IGNORECASE)
_DASHES = ("-", "–", "—")
_NOTE = r"[A-G](?:#|b)?"
_CHORD = re.compile(rf"(?P<root>{_NOTE})(?P<quality>[^/\s]*)(?:/(?P<bass>{_NOTE}))?")
_SPELLED = re.compile(r"(?<![A-Za-z])(Do|R[eé]|Mi|Fa|Sol|La|Si)(?=$|[^a-z]|b|m|sus|dim|aug|add)")


@dataclass(frozen=True, slots=True)
class ChordSymbol:
    """A chord as it is written: pitch classes of root and bass (0 is C), intervals in semitones.

    ``silent`` where it is ``N.C.``: nothing plays it, and a tune goes on in the chord before.
    """

    name: str
    root: int
    intervals: tuple[int, ...]
    bass: int
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A chord and the bars that it lasts."""

    chord: ChordSymbol
    bars: Fraction


def parse_chord(text: str) -> ChordSymbol:
    """Read a chord such as ``Am7``, ``F#dim``, ``C/E``, ``Bbmaj7``, ``Lam``.

    Raises:
        ValueError: it isn't one.
    """
    if text == _SILENT:
        return ChordSymbol(_SILENT, 0, (), 0, silent=True)
    name = text.strip().replace("♯", "#").replace("♭", "b")
    name = _SPELLED.sub(lambda match: _SOLFEGE[match[1].lower()], name)
    match = _CHORD.fullmatch(name)
    quality = match["quality"].strip("()") if match else ""
    intervals = _QUALITIES.get(quality, _QUALITIES.get(quality.lower().replace("(", "")))
    if match is None or intervals is None:
        german = " H is written B here, and the German B is Bb." if name[:1] in "Hh" else ""
        raise ValueError(
            f"{text!r} is no chord that is known here, such as Am, F#m7, Bb, C/E, G7, N.C.{german}"
        )
    root = _pitch_class(match["root"])
    bass = _pitch_class(match["bass"]) if match["bass"] else root
    return ChordSymbol(name, root, intervals, bass)


def _pitch_class(note: str) -> int:
    return (_LETTERS[note[0]] + {"#": 1, "b": -1}.get(note[1:], 0)) % 12


def parse_chords(text: str, before: ChordSymbol | None = None) -> tuple[Change, ...]:
    """Read chords, one a bar: ``Am Dm E7 Am``; ``Am:2`` lasts two bars, ``C:1/2`` half of one.

    Between bar lines chords share the bar: ``| Am F | C | % |``, where ``%`` is the bar before.
    Dashes may part chords, where there are no bar lines.
    What stands between ``|:`` and ``:|`` is played twice, but where that is all: chords begin anew
    anyway. ``N.C.`` is no chord.

    Args:
        text: the chords.
        before: the one before them, in whose harmony ``N.C.`` at their beginning is.

    Raises:
        ValueError: something in it is no chord or no length.
    """
    text = _NO_CHORD.sub(_SILENT, text).replace("|]", "|")
    if "|" in text:
        changes = [change for bar in _bars(text) for change in bar]
    else:
        changes = [_change(word) for word in _words(text) if word not in _DASHES]
    return tuple(_with_silence(changes, before))


def _bars(text: str) -> list[Sequence[Change]]:
    """The bars between bar lines, with their repeats."""
    bars: list[Sequence[Change]] = []
    start = 0
    # Bars, and between them bar lines.
    bar, *rest = re.split(r"(:?\|+:?)", text.strip())
    for line, after in zip(["", *rest[::2]], [bar, *rest[1::2]], strict=True):
        if line.startswith(":") and (start or after.strip()):
            bars += bars[start:]
        if ":" in line:
            start = len(bars)
        words = _words(after)
        if words and set(words) <= {"%", "/"}:
            if not bars:
                raise ValueError("It begins with %, which repeats the bar before.")
            bars.append(bars[-1])
        elif words:
            bars.append(_shared(words))
    return bars


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text) if word]


def _with_silence(changes: Sequence[Change], before: ChordSymbol | None) -> Iterator[Change]:
    """Yield chords; where there is none, silent in the harmony of the one before, or else of the
    first."""
    if before is None:
        before = next((change.chord for change in changes if not change.chord.silent), None)
    for change in changes:
        if not change.chord.silent:
            before = change.chord
        elif before is None:
            raise ValueError("There is no chord in it but N.C.")
        else:
            change = Change(replace(before, name=_SILENT, silent=True), change.bars)
        yield change


def _shared(words: Sequence[str]) -> list[Change]:
    """The chords of one bar; ``/`` holds the one before for another part of it."""
    part = Fraction(1, len(words))
    found: list[Change] = []
    for word in words:
        if word == "/" and found:
            found[-1] = Change(found[-1].chord, found[-1].bars + part)
        else:
            found.append(Change(parse_chord(word), part))
    return found


def _change(word: str) -> Change:
    name, colon, length = word.partition(":")
    if not colon:
        return Change(parse_chord(name), Fraction(1))
    try:
        bars = Fraction(length)
    except (ValueError, ZeroDivisionError):
        bars = Fraction(0)
    if not 0 < bars <= 64:
        raise ValueError(f"{word!r}: behind the colon stands how many bars it lasts, as in Am:2.")
    return Change(parse_chord(name), bars)


def chords_text(changes: Sequence[Change]) -> str:
    """Write chords so that ``parse_chords`` reads the same: ``Am:2 F C:1/2 G:1/2``."""
    return " ".join(
        change.chord.name if change.bars == 1 else f"{change.chord.name}:{change.bars}"
        for change in changes
    )


def bars_of(changes: Sequence[Change]) -> Fraction:
    """Return how many bars some chords last."""
    return sum((change.bars for change in changes), Fraction(0))
