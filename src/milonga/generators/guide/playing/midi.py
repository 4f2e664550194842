"""Parts through the General MIDI soundfont: a MIDI file in memory, rendered by midirenderer."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from milonga.errors import MissingExtraError
from milonga.generators.guide.playing.synth import Samples
from milonga.generators.guide.score import Note, ScorePart
from milonga.runtime.progress import Progress

RATE = 48_000
"""Sample rate of midirenderer."""

_TICKS_PER_BEAT = 960
_TICK_S = 0.5 / _TICKS_PER_BEAT  # MIDI's default tempo: half a second a beat
STROKE = 64
"""Velocity of the strokes that kits are measured by."""

_WINDOW_S = 30.0
_TAIL_S = 3.0
_DRUM_CHANNEL = 9
_VOLUME, _EXPRESSION, _REVERB, _CHORUS, _UNUSED = 7, 11, 91, 93, 20


def soundfont_path() -> Path:
    """TimGM6mb.sf2, which the distribution pretty_midi carries.

    Raises:
        MissingExtraError: a library of the extra 'guide' isn't installed.
    """
    spec = find_spec("pretty_midi")
    if spec is None or spec.origin is None or find_spec("midirenderer") is None:
        raise MissingExtraError("The generator 'guide'", "guide")
    return Path(spec.origin).parent / "TimGM6mb.sf2"


@lru_cache(maxsize=1)
def _soundfont() -> bytes:
    return soundfont_path().read_bytes()


def play(part: ScorePart, seconds: float, progress: Progress) -> Samples:
    """The samples of one part, ``[2, round(seconds * 48000)]``, at the soundfont's own level.

    Long parts are rendered in windows by the onsets of their notes and added up, so that a
    cancelled run stops soon.

    Raises:
        Cancelled: the user stopped it; checked every half minute of music.
    """
    frames = round(seconds * RATE)
    out = np.zeros((2, frames), dtype=np.float32)
    windows: dict[int, list[Note]] = {}
    for note in part.notes:
        if note.start_s < seconds:
            windows.setdefault(int(note.start_s / _WINDOW_S), []).append(note)
    for index, notes in sorted(windows.items()):
        progress.check()
        start_s = index * _WINDOW_S
        end_s = min(max(note.end_s for note in notes) + _TAIL_S, seconds)
        first = round(start_s * RATE)
        sound = _rendered(part, notes, start_s, end_s)[:, : frames - first]
        out[:, first : first + sound.shape[1]] += sound
    return out


@lru_cache(maxsize=64)
def drum_peak(kit: int, drum: int) -> float:
    """Peak of a single stroke of velocity ``STROKE``, to measure a kit by."""
    note = Note(0.0, 0.2, drum, STROKE)
    samples = _rendered(ScorePart("stroke", kit, (note,), drums=True, reverb=0.0), [note], 0.0, 0.2)
    return max(float(np.abs(samples).max(initial=0.0)), 1e-3)


def _rendered(part: ScorePart, notes: Sequence[Note], start_s: float, end_s: float) -> Samples:
    import midirenderer
    from scipy.io import wavfile

    wave = midirenderer.render_wave_from(_soundfont(), _midi_file(part, notes, start_s, end_s))
    # 16 bits. libsndfile would read memory by calling Python, where an interrupt would be lost.
    _, samples = wavfile.read(io.BytesIO(wave))
    return np.ascontiguousarray(samples.T, np.float32) / np.float32(1 << 15)


def _midi_file(part: ScorePart, notes: Sequence[Note], start_s: float, end_s: float) -> bytes:
    """A Standard MIDI File of format 0 (RP-001) that ends at ``end_s`` with an idle controller:
    the renderer stops at the last event, and the sound should ring out."""
    channel = _DRUM_CHANNEL if part.drums else 0
    control, program = 0xB0 | channel, 0xC0 | channel
    reverb = round(127 * part.reverb)
    controls = ((_VOLUME, 127), (_EXPRESSION, 127), (_REVERB, reverb), (_CHORUS, 0))
    events = [(0, 0, bytes([program, part.program]))]
    events += [(0, 0, bytes([control, number, value])) for number, value in controls]
    for note in notes:
        start = _ticks(note.start_s - start_s)
        end = max(start + 1, _ticks(note.end_s - start_s))
        events.append((start, 2, bytes([0x90 | channel, note.pitch, note.velocity])))
        # Before note-ons of the same tick, so that repeated notes sound again.
        events.append((end, 1, bytes([0x80 | channel, note.pitch, 0])))
    last = max(_ticks(end_s - start_s + 0.1), max(tick for tick, _, _ in events))
    events.append((last, 3, bytes([control, _UNUSED, 0])))
    track = bytearray()
    at = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track += _variable_length(tick - at) + message
        at = tick
    track += b"\x00\xff\x2f\x00"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS_PER_BEAT)
    return head + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _ticks(seconds: float) -> int:
    return max(0, round(seconds / _TICK_S))


def _variable_length(value: int) -> bytes:
    """Seven bits a byte, high bits first, the eighth bit set on all but the last."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))
