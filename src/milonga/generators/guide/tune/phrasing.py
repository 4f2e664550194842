"""Lines of lyrics onto bars: what is sung in one breath, where each line starts, what fits."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from milonga.generators.base import LyricLine, Request
from milonga.generators.words.syllables import split_syllables, stresses

FASTEST = 7.0
"""Syllables a second that a singer still articulates.

Conversation runs at 4 to 5, fast speech at 6 to 7; rap at 150 BPM in triplets is 7.5, which only
trained performers keep up.
"""

BREATH_S = 0.25
"""Silence that every phrase leaves before the next, and the least that its last note is held."""

_CHUNK = re.compile(r"\([^()]*\)?|[^()]+")
_PAUSE = re.compile(r"[^,;:.!?…—–/]*[,;:.!?…—–/]*\s*")
_TURNS = re.compile(
    r"\s(?=(?:and|but|or|so|when|where|while|if|in|on|with|for|to|until|because|like|y|e|o|pero"
    r"|que|cuando|donde|si|en|con|para|por|hasta|porque|como)\s)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Breath:
    """Words sung in one breath. ``answer`` words stood in round brackets."""

    text: str
    words: tuple[tuple[str, ...], ...]
    stressed: tuple[bool, ...]
    answer: bool = False

    @property
    def syllables(self) -> int:
        return len(self.stressed)

    @property
    def least_s(self) -> float:
        """The shortest time that this can be sung in, breath included."""
        return max(0, self.syllables - 1) / FASTEST + 2 * BREATH_S


@dataclass(frozen=True, slots=True)
class Placed:
    """A breath with the span that is its own, in beats from the start of the segment."""

    breath: Breath
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A line and the beats that are its own: ``line`` counts within the sung lines."""

    line: int
    start: float
    end: float
    breaths: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """All lines on the time axis. ``needed_s`` is the shortest segment that would hold them."""

    slots: tuple[Slot, ...]
    needed_s: float
    fits: bool


def breaths_of(line: LyricLine) -> tuple[Breath, ...]:
    """A line's breaths: at brackets, at punctuation, or before a joining word in the middle."""
    found: list[Breath] = []
    for part in _CHUNK.findall(line.text):
        answer = part.startswith("(")
        pieces = [p for p in _PAUSE.findall(part.strip("()")) if p.strip()]
        made = [_breath(piece, line.language, answer) for piece in pieces]
        found += _joined([b for b in made if b.syllables], line.language)
    out: list[Breath] = []
    for breath in found:
        out += _halved(breath, line.language) if breath.syllables > 11 else [breath]
    return tuple(out)


def _breath(text: str, language: str | None, answer: bool) -> Breath:
    words = tuple(tuple(word) for word in split_syllables(text, language))
    return Breath(text.strip(), words, tuple(stresses(text, language)), answer)


def _joined(pieces: list[Breath], language: str | None) -> list[Breath]:
    """Short pieces ("oh, oh, baby,") go together, up to eight syllables."""
    out: list[Breath] = []
    for piece in pieces:
        short = out and min(out[-1].syllables, piece.syllables) < 4
        if short and out[-1].syllables + piece.syllables <= 8:
            out[-1] = _breath(f"{out[-1].text} {piece.text}", language, piece.answer)
        else:
            out.append(piece)
    return out


def _halved(breath: Breath, language: str | None) -> list[Breath]:
    """Two breaths of a long one, cut before a joining word near its middle, or not at all."""
    middle = len(breath.text) / 2
    cuts = [m.start() for m in _TURNS.finditer(breath.text)]
    cuts = [cut for cut in cuts if abs(cut - middle) < 0.25 * len(breath.text)]
    if not cuts:
        return [breath]
    cut = min(cuts, key=lambda c: abs(c - middle))
    halves = (breath.text[:cut], breath.text[cut:])
    return [_breath(half, language, breath.answer) for half in halves]


