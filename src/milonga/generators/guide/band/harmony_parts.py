"""Bass, chords and pad of a segment, from the groove's patterns and the bars' chords."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from milonga.generators.guide.band.drums import Grid
from milonga.generators.guide.band.grooves import choose
from milonga.generators.guide.band.harmony import Key
from milonga.generators.guide.band.instruments import Instrument
from milonga.generators.guide.band.styles import Band
from milonga.generators.guide.band.voicing import voicings
from milonga.generators.guide.score import Bar, Note, ScorePart, dice, within
from milonga.generators.words.sections import SectionKind

_FORCE = {"X": 104, "x": 90, "o": 72, "S": 106, "s": 92, "w": 70}
_GAP_S = 0.02
_LEAST_S = 0.06


def bass_part(
    band: Band, bars: Sequence[Bar], grid: Grid, kind: SectionKind, seed: int
) -> ScorePart | None:
    """A bass line: roots on the strong steps, and steps that lead on to the next chord."""
    instrument = band.bass
    if instrument is None or band.energy < 0.2:
        return None
    draw = dice(seed, "bass", kind)
    source = band.groove.bass if band.drums else band.comping.bass
    pattern = (
        choose(source, draw, band.energy) if band.energy >= 0.45 else "r" + "-" * (grid.cycle - 1)
    )
    notes: list[Note] = []
    before = None
    for bar in bars:
        steps = grid.steps_of(bar)
        if bar.hold:
            root = _low(bar.chord.low, instrument)
            notes.append(Note(bar.start_s, bar.end_s, root, int(84 + 30 * band.energy)))
            continue
        following = bars[min(bar.index + 1, len(bars) - 1)].chord.low
        for step in steps:
            mark = pattern[step % len(pattern)]
            if step == steps.start and (bar.chord.given or grid.short) and bar.chord != before:
                mark = "r"  # the chord changes within the pattern
            if mark in ".-":
                continue
            root = _low(bar.chord.low, instrument)
            pitch = _bass_pitch(mark, root, bar, following, instrument)
            end = _until(pattern, step, steps[-1], ".", held="-")
            start_s = grid.time(step)
            if start_s > grid.until_s:
                break
            end_s = min(grid.time(end) - _GAP_S, bar.end_s)
            velocity = (92 if mark == "r" else 82) * (0.8 + 0.25 * band.energy)
            velocity *= float(draw.uniform(0.94, 1.05))
            notes.append(_note(start_s, end_s, pitch, velocity))
        before = bar.chord
    for start_s, end_s in _led(grid, bars):
        root = _low(bars[-1].chord.low, instrument)
        notes.append(_note(start_s, end_s, root, 74 + 20 * band.energy))
    level, duck = (-1.0, 0.0) if instrument.synth == "808" else (-2.0, band.groove.duck)
    return instrument.part("bass", notes, level, reverb=0.02, duck=duck)


def _bass_pitch(mark: str, root: int, bar: Bar, following: int, instrument: Instrument) -> int:
    chord = bar.chord
    third = chord.intervals[1] if chord.bass is None else 0
    fifth = next((i for i in chord.intervals if i in (6, 8) and chord.given), 7)
    fifth = fifth if chord.bass is None else 0
    target = root + (following - root) % 12
    if target - root > 6:
        target -= 12
    above = {
        "r": root,
        "f": root + fifth if root + fifth <= instrument.high else root + fifth - 12,
        "o": root + 12 if root + 12 <= instrument.high else root,
        "t": root + third,
        # From a whole or half step beside the next root; a fifth where the chord stays.
        "a": root + 7 if target == root else target + (2 if target < root else -2),
    }
    return within(above[mark], instrument.low, instrument.high)


def _low(pitch_class: int, instrument: Instrument) -> int:
    """The root in the lower octave of an instrument, between low and low + 11."""
    return instrument.low + (pitch_class - instrument.low) % 12


def chords_part(
    band: Band, bars: Sequence[Bar], key: Key, grid: Grid, kind: SectionKind, seed: int
) -> ScorePart | None:
    """The chords in the rhythm of the genre; long ones where the section is quiet."""
    instrument = band.chords
    if instrument is None:
        return None
    draw = dice(seed, "chords", kind)
    pattern = choose(band.comping.comp, draw, band.energy)
    bare = band.drums and not band.comping.signature and band.energy < 0.3
    if bare or (kind == "breakdown" and (band.drums or band.comping.signature)):
        beats = "Xoxo" if not band.drums else "X..."
        pattern = "".join(mark + "." * (grid.beat - 1) for mark in beats)[: grid.cycle]
    centre = 58.0 + band.shade + float(draw.integers(-2, 4))
    centre = min(max(centre, instrument.low + 7.0), instrument.high - 9.0)
    shapes = voicings([bar.chord for bar in bars], centre, key, band.comping.sevenths)
    if instrument.name == "distorted guitar":
        # Thirds growl under distortion: root, fifth, octave.
        shapes = [_power(bar, instrument) for bar in bars]
    notes: list[Note] = []
    force = 0.75 + 0.25 * band.energy
    for bar, shape in zip(bars, shapes, strict=True):
        if bar.hold:
            notes += [_note(bar.start_s, bar.end_s, p, 92 * force) for p in shape]
            continue
        played = _leading_on(pattern, grid) if bar is bars[-1] else pattern
        _comp(notes, played, bar, shape, grid, force, draw, instrument)
    for start_s, end_s in _led(grid, bars):
        notes += [_note(start_s, end_s, pitch, 84 * force) for pitch in shapes[-1]]
    level = -5.0 + 2.0 * band.energy + (1.0 if not band.drums else 0.0)
    duck = 0.6 * band.groove.duck
    return instrument.part("chords", notes, level, pan=-0.25, reverb=0.3, duck=duck)


def _led(grid: Grid, bars: Sequence[Bar]) -> list[tuple[float, float]]:
    """Beats that lead over to another tempo."""
    starts = [] if bars[-1].hold else grid.leads[:: grid.beat]
    return [*zip(starts, [*starts[1:], grid.seconds], strict=True)] if starts else []


def _leading_on(pattern: str, grid: Grid) -> str:
    """A chord that is struck once strikes every beat in the last bar: else it fades at the join."""
    if sum(mark not in "./" for mark in pattern) > 1:
        return pattern
    return ("X" + "." * (grid.beat - 1)) * (grid.cycle // grid.beat)


def _comp(
    notes: list[Note],
    pattern: str,
    bar: Bar,
    shape: Sequence[int],
    grid: Grid,
    force: float,
    draw: np.random.Generator,
    instrument: Instrument,
) -> None:
    steps = grid.steps_of(bar)
    for order, step in enumerate(steps):
        mark = pattern[step % len(pattern)]
        if order == 0 and mark == "." and pattern[0] not in "/.":
            mark = "x"
        if mark in "./":
            continue
        start_s = grid.time(step)
        if start_s > grid.until_s:
            return
        if mark in "1234":
            pitch = shape[min(int(mark) - 1, len(shape) - 1)]
            if int(mark) > len(shape):
                pitch = shape[0] + 12
            end_s = min(start_s + grid.beat * grid.step_s, bar.end_s)
            accent = 1.12 if step % grid.beat == 0 else 0.94
            velocity = 84 * accent * force * float(draw.uniform(0.94, 1.04))
            notes.append(_note(start_s, end_s, pitch, velocity))
            continue
        short = mark in "Ssw"
        end = step + grid.eighth if short else _until(pattern, step, steps[-1], "", held=".")
        length = grid.time(end) - start_s
        end_s = min(start_s + (0.7 * length if short else length - _GAP_S), bar.end_s)
        strum = 0.012 if "guitar" in instrument.name or instrument.name == "harp" else 0.0
        velocity = _FORCE[mark] * force * float(draw.uniform(0.93, 1.05))
        for i, pitch in enumerate(shape):
            notes.append(_note(start_s + strum * i, end_s, pitch, velocity))


def _power(bar: Bar, instrument: Instrument) -> tuple[int, ...]:
    root = _low(bar.chord.low, instrument)
    return (root, root + 7, root + 12)


def pad_part(
    band: Band, bars: Sequence[Bar], key: Key, kind: SectionKind, seed: int, texture: bool = False
) -> ScorePart | None:
    """Held chords behind everything, in full sections and in bare ones."""
    instrument = band.pad
    if instrument is None or (0.3 <= band.energy < 0.62 and not (band.bed or texture)):
        return None
    centre = 63.0 + band.shade + float(dice(seed, "pad", kind).integers(-2, 3))
    centre = min(max(centre, instrument.low + 7.0), instrument.high - 9.0)
    shapes = voicings([bar.chord for bar in bars], centre, key, band.groove.sevenths)
    velocity = 64 + 34 * band.energy
    notes: list[Note] = []
    for bar, shape in zip(bars, shapes, strict=True):
        for pitch in shape:
            last = notes[-len(shape) :]
            same = next(
                (n for n in last if n.pitch == pitch and n.end_s >= bar.start_s - 1e-6), None
            )
            if same is not None and instrument.holds:
                # Common tones are held over the bar line.
                notes[notes.index(same)] = Note(same.start_s, bar.end_s, pitch, same.velocity)
            else:
                notes.append(_note(bar.start_s, bar.end_s, pitch, velocity))
    level = -6.0 if texture else -9.0 + 2.0 * band.energy + (2.0 if not band.drums else 0.0)
    duck = band.groove.duck if band.drums and not texture else 0.0
    return instrument.part("pad", notes, level, pan=0.15, reverb=0.6, duck=duck)


def _until(pattern: str, step: int, last: int, rest: str, held: str) -> int:
    """The step at which a note that starts at ``step`` ends, at most the end of its bar."""
    end = step + 1
    while end <= last and (mark := pattern[end % len(pattern)]) in held and mark not in rest:
        end += 1
    return end


def _note(start_s: float, end_s: float, pitch: int, velocity: float) -> Note:
    return Note(start_s, max(end_s, start_s + _LEAST_S), pitch, int(min(max(velocity, 10), 127)))
