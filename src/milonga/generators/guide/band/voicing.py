"""Chords as hands would play them: each moves as little as it can from the one before."""

from __future__ import annotations

from collections.abc import Sequence

from milonga.generators.guide.band.harmony import Key
from milonga.generators.guide.score import Chord


def voicings(
    chords: Sequence[Chord], centre: float, key: Key, sevenths: bool = False
) -> list[tuple[int, ...]]:
    """MIDI notes for each chord, lowest first, near ``centre``.

    Of all inversions around the centre, the one whose notes lie nearest to the last voicing;
    the first is the one nearest to the centre. Sevenths come from the key.
    """
    found: list[tuple[int, ...]] = []
    for chord in chords:
        tones = _tones(chord, key, sevenths)
        options = [
            _stack(tones, start, low) for start in range(len(tones)) for low in _lows(centre)
        ]
        if found:
            before = found[-1]
            best = min(
                options,
                key=lambda notes: (
                    _travel(before, notes) + 0.5 * abs(_mean(notes) - centre),
                    notes,
                ),
            )
        else:
            best = min(options, key=lambda notes: (abs(_mean(notes) - centre), notes))
        found.append(best)
    return found


def _tones(chord: Chord, key: Key, sevenths: bool) -> list[int]:
    tones = list(dict.fromkeys(chord.pitch_classes))
    if chord.given:
        # Of five and more notes the fifth says the least, then the root, which the bass has.
        spare = [t for t in ((chord.root + 7) % 12, chord.root) if t in tones]
        return [t for t in tones if t not in spare[: max(0, len(tones) - 4)]]
    if sevenths:
        # The seventh that the key has above this root, a minor one where it has both or none.
        seventh = next(
            ((chord.root + s) % 12 for s in (10, 11) if (chord.root + s) % 12 in key.pitch_classes),
            (chord.root + 10) % 12,
        )
        tones.append(seventh)
    return tones


def _lows(centre: float) -> range:
    return range(int(centre) - 12, int(centre) + 6)


def _stack(tones: Sequence[int], start: int, low: int) -> tuple[int, ...]:
    """The inversion that begins with tone ``start``, at or above ``low``."""
    notes: list[int] = []
    at = low
    for index in range(len(tones)):
        tone = tones[(start + index) % len(tones)]
        at += (tone - at) % 12
        notes.append(at)
        at += 1
    return tuple(notes)


def _travel(before: Sequence[int], after: Sequence[int]) -> float:
    return sum(min(abs(note - other) for other in before) for note in after) / len(after)


def _mean(notes: Sequence[int]) -> float:
    return sum(notes) / len(notes)
