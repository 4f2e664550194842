"""A song's notes as a Standard MIDI File (RP-001), format 1: a track an instrument.

Lyrics stand on the notes of the voice (RP-017): a syllable each, a space after a word.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from milonga.generators.notation import WrittenPart
from milonga.songs.export.score import SongScore
from milonga.songs.export.timeline import Place, TempoMap

if TYPE_CHECKING:
    import mido

TICKS = 960
"""A quarter note: half a millisecond at 120 beats a minute."""
_DRUM_CHANNEL = 9
_VOLUME, _PAN = 7, 10
_FULL_VOLUME = 100
_LYRIC = b"\xff\x05"
_NATURALS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
_MINORS = ["Cm", "C#m", "Dm", "Ebm", "Em", "Fm", "F#m", "Gm", "G#m", "Am", "Bbm", "Bm"]
_PITCHES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def midi_bytes(score: SongScore) -> bytes:
    """Write a song's notes: tempo, time signatures, keys and markers in the first track, then a
    track for each instrument."""
    import mido

    # Titles and words in every script: most programs read texts as UTF-8.
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS, charset="utf-8")
    file.tracks.append(_track(score.title, [*_conductor(score)]))
    for part, channel in zip(score.parts, _channels(score.parts), strict=True):
        name = f"{part.name} (estimated)" if part.estimated else part.name
        file.tracks.append(_track(name, [*_events(part, channel, score.tempo)]))
    stream = io.BytesIO()
    file.save(file=stream)
    return stream.getvalue()


_Event = tuple[int, int, "mido.Message | mido.MetaMessage"]
"""Tick, order among those of a tick, message."""


def _track(name: str, events: Sequence[_Event]) -> mido.MidiTrack:
    import mido

    track = mido.MidiTrack()
    track.append(mido.MetaMessage("track_name", name=name))
    at = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - at))
        at = tick
    return track


def _conductor(score: SongScore) -> Iterator[_Event]:
    import mido

    time = (0, 0)
    for point in score.tempo.points:
        tick = round(point.quarters * TICKS)
        yield tick, 0, mido.MetaMessage("set_tempo", tempo=_microseconds(point.bpm))
        if time != (time := (point.numerator, point.denominator)):
            signature = {"numerator": point.numerator, "denominator": point.denominator}
            yield tick, 1, mido.MetaMessage("time_signature", **signature)
    key = ""
    for place in score.places:
        tick = _tick(place.start_s, score.tempo)
        if (name := key_name(place)) and name != key:
            yield tick, 2, mido.MetaMessage("key_signature", key=name)
            key = name
        yield tick, 3, mido.MetaMessage("marker", text=place.label)


def _events(part: WrittenPart, channel: int, tempo: TempoMap) -> Iterator[_Event]:
    import mido

    yield 0, 0, mido.Message("program_change", channel=channel, program=part.program)
    volume = min(127, round(_FULL_VOLUME * 10 ** (part.level_db / 40)))
    yield 0, 1, mido.Message("control_change", channel=channel, control=_VOLUME, value=volume)
    pan = round(64 + 63 * part.pan)
    yield 0, 1, mido.Message("control_change", channel=channel, control=_PAN, value=pan)
    for order, (tick, message) in enumerate(note_events(part, channel, tempo), 2):
        lyric = message.startswith(_LYRIC)
        text = message[len(_LYRIC) + 1 :].decode(errors="ignore") if lyric else ""
        yield (
            tick, order,
            mido.MetaMessage("lyrics", text=text) if lyric else mido.Message.from_bytes(message),
        )  # fmt: skip


def note_events(part: WrittenPart, channel: int, tempo: TempoMap) -> list[tuple[int, bytes]]:
    """Return the messages of a part's notes, each with its tick, in order.

    A syllable stands before its note. Notes end before others of the same tick begin, so that
    repeated ones sound again.
    """
    events: list[tuple[int, int, bytes]] = []
    for note in part.notes:
        start = _tick(note.start_s, tempo)
        end = max(start + 1, _tick(note.end_s, tempo))
        if note.syllable:
            text = note.syllable.encode()[:127]
            events.append((start, 1, _LYRIC + bytes([len(text)]) + text))
        events.append((start, 2, bytes([0x90 | channel, note.pitch, note.velocity])))
        events.append((end, 0, bytes([0x80 | channel, note.pitch, 0])))
    return [(tick, message) for tick, _, message in sorted(events, key=lambda e: e[:2])]


def _channels(parts: Sequence[WrittenPart]) -> list[int]:
    """A channel for each part; there are 15 beside the drums', which later parts share."""
    free = [channel for channel in range(16) if channel != _DRUM_CHANNEL]
    pitched = iter(range(len(parts)))
    return [
        _DRUM_CHANNEL if part.drums else free[next(pitched) % len(free)] for part in parts
    ]  # fmt: skip


def key_name(place: Place) -> str:
    """Return a key as MIDI names it, ``Am`` for "A minor"; empty for one that can't be read."""
    words = place.key.replace("♭", "b").replace("♯", "#").replace("-", " ").split()
    if not words or words[0][:1].upper() not in _PITCHES:
        return ""
    tonic, rest = words[0][0].upper(), words[0][1:]
    minor = rest.endswith("m") or any(
        word.casefold().startswith(("min", "men", "mol")) for word in words[1:]
    )
    pitch = _PITCHES[tonic] + rest.count("#") - rest.count("b")
    return (_MINORS if minor else _NATURALS)[pitch % 12]


def _tick(at_s: float, tempo: TempoMap) -> int:
    return max(0, round(tempo.quarters(at_s) * TICKS))


def _microseconds(bpm: float) -> int:
    return min(max(round(60e6 / bpm), 1), (1 << 24) - 1)
