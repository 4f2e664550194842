"""A song as a project of Reaper (.rpp): lines of words, blocks between ``<`` and ``>``.

Positions and lengths are seconds, notes are ticks of a 960th of a quarter note. Reaper writes the
same form itself; names with a space stand in quotation marks.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Iterator

from milonga._version import __version__
from milonga.generators.notation import WrittenPart
from milonga.songs.export.midi import TICKS, note_events
from milonga.songs.export.project import AudioPiece, AudioTrack, Project
from milonga.songs.export.timeline import TempoMap

_SQUARE = 1
"""Shape of a tempo that holds until the next point."""


def reaper_text(project: Project) -> str:
    """Write a project as Reaper reads it: tempo map, markers, tracks with stems and notes."""
    score = project.score
    first = score.tempo.points[0]
    lines = [
        f'<REAPER_PROJECT 0.1 "7.0/milonga-{__version__}" 0',
        f"  TITLE {_quoted(score.title)}",
        f"  AUTHOR {_quoted(score.artist)}",
        f"  SAMPLERATE {project.sample_rate} 1 0",
        f"  TEMPO {_number(first.bpm)} {first.numerator} {first.denominator}",
        *_indented(_tempo(score.tempo)),
    ]
    lines += [
        f"  MARKER {number} {_number(place.start_s)} {_quoted(place.label)} 0"
        for number, place in enumerate(score.places, 1)
    ]
    for track in project.tracks:
        lines += _indented(_audio_track(track))
    for part in score.parts:
        lines += _indented(_note_track(part, score.tempo, score.seconds))
    return "\n".join([*lines, ">"]) + "\n"


def _tempo(tempo: TempoMap) -> Iterator[str]:
    yield "<TEMPOENVEX"
    yield "  ACT 1 -1"
    yield "  VIS 1 0 1"
    yield f"  DEFSHAPE {_SQUARE} -1 -1"
    for point in tempo.points:
        # A time signature begins a bar anew; 0 is none.
        signature = point.denominator << 16 | point.numerator if point.begins_bar else 0
        yield f"  PT {_number(point.at_s)} {_number(point.bpm)} {_SQUARE} {signature} 0 1"
    yield ">"


def _audio_track(track: AudioTrack) -> Iterator[str]:
    fader = _number(10 ** (track.gain_db / 20))
    items = [line for piece in track.pieces for line in _audio_item(track, piece)]
    yield from _track(track.name, fader, items)


def _audio_item(track: AudioTrack, piece: AudioPiece) -> Iterator[str]:
    yield from _item(piece.name, piece.start_s, piece.end_s - piece.start_s)
    yield f"  SOFFS {_number(piece.start_s)}"
    yield "  <SOURCE WAVE"
    yield f"    FILE {_quoted(track.file)}"
    yield "  >"
    yield ">"


def _note_track(part: WrittenPart, tempo: TempoMap, seconds: float) -> Iterator[str]:
    name = f"MIDI {part.name}" + " (estimated)" * part.estimated
    items = [*_item(part.name, 0.0, seconds), "  SOFFS 0", "  <SOURCE MIDI"]
    items.append(f"    HASDATA 1 {TICKS} QN")
    channel = 9 if part.drums else 0
    at = 0
    messages = [(0, bytes([0xC0 | channel, part.program])), *note_events(part, channel, tempo)]
    for tick, message in messages:
        if message[0] == 0xFF:
            # A text has its length in a file, here not.
            message = message[:2] + message[3:]
            items += [
                f"    <X {tick - at} 0",
                f"      {base64.b64encode(message).decode()}",
                "    >",
            ]
        else:
            items.append(f"    E {tick - at} " + " ".join(f"{byte:02x}" for byte in message))
        at = tick
    last = max(at, round(tempo.quarters(seconds) * TICKS))
    # All notes off ends the source.
    items += [f"    E {last - at} {0xB0 | channel:02x} 7b 00", "  >", ">"]
    yield from _track(name, "1", items)


def _track(name: str, fader: str, items: Iterable[str]) -> Iterator[str]:
    yield f"<TRACK {_guid('track', name)}"
    yield f"  NAME {_quoted(name)}"
    yield f"  VOLPAN {fader} 0 -1 -1 1"
    yield from _indented(items)
    yield ">"


def _item(name: str, start_s: float, seconds: float) -> Iterator[str]:
    yield "<ITEM"
    yield f"  POSITION {_number(start_s)}"
    yield f"  LENGTH {_number(seconds)}"
    yield "  LOOP 0"
    # Neighbouring pieces of one file must not be faded: they sum to the mix as they are.
    yield "  FADEIN 1 0 0 1 0 0 0"
    yield "  FADEOUT 1 0 0 1 0 0 0"
    yield f"  NAME {_quoted(name)}"


def _quoted(text: str) -> str:
    """A text in the quotation marks that it lacks; Reaper knows three kinds and no escape."""
    text = " ".join(text.split())
    mark = next((mark for mark in "\"'`" if mark not in text), "`")
    return f"{mark}{text.replace('`', chr(39)) if mark == '`' else text}{mark}"


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") or "0"


def _guid(*names: str) -> str:
    """The same for the same names, so that an export can be compared with another."""
    found = uuid.uuid5(uuid.NAMESPACE_URL, "milonga:" + "/".join(names))
    return f"{{{str(found).upper()}}}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]