def set_lines(request: Request) -> Setting:
    """Give every line its bars and every breath its beats.

    All lines get the same number of bars where that fits (one, two, three, four or eight, by what
    their words ask for), else each what it needs; what is left stays free for the band, as a
    lead-in where there is much of it. Where there are more lines than bars, lines start on
    half bars (in 3/4 on any beat), too. With a pickup a line that begins without a stress begins
    before its bar.

    A setting that doesn't ``fit`` still holds every line, squeezed: for an instrument.
    """
    lines, beat_s, pickup = request.sung, 60.0 / request.tempo, request.pickup
    bar = float(request.metre.beats)
    half = bar / 2 if bar % 2 == 0 else 1.0
    held = [breaths for breaths in map(breaths_of, lines) if breaths]
    index = [i for i, line in enumerate(lines) if breaths_of(line)]
    if not held:
        return Setting((), 0.0, True)
    available = (request.seconds - 0.1) / beat_s - pickup
    needed = [[b.least_s / beat_s for b in breaths] for breaths in held]
    # What a line takes of the one before; the first has the pickup of the segment.
    early = [0.0 if breaths[0].stressed[0] else pickup for breaths in held]
    totals = [sum(each) + lent for each, lent in zip(needed, [*early[1:], 0.0], strict=True)]
    shortest = (min(_total(totals, bar), _total(totals, half)) + pickup) * beat_s + 0.1
    for unit in (bar, half):
        if _total(totals, unit) <= available + 1e-9:
            lengths = _lengths(held, totals, unit, available, beat_s, bar)
            fits = True
            break
    else:
        lengths = [total / sum(totals) * available for total in totals]
        fits = False
    spare = available - sum(lengths)
    start = bar * 4 * int(spare / (bar * 8)) if fits else 0.0
    early = early if fits else [0.0] * len(held)
    slots: list[Slot] = []
    for number, (breaths, need, length) in enumerate(zip(held, needed, lengths, strict=True)):
        end = min(start + length, available) - sum(early[number + 1 : number + 2])
        first, *others = _spread(breaths, need, start, end, (bar, half, 1.0))
        begins = start - early[number]
        placed = (replace(first, start=begins), *others)
        slots.append(Slot(index[number], begins, end, placed))
        start += length
    return Setting(tuple(slots), shortest, fits)


def _total(totals: Sequence[float], unit: float) -> float:
    """Beats that all lines take if each starts on a multiple of ``unit``."""
    return sum(math.ceil(t / unit - 1e-9) * unit for t in totals[:-1]) + totals[-1]


def _lengths(
    held: Sequence[Sequence[Breath]],
    totals: Sequence[float],
    unit: float,
    available: float,
    beat_s: float,
    bar: float,
) -> list[float]:
    least = [math.ceil(t / unit - 1e-9) * unit for t in totals]
    # At a quarter of a second a syllable and two beats of rest a breath, words sit well.
    wished = max(sum(b.syllables * 0.25 / beat_s + 2 for b in breaths) for breaths in held)
    best = least
    for bars in (1, 2, 3, 4, 6, 8):
        length = bars * bar
        if unit == bar and length / 2 < wished:
            tried = [max(length, each) for each in least]
            if sum(tried[:-1]) + max(totals[-1], min(length, 0.6 * wished)) <= available + 1e-9:
                best = tried
    return [float(length) for length in best]


def _spread(
    breaths: Sequence[Breath],
    need: Sequence[float],
    start: float,
    end: float,
    units: Sequence[float],
) -> tuple[Placed, ...]:
    """Divide a line's beats among its breaths: equal bars, else half bars, else in proportion."""
    length, count = end - start, len(breaths)
    edges: list[float] = []
    for unit in units:
        edges = _edges(need, length, unit)
        if edges:
            break
    else:
        total = sum(need)
        edges = [sum(need[:i]) / total * length for i in range(count)]
    edges = [*edges, length]
    return tuple(
        Placed(breath, start + edges[i], start + edges[i + 1]) for i, breath in enumerate(breaths)
    )


def _edges(need: Sequence[float], length: float, unit: float) -> list[float]:
    """Start on multiples of ``unit`` that give every breath what it needs, nearest to an equal
    share weighted by need; empty where there are none."""
    total, edges, at = sum(need), [0.0], 0.0
    for i in range(1, len(need)):
        low = math.ceil((at + need[i - 1]) / unit - 1e-9) * unit
        fair = (i / len(need) + sum(need[:i]) / total) / 2 * length
        at = max(low, round(fair / unit) * unit)
        edges.append(at)
    return edges if at + need[-1] <= length + 1e-9 else []
