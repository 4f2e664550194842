"""The cards of a section's recordings: each is read once, drawn on the scales they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga import audio
from milonga.analysis.report.axes import Tick, hertz_ticks, note_ticks, time_ticks
from milonga.analysis.report.media import Folder
from milonga.analysis.report.model import ReportTrack
from milonga.analysis.report.views import (
    Axes,
    Picture,
    Shade,
    TrackView,
    receipt_view,
    track_facts,
)
from milonga.analysis.shown.figures import match_gains, number
from milonga.analysis.spectra import chroma_picture, mel_picture, picture_hertz
from milonga.audio import pictures
from milonga.errors import AudioError
from milonga.runtime.progress import Task

_QUIETEST_TOP_DB, _QUIETEST_PEAK = -50.0, 0.01
"""Scales go no lower, or silence would be drawn as if it were loud."""


_BOTH_LU = 3.01
"""BS.1770 counts a mono recording once; two loudspeakers play it twice."""


_LONGER = 2.0
"""A recording this many times as long as the others has its own scale of time."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """The figures of a recording, kept until its section's common scale is known."""

    seconds: float
    sample_rate: int
    channels: int
    loudness: float | None
    url: str
    note: str
    wave: pictures.Wave
    mel: NDArray[np.float32]
    chroma: NDArray[np.float32]


def group(
    name: str, tracks: Sequence[ReportTrack], place: Folder, preload: str, task: Task
) -> tuple[list[TrackView], Axes]:
    """Make the cards of recordings that share their scales, and those scales."""
    found: list[_Measured | AudioError] = []
    spans = _spans(tracks)
    for track, span in zip(tracks, spans, strict=True):
        try:
            found.append(_measure(track, span, place))
        except AudioError as error:
            found.append(error)
        task.advance()
    heard = [one for one in found if isinstance(one, _Measured)]
    top_db = max([_QUIETEST_TOP_DB, *(float(np.nanmax(one.mel)) for one in heard)])
    full_scale = max([_QUIETEST_PEAK, *(one.wave.peak for one in heard)])
    gains = match_gains([_heard_lufs(one) if isinstance(one, _Measured) else None for one in found])
    views = []
    for index, (track, one, gain, span) in enumerate(zip(tracks, found, gains, spans, strict=True)):
        letter = chr(ord("A") + index) if index < 26 else str(index + 1)
        picture = None
        if isinstance(one, _Measured):
            picture = _picture(f"{name}-{index}", one, span, top_db, full_scale, place, track)
        views.append(_track_view(f"{name}-{index}", letter, track, one, gain, picture, span))
    centres = picture_hertz().tolist()
    axes = Axes(
        preload=preload,
        top_level=number(20 * float(np.log10(full_scale)), 0),
        hertz=hertz_ticks(centres),
        hertz_range=f"{centres[0]:.0f} Hz to {centres[-1] / 1000:.0f} kHz",
        notes=note_ticks(),
    )
    return views, axes


def _heard_lufs(one: _Measured) -> float | None:
    """The loudness as it is heard: mono comes from both loudspeakers, and is 3 dB louder."""
    if one.loudness is None:
        return None
    return one.loudness + (_BOTH_LU if one.channels == 1 else 0.0)


def _spans(tracks: Sequence[ReportTrack]) -> list[float]:
    """Choose the time that each picture shows: one for all, but for those that are far longer.

    One long recording would squeeze the pictures of all others; it has a scale of its own.
    """
    lengths = []
    for track in tracks:
        try:
            lengths.append(audio.probe(track.path).seconds)
        except AudioError:
            lengths.append(0.0)
    heard = sorted(length for length in lengths if length > 0)
    if not heard:
        return [1.0] * len(tracks)
    first = lengths[0] if tracks[0].kind == "baseline" else 0.0
    usual = _LONGER * max(first, heard[len(heard) // 2])
    shared = max(length for length in heard if length <= usual)
    return [length if length > usual else shared for length in lengths]


def _measure(track: ReportTrack, span: float, place: Folder) -> _Measured:
    playable = place.playable(track.path)
    clip = audio.read(track.path)
    features = track.entry.get("features") or {}
    loudness = features.get("loudness_lufs", None)
    if loudness is None:
        loudness = audio.loudness_lufs(clip)
    return _Measured(
        seconds=clip.seconds,
        sample_rate=clip.sample_rate,
        channels=clip.channels,
        # As it will be played, which a conversion may have lowered.
        loudness=None if loudness is None else loudness + playable.gain_db,
        url=playable.url,
        note=playable.note,
        wave=pictures.wave(clip, span),
        mel=mel_picture(clip),
        chroma=chroma_picture(clip),
    )


def _picture(
    name: str,
    one: _Measured,
    span: float,
    top_db: float,
    full_scale: float,
    place: Folder,
    track: ReportTrack,
) -> Picture:
    peak, rms = pictures.wave_paths(one.wave, full_scale)
    mel = pictures.spectrogram_png(one.mel, one.seconds, span, top_db)
    chroma = pictures.chromagram_png(one.chroma, one.seconds, span)
    return Picture(
        peak=peak,
        rms=rms,
        columns=pictures.WAVE_COLUMNS,
        mel=place.picture(f"{name}-mel", mel),
        mel_height=len(one.mel),
        chroma=place.picture(f"{name}-chroma", chroma),
        chroma_height=12 * pictures.CHROMA_ROW,
        width=pictures.WIDTH,
        marks=[Tick(round(100 * at / span, 3), text) for at, text in track.marks],
        shades=[_shade(start, end, text, span) for start, end, text in track.ranges],
    )


def _shade(start: float, end: float, text: str, span: float) -> Shade:
    at, width = (round(100 * seconds / span, 3) for seconds in (start, end - start))
    return Shade(at, width, text, f"{text}: {number(start, 1)} to {number(end, 1)} s")


def _track_view(
    name: str,
    letter: str,
    track: ReportTrack,
    one: _Measured | AudioError,
    gain: float | None,
    picture: Picture | None,
    span: float,
) -> TrackView:
    heard = one if isinstance(one, _Measured) else None
    facts = ""
    if heard is not None:
        facts = track_facts(
            heard.seconds, heard.sample_rate, heard.channels, track.entry.get("features")
        )
    notes = [note for note in (track.note, heard.note if heard else "") if note]
    return TrackView(
        id=name,
        letter=letter,
        label=track.label,
        kind=track.kind,
        chosen=track.chosen,
        stale=track.stale,
        findings=tuple(track.findings),
        note=" ".join(notes),
        facts=facts,
        length=f"{number(heard.seconds, 1)} s" if heard else "",
        seconds=round(heard.seconds, 4) if heard else 0.0,
        gain_db=None if gain is None else round(gain, 2),
        lufs=None if heard is None or (lufs := _heard_lufs(heard)) is None else round(lufs, 2),
        url=heard.url if heard else "",
        trouble=f"{track.path.name}: {one.message}" if isinstance(one, AudioError) else "",
        picture=picture,
        receipt=None if track.receipt is None else receipt_view(track.receipt),
        worth=str(track.entry.get("sentence") or ""),
        span=round(span, 4),
        ticks=time_ticks(span),
        asked=tuple(fact for fact in track.facts if fact["asked"]),
    )
