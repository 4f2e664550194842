"""A song as a DAWproject (github.com/bitwig/dawproject, version 1.0): XML and audio in a zip.

Bitwig Studio, Studio One, Cubase and others open it. Positions are quarter notes ("beats"), what
lies within an audio file is seconds.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from milonga._version import __version__
from milonga.generators.notation import WrittenPart
from milonga.songs.export.project import AudioTrack, Project
from milonga.songs.export.timeline import TempoMap

Element = ElementTree.Element


def write_dawproject(path: Path, project: Project, audio: Mapping[str, Path]) -> None:
    """Write a DAWproject with its audio inside.

    Args:
        path: of the file.
        project: what it shows.
        audio: the files on disk, by the paths that the project has for them.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, root in (("project.xml", project_xml(project)), ("metadata.xml", _meta(project))):
            ElementTree.indent(root)
            text = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
            archive.writestr(_entry(name), text, zipfile.ZIP_DEFLATED)
        for track in project.tracks:
            entry = archive.open(_entry(track.file), "w", force_zip64=True)
            with open(audio[track.file], "rb") as source, entry as target:
                shutil.copyfileobj(source, target, 1 << 20)


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without the time of day: the same song gives the same file."""
    return zipfile.ZipInfo(name)


def project_xml(project: Project) -> Element:
    """Return a project as the element ``Project``."""
    score = project.score
    root = _element(None, "Project", version="1.0")
    _element(root, "Application", name="milonga", version=__version__)
    first = score.tempo.points[0]
    transport = _element(root, "Transport")
    _element(transport, "Tempo", id="tempo", name="Tempo", unit="bpm", value=_number(first.bpm))
    _element(
        transport, "TimeSignature", id="time", denominator=first.denominator,
        numerator=first.numerator,
    )  # fmt: skip
    structure = _element(root, "Structure")
    arrangement = _element(root, "Arrangement", id="arrangement")
    lanes = _element(arrangement, "Lanes", id="lanes", timeUnit="beats")
    for number, track in enumerate(project.tracks):
        _track(structure, f"audio{number}", track.name, "audio", track.gain_db)
        _audio(lanes, f"audio{number}", track, score.tempo)
    for number, part in enumerate(score.parts):
        name = f"MIDI {part.name}" + " (estimated)" * part.estimated
        _track(structure, f"notes{number}", name, "notes", 0.0)
        _notes(lanes, f"notes{number}", part, score.tempo, score.seconds)
    master = _element(structure, "Track", id="master", name="Master", contentType="audio notes")
    channel = _element(master, "Channel", id="master-channel", role="master", audioChannels=2)
    _element(channel, "Volume", id="master-volume", unit="linear", value="1.0")
    if score.places:
        markers = _element(arrangement, "Markers", id="markers", timeUnit="beats")
        for place in score.places:
            time = _number(score.tempo.on_grid(place.start_s))
            _element(markers, "Marker", name=place.label, time=time)
    _automation(arrangement, score.tempo)
    return root


def _automation(arrangement: Element, tempo: TempoMap) -> None:
    bpm = _element(
        arrangement, "TempoAutomation", id="tempo-map", timeUnit="beats", unit="bpm"
    )  # fmt: skip
    _element(bpm, "Target", parameter="tempo")
    times = _element(arrangement, "TimeSignatureAutomation", id="time-map", timeUnit="beats")
    _element(times, "Target", parameter="time")
    time = (0, 0)
    for point in tempo.points:
        at = _number(point.quarters)
        _element(bpm, "RealPoint", time=at, value=_number(point.bpm), interpolation="hold")
        if time != (time := (point.numerator, point.denominator)):
            _element(
                times, "TimeSignaturePoint", time=at, numerator=point.numerator,
                denominator=point.denominator,
            )  # fmt: skip


def _track(structure: Element, key: str, name: str, content: str, gain_db: float) -> None:
    track = _element(structure, "Track", id=key, name=name, contentType=content, loaded="true")
    channel = _element(
        track, "Channel", id=f"{key}-channel", role="regular", audioChannels=2,
        destination="master-channel",
    )  # fmt: skip
    _element(channel, "Pan", id=f"{key}-pan", unit="normalized", value="0.5")
    volume = _number(10 ** (gain_db / 20))
    _element(channel, "Volume", id=f"{key}-volume", unit="linear", value=volume)


def _audio(lanes: Element, key: str, track: AudioTrack, tempo: TempoMap) -> None:
    own = _element(lanes, "Lanes", id=f"{key}-lanes", track=key)
    clips = _element(own, "Clips", id=f"{key}-clips")
    for number, piece in enumerate(track.pieces):
        begin, end = tempo.on_grid(piece.start_s), tempo.on_grid(piece.end_s)
        clip = _element(
            clips, "Clip", name=piece.name, time=_number(begin), duration=_number(end - begin),
            contentTimeUnit="seconds", playStart=_number(piece.start_s),
            playStop=_number(piece.end_s),
        )  # fmt: skip
        audio = _element(
            clip, "Audio", id=f"{key}-audio{number}", channels=track.channels,
            duration=_number(track.seconds), sampleRate=track.sample_rate, timeUnit="seconds",
        )  # fmt: skip
        _element(audio, "File", path=track.file)


def _notes(lanes: Element, key: str, part: WrittenPart, tempo: TempoMap, seconds: float) -> None:
    own = _element(lanes, "Lanes", id=f"{key}-lanes", track=key)
    clips = _element(own, "Clips", id=f"{key}-clips")
    whole = _number(tempo.quarters(seconds))
    clip = _element(clips, "Clip", name=part.name, time="0", duration=whole)
    notes = _element(clip, "Notes", id=f"{key}-notes")
    channel = 9 if part.drums else 0
    for note in part.notes:
        begin, end = tempo.quarters(note.start_s), tempo.quarters(note.end_s)
        velocity = _number(note.velocity / 127)
        _element(
            notes, "Note", time=_number(begin), duration=_number(max(end - begin, 1e-3)),
            channel=channel, key=note.pitch, vel=velocity, rel=velocity,
        )  # fmt: skip


def _meta(project: Project) -> Element:
    root = _element(None, "MetaData")
    _element(root, "Title").text = _readable(project.score.title)
    if project.score.artist:
        _element(root, "Artist").text = _readable(project.score.artist)
    _element(root, "Comment").text = "Made with milonga: generative models on this machine."
    return root


def _element(parent: Element | None, tag: str, **attributes: Any) -> Element:
    values = {name: _readable(str(value)) for name, value in attributes.items()}
    if parent is None:
        return Element(tag, values)
    return ElementTree.SubElement(parent, tag, values)


def _readable(text: str) -> str:
    """Without what XML can't hold."""
    return "".join(char for char in text if char in "\t\n" or char >= " ").strip()


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".") or "0"
