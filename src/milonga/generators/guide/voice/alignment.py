"""Speech laid over notes: which note each syllable is sung on, and when each sound comes.

A vowel begins with its note and is held; consonants keep about their natural length and come
before the beat, as singers place them (J. Sundberg, "The Science of the Singing Voice", 1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.generators.guide.score import MelodyLine, MelodyNote
from milonga.generators.guide.voice.phones import Nucleus, Phone

_LONGEST_S = {"plosive": 0.09, "voiced": 0.08, "voiceless": 0.13}
"""Most seconds of a consonant: stops, sonorants and voiced fricatives, voiceless fricatives."""

_CONSONANT_SHARE = 0.55
"""Most of the time between two beats that consonants may take from the vowel."""

_EDGE_S = 0.05
"""Start and end of a vowel that keep their speed when the vowel is held."""

_DIPHTHONG_TAIL_S = 0.14
_REST_S = 0.06
"""Shortest silence between two syllables that is kept as one."""

_SHORTEST_LEAD_S = 0.04
"""Least seconds of the first consonants of a clip, late by as much."""

_RELEASE_S = 0.06
"""Reach of a final consonant beyond its note, into a rest."""


@dataclass(frozen=True, slots=True)
class Syllable:
    """A spoken syllable and the note or notes it is sung on, in order and without overlap."""

    nucleus: Nucleus
    notes: tuple[MelodyNote, ...]

    @property
    def start_s(self) -> float:
        return self.notes[0].start_s

    @property
    def end_s(self) -> float:
        return self.notes[-1].end_s


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the speech and the time it takes in the song. ``held`` is vowel."""

    source_s: tuple[float, float]
    target_s: tuple[float, float]
    held: bool = False


def syllables(line: MelodyLine, spoken: Sequence[Nucleus]) -> list[Syllable]:
    """Give every spoken syllable its notes, word by word.

    The notes were counted by spelling; where the voice makes fewer syllables of a word, one holds
    several notes, where it makes more, they share a note's time.
    """
    groups = _notes_by_syllable(line)
    counts = [len(word) for word in line.words] or [len(groups)]
    placed: list[Syllable] = []
    spare: list[MelodyNote] = []
    at = 0
    for word, count in enumerate(counts):
        own = groups[at : at + count]
        at += count
        nuclei = [n for n in spoken if n.word == word] if line.words else list(spoken)
        if not nuclei:
            # Nothing to say here: the syllable before (or the next one) holds on.
            spare += [note for group in own for note in group]
            if placed:
                placed[-1] = Syllable(placed[-1].nucleus, (*placed[-1].notes, *spare))
                spare = []
            continue
        new = _shared(nuclei, own) if own else []
        if spare and new:
            new[0] = Syllable(new[0].nucleus, (*spare, *new[0].notes))
            spare = []
        placed += new
    return placed


def _notes_by_syllable(line: MelodyLine) -> list[list[MelodyNote]]:
    groups: dict[int, list[MelodyNote]] = {}
    for note in line.notes:
        groups.setdefault(note.syllable_index, []).append(note)
    return [groups[index] for index in sorted(groups)]


def _shared(nuclei: list[Nucleus], groups: list[list[MelodyNote]]) -> list[Syllable]:
    if len(nuclei) <= len(groups):
        cuts = np.array_split(np.arange(len(groups)), len(nuclei))
        return [
            Syllable(nucleus, tuple(note for i in cut for note in groups[i]))
            for nucleus, cut in zip(nuclei, cuts, strict=True)
        ]
    placed: list[Syllable] = []
    for cut, group in zip(np.array_split(np.arange(len(nuclei)), len(groups)), groups, strict=True):
        start, end = group[0].start_s, group[-1].end_s
        edges = np.linspace(start, end, len(cut) + 1)
        for i, left, right in zip(cut, edges, edges[1:], strict=False):
            placed.append(Syllable(nuclei[i], _between(group, float(left), float(right))))
    return placed


