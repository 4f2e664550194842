"""Whether asked chords are heard, bar by bar.

Each bar's notes are held against the chord asked for, and against all others: twelve
transpositions of the whole progression and the 24 triads on each bar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.facts.model import AskedChord

_NEARLY = 0.04
"""Two triads that share two notes differ by more where one of them sounds alone."""
_STEPS = 4


@dataclass(frozen=True, slots=True)
class HeardChords:
    """A progression as it was heard.

    Attributes:
        share: of the chords that are heard where they were asked for.
        moved: semitones up by which the whole would fit better; 0 where it fits best as it is.
        names: the chord heard in each place, of major and minor triads.
        count: chords that the recording has room for.
    """

    share: float
    moved: int
    names: tuple[str, ...]
    count: int


def heard_chords(
    chroma: NDArray[np.floating],
    frame_s: float,
    chords: Sequence[AskedChord],
    bar_s: float,
    start_s: float = 0.0,
) -> HeardChords | None:
    """Hold a recording against a progression; None where it has no room for two of its chords.

    Args:
        chroma: ``[frames, 12]``, from C.
        frame_s: seconds between frames.
        chords: the progression; it begins anew at its end.
        bar_s: seconds of a bar.
        start_s: where its first bar begins; up to half a bar to either side is tried.
    """
    best: tuple[float, HeardChords] | None = None
    for shift in np.arange(-_STEPS // 2, _STEPS // 2 + 1) * bar_s / _STEPS:
        found = _held(chroma, frame_s, chords, bar_s, start_s + shift)
        if found is not None and (best is None or found[0] > best[0] + 1e-9):
            best = found
    return best[1] if best else None


def _held(
    chroma: NDArray[np.floating],
    frame_s: float,
    chords: Sequence[AskedChord],
    bar_s: float,
    start_s: float,
) -> tuple[float, HeardChords] | None:
    seconds = len(chroma) * frame_s
    rows: list[NDArray[np.float64]] = []
    asked: list[AskedChord] = []
    at = start_s
    for chord in cycle(chords):
        if at >= seconds or bar_s <= 0:
            break
        end = at + chord.bars * bar_s
        # One that is cut by more than half tells little.
        if end > seconds + 0.5 * chord.bars * bar_s:
            break
        first, last = (max(0, round(place / frame_s)) for place in (at, end))
        part = chroma[first:last].mean(axis=0) if last > first else np.zeros(12)
        if chord.classes:
            rows.append(part / max(float(np.linalg.norm(part)), 1e-9))
            asked.append(chord)
        at = end
    if len(rows) < 2 or not np.any(rows):
        return None
    notes = np.array(rows)
    fit = np.array(
        [
            np.mean([row @ _template(c.classes, move) for row, c in zip(notes, asked, strict=True)])
            for move in range(12)
        ]
    )
    triads = notes @ _triads().T
    own = np.array([row @ _template(c.classes, 0) for row, c in zip(notes, asked, strict=True)])
    heard = own >= triads.max(axis=1) - _NEARLY
    names = tuple(_NAMES[int(best)] for best in triads.argmax(axis=1))
    moved = int(fit.argmax())
    share = float(heard.mean())
    return float(fit[0]), HeardChords(share, moved if moved <= 6 else moved - 12, names, len(rows))


def _template(classes: Sequence[int], move: int) -> NDArray[np.float64]:
    wanted = np.zeros(12)
    wanted[[(one + move) % 12 for one in classes]] = 1.0
    return np.asarray(wanted / np.sqrt(len(set(classes))))


def _triads() -> NDArray[np.float64]:
    return np.array([_template((0, third, 7), root) for third in (4, 3) for root in range(12)])


_NAMES = tuple(
    name + sign
    for sign in ("", "m")
    for name in ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
)
