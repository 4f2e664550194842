"""The pitch of a sung phrase, frame by frame: notes, glides between them, vibrato, drift."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from milonga.generators.guide.score import MelodyNote

Array = NDArray[np.float64]

_GLIDE_BEFORE_S = 0.07
_GLIDE_AFTER_S = 0.02
"""A glide ends almost with the onset of its note, so that the note itself is in tune."""

_VIBRATO_DELAY_S = 0.28
_VIBRATO_RISE_S = 0.25
_VIBRATO_SEMITONES = 0.28
_VIBRATO_HZ = 5.4
_DRIFT_SEMITONES = 0.04
_DRIFT_S = 0.12


def pitch_contour(
    notes: Sequence[MelodyNote],
    times: Array,
    random: np.random.Generator,
    *,
    transpose: float = 0.0,
    vibrato: float = 1.0,
) -> Array:
    """Frequency in Hz at each time; before the first and after the last note it stays on them.

    Args:
        notes: in order, without overlaps.
        times: ascending seconds.
        random: draws the vibrato's rate and phase, and the drift.
        transpose: semitones added.
        vibrato: depth, 1 as usual, 0 for none.
    """
    semitones = np.full(len(times), float(notes[0].pitch))
    for before, note in pairwise(notes):
        left, right = note.start_s - _GLIDE_BEFORE_S, note.start_s + _GLIDE_AFTER_S
        # Short notes keep at least half of their length in tune.
        left = max(left, (before.start_s + before.end_s) / 2)
        share = np.clip((times - left) / (right - left), 0.0, 1.0)
        smooth = share * share * (3 - 2 * share)
        semitones += smooth * (note.pitch - before.pitch)
    semitones += _drift(len(times), times, random)
    rate = _VIBRATO_HZ * random.uniform(0.94, 1.06)
    for note in notes:
        length = note.end_s - note.start_s
        phase = random.uniform(0, 2 * np.pi)
        if length < _VIBRATO_DELAY_S + 0.15 or not vibrato:
            continue
        since = times - note.start_s
        rise = np.clip((since - _VIBRATO_DELAY_S) / _VIBRATO_RISE_S, 0.0, 1.0)
        fall = np.clip((note.end_s - times) / 0.08, 0.0, 1.0)
        depth = vibrato * _VIBRATO_SEMITONES * rise * fall
        semitones += depth * np.sin(2 * np.pi * rate * since + phase)
    return np.asarray(440.0 * 2 ** ((semitones + transpose - 69) / 12))


def _drift(count: int, times: Array, random: np.random.Generator) -> Array:
    """Slow small wandering, without which a held note sounds like a machine."""
    if count < 2:
        return np.zeros(count)
    knots = np.arange(times[0], times[-1] + 2 * _DRIFT_S, _DRIFT_S)
    return np.interp(times, knots, _DRIFT_SEMITONES * random.standard_normal(len(knots)))