def _between(notes: Sequence[MelodyNote], start: float, end: float) -> tuple[MelodyNote, ...]:
    return tuple(
        MelodyNote(max(n.start_s, start), min(n.end_s, end), n.pitch, n.syllable_index, False)
        for n in notes
        if n.start_s < end and n.end_s > start
    )


def stretches(placed: Sequence[Syllable], earliest_s: float = 0.0) -> list[Stretch]:
    """The pieces of the speech in the order of the song; between them there is silence.

    Args:
        placed: the syllables of a phrase.
        earliest_s: nothing may sound before it; consonants that would are shortened.
    """
    out: list[Stretch] = []
    first = placed[0]
    lead = float(_lengths(first.nucleus.onset).sum())
    start = max(earliest_s, first.start_s - lead)
    late = min(_SHORTEST_LEAD_S, lead, 0.4 * (first.end_s - first.start_s))
    vowel_start = max(first.start_s, start + late)
    out += _fitted(first.nucleus.onset, start, vowel_start)
    for this, following in zip(placed, [*placed[1:], None], strict=True):
        coda = this.nucleus.coda
        tail = min(_RELEASE_S, float(_lengths(coda).sum()))
        beat = following.start_s if following else math.inf
        lead = float(_lengths(following.nucleus.onset).sum()) if following else 0.0
        end, cluster = this.end_s + tail, coda
        if following and beat - lead - end < _REST_S:
            end, cluster = beat, (*coda, *following.nucleus.onset)
        vowel_end = _vowel_end(vowel_start, end, float(_lengths(cluster).sum()))
        out += _held(this, vowel_start, vowel_end)
        out += _fitted(cluster, vowel_end, end)
        if following and end < beat:
            out += _fitted(following.nucleus.onset, beat - lead, beat)
        vowel_start = beat
    return out


def _vowel_end(start: float, end: float, consonants: float) -> float:
    return end - min(consonants, _CONSONANT_SHARE * (end - start))


def _lengths(phones: Sequence[Phone]) -> NDArray[np.float64]:
    """Compute the seconds of sung consonants: as spoken, within bounds; none for pauses."""
    return np.array(
        [0.0 if phone.pause else min(phone.length_s, _longest(phone)) for phone in phones]
    )


def _longest(phone: Phone) -> float:
    kind = "plosive" if phone.plosive else "voiced" if phone.voiced else "voiceless"
    return _LONGEST_S[kind]


def _fitted(phones: Sequence[Phone], start: float, end: float) -> list[Stretch]:
    lengths = _lengths(phones)
    if not lengths.sum() or end <= start:
        return []
    edges = start + np.concatenate([[0.0], np.cumsum(lengths)]) * (end - start) / lengths.sum()
    return [
        Stretch(_source(phone), (float(left), float(right)))
        for phone, left, right in zip(phones, edges, edges[1:], strict=False)
        if right > left
    ]


def _source(phone: Phone) -> tuple[float, float]:
    """Choose the part of a consonant to use: all of it, of a long stop only up to its release."""
    longest = _longest(phone) if phone.plosive else phone.length_s
    return phone.start_s, phone.start_s + min(phone.length_s, longest)


def _held(syllable: Syllable, start: float, end: float) -> list[Stretch]:
    """The vowel over its time: its edges at the speed of speech, its middle held."""
    phone = syllable.nucleus.phone
    left, right = phone.start_s, phone.end_s
    spoken, sung = right - left, end - start
    if sung <= 0:
        return []
    if sung <= spoken:
        return [Stretch((left, right), (start, end), held=True)]
    head = min(_EDGE_S, 0.3 * spoken)
    # A diphthong is held on its first sound and closes late.
    tail = min(_DIPHTHONG_TAIL_S, 0.6 * spoken) if phone.diphthong else min(_EDGE_S, 0.3 * spoken)
    source = (left, left + head, right - tail, right)
    target = (start, start + head, end - tail, end)
    return [
        Stretch((source[i], source[i + 1]), (target[i], target[i + 1]), held=True) for i in range(3)
    ]
