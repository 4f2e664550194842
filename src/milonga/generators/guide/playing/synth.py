"""Sounds that the soundfont lacks: a sub bass that glides (808), and a synthetic pluck."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from milonga.generators.guide.score import Note, ScorePart

Samples = NDArray[np.float32]

_GLIDE_S = 0.07
_DECAY_808_S = 0.9
_PARTIALS = 12
_FADE_S = 0.008


def synthesise(part: ScorePart, frames: int, rate: int) -> Samples:
    """The samples of a part whose ``synth`` is set, ``[2, frames]``."""
    make = {"808": _eight_oh_eight, "pluck": _plucks}[part.synth]
    out = np.zeros((2, frames), np.float32)
    # Summed in float64, of which no more is kept than what still rings.
    ringing, at = np.zeros(0), 0
    for start, tone in make(sorted(part.notes, key=lambda n: n.start_s), frames, rate):
        ended = ringing[: start - at]
        out[:, at : at + len(ended)] = ended
        ringing, at = ringing[start - at :], start
        if len(tone) > len(ringing):
            ringing = np.pad(ringing, (0, len(tone) - len(ringing)))
        ringing[: len(tone)] += tone
    out[:, at : at + len(ringing)] = ringing
    return out


def _hertz(pitch: float) -> float:
    return float(440.0 * 2.0 ** ((pitch - 69) / 12))


_Tones = Iterator[tuple[int, NDArray[np.float64]]]
"""The first frame of each note, in their order, and its samples."""


def _eight_oh_eight(notes: Sequence[Note], frames: int, rate: int) -> _Tones:
    """A sine that starts with a short fall in pitch, dies slowly and is driven into saturation.

    One voice: a new note cuts the old one and slides from its pitch where they touch.
    """
    before: Note | None = None
    for index, note in enumerate(notes):
        following = notes[index + 1].start_s if index + 1 < len(notes) else note.end_s + 0.6
        start = round(note.start_s * rate)
        length = min(
            round((min(following, note.end_s + 0.6) - note.start_s) * rate), frames - start
        )
        if length <= 0:
            continue
        t = np.arange(length) / rate
        target = _hertz(note.pitch)
        touching = before is not None and note.start_s - before.end_s < 0.05
        origin = _hertz(before.pitch) if before is not None and touching else target
        slide = target * (origin / target) ** np.exp(-t / (_GLIDE_S / 3))
        knock = 1.0 + 1.6 * np.exp(-t / 0.012)
        phase = 2 * np.pi * np.cumsum(slide * knock) / rate
        envelope = np.exp(-t / _DECAY_808_S) * (note.velocity / 127)
        tone = np.tanh(2.2 * np.sin(phase) * envelope) / np.tanh(2.2)
        yield start, tone * _edges(length, rate, round(_FADE_S * rate))
        before = note


def _plucks(notes: Sequence[Note], frames: int, rate: int) -> _Tones:
    """A saw whose higher partials die sooner, as if a filter closed over it."""
    rung: dict[int, NDArray[np.float64]] = {}
    for note in notes:
        start = round(note.start_s * rate)
        sounding = max(note.end_s - note.start_s, 0.12) + 0.15
        length = min(round(sounding * rate), frames - start)
        if length <= 0:
            continue
        # A pitch begins the same each time, and is most of the work.
        if note.pitch not in rung or len(rung[note.pitch]) < length:
            rung[note.pitch] = _ringing(_hertz(note.pitch), length, rate)
        release = np.clip((sounding - np.arange(length) / rate) / 0.15, 0.0, 1.0)
        envelope = release * _edges(length, rate, round(0.003 * rate)) * (note.velocity / 127)
        yield start, rung[note.pitch][:length] * envelope


def _ringing(hertz: float, length: int, rate: int) -> NDArray[np.float64]:
    """The string itself, ``[length]``: two saws a few cents apart, plucked and let ring."""
    t = np.arange(length) / rate
    tone = np.zeros(length)
    for n in range(1, _PARTIALS + 1):
        if hertz * n > 0.4 * rate:
            break
        beat = np.cos(2 * np.pi * 0.003 * hertz * n * t)
        tone += np.sin(2 * np.pi * hertz * n * t) * beat * np.exp(-t * (3.0 + 2.2 * n)) / n
    return tone


def _edges(length: int, rate: int, fade: int) -> NDArray[np.float64]:
    """Ones with short ramps at both ends, against clicks."""
    window = np.ones(length)
    fade = min(fade, length // 2)
    if fade:
        ramp = np.linspace(0.0, 1.0, fade, endpoint=False)
        window[:fade] *= ramp
        window[-fade:] *= ramp[::-1]
    return window
