"""Writes a report: pictures, audio, and last the page, which needs no network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga import audio
from milonga._version import __version__
from milonga.analysis.report import pictures
from milonga.analysis.report.axes import hertz_ticks, note_ticks, time_ticks
from milonga.analysis.report.figures import match_gains, number
from milonga.analysis.report.media import Folder, check_page_is_ours
from milonga.analysis.report.model import Report, ReportSection, ReportTrack
from milonga.analysis.report.scales import MEASURES
from milonga.analysis.report.views import (
    Axes,
    Picture,
    TrackView,
    licence_summary,
    licence_views,
    receipt_view,
    section_view,
    tally,
    track_facts,
)
from milonga.analysis.spectra import chroma_picture, mel_picture, picture_hertz
from milonga.errors import AudioError
from milonga.runtime.files import sweep_parts, write_text
from milonga.runtime.progress import Progress, Task

if TYPE_CHECKING:
    from jinja2 import Environment

    from milonga.analysis.comparison import Comparison

MARK = "milonga report"
"""Stands in the page's head; a page without it is never replaced."""

_EAGER = 32
"""Players up to this number load their headers at once; more do when they come near."""


def write_report(
    report: Report, folder: Path, progress: Progress | None = None, *, copy_audio: bool = False
) -> Path:
    """Writes ``folder/index.html`` with its pictures and audio; returns its path.

    Recordings below the folder's parent (``out/takes/...`` for ``out/report``) are linked, so
    that ``out`` can be moved as a whole; others, and those that not every browser plays, are
    copied into the folder. The page is replaced last, and what an earlier report left is
    removed after that.

    Args:
        report: what to show.
        folder: made if needed.
        progress: told of each recording.
        copy_audio: copy every recording, so that the folder alone can be moved.

    Raises:
        OutputError: the folder can't be written, or holds a page that isn't ours.
        Cancelled: the user stopped it; the earlier page still works.
    """
    progress = progress or Progress()
    page = folder / "index.html"
    check_page_is_ours(page, MARK)
    place = Folder(folder, None if copy_audio else folder.resolve().parent)
    groups = list(report.groups())
    count = sum(len(tracks) for tracks in groups)
    preload = "metadata" if count <= _EAGER else "none"
    with progress.task("report", count, "recordings") as task:
        made = [_group(f"g{i}", g, place, preload, task) for i, g in enumerate(groups)]
    song = made.pop(0) if report.song is not None else None
    text = _render(report, song, made)
    write_text(page, text)
    sweep_parts(folder)
    place.sweep()
    return page


def write_comparison_report(
    comparison: Comparison | Mapping[str, Any], folder: Path, progress: Progress | None = None
) -> Path:
    """The page of one comparison; the folder stands alone.

    Args:
        comparison: a comparison, or the document of ``milonga compare --json``.
        folder: made if needed.
        progress: told of each recording.

    Raises:
        OutputError: as ``write_report``.
        Cancelled: as ``write_report``.
    """
    document = comparison if isinstance(comparison, Mapping) else comparison.as_json()
    baseline, candidates = document.get("baseline"), list(document["candidates"])
    compared = [*([baseline] if baseline else []), *candidates]
    names = [Path(one["path"]).name for one in compared]
    labels = names if len(set(names)) == len(names) else [one["path"] for one in compared]
    tracks = [
        ReportTrack(
            label=label,
            path=Path(one["path"]),
            kind="baseline" if one is baseline else "take",
            features=one.get("features"),
            differences=one.get("differences"),
        )
        for label, one in zip(labels, compared, strict=True)
    ]
    others = labels[1:] if baseline else labels
    listed = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    report = Report(
        title=labels[0] if baseline else "Recordings",
        subtitle=f"compared with {listed}" if baseline else listed,
        sections=[ReportSection("Comparison", tracks=tracks, controls=document.get("controls"))],
        made={"milonga": __version__, "command": "milonga compare"},
    )
    return write_report(report, folder, progress, copy_audio=True)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What is kept of a recording until its section's common scale is known."""

    seconds: float
    rate: int
    channels: int
    loudness: float | None
    url: str
    note: str
    wave: pictures.Wave
    mel: NDArray[np.float32]
    chroma: NDArray[np.float32]


def _group(
    name: str, tracks: Sequence[ReportTrack], place: Folder, preload: str, task: Task
) -> tuple[list[TrackView], Axes]:
    """The cards of recordings that share their scales, and those scales."""
    found: list[_Measured | AudioError] = []
    span = _span(tracks)
    for track in tracks:
        try:
            found.append(_measure(track, span, place))
        except AudioError as error:
            found.append(error)
        task.advance()
    heard = [one for one in found if isinstance(one, _Measured)]
    top_db = max((float(np.nanmax(one.mel)) for one in heard), default=0.0)
    full_scale = max((one.wave.peak for one in heard), default=0.0) or 1.0
    gains = match_gains([one.loudness if isinstance(one, _Measured) else None for one in found])
    views = []
    for index, (track, one, gain) in enumerate(zip(tracks, found, gains, strict=True)):
        letter = chr(ord("A") + index) if index < 26 else str(index + 1)
        picture = None
        if isinstance(one, _Measured):
            picture = _picture(f"{name}-{index}", one, span, top_db, full_scale, place)
        views.append(_track_view(f"{name}-{index}", letter, track, one, gain, picture))
    centres = picture_hertz().tolist()
    axes = Axes(
        span=round(span, 4),
        preload=preload,
        top_level=number(20 * float(np.log10(full_scale)), 0),
        hertz=hertz_ticks(centres),
        hertz_range=f"{centres[0]:.0f} Hz to {centres[-1] / 1000:.0f} kHz",
        notes=note_ticks(),
        seconds=time_ticks(span),
    )
    return views, axes


def _span(tracks: Sequence[ReportTrack]) -> float:
    """Duration of the longest recording that can be read; 1 if there is none."""
    longest = 0.0
    for track in tracks:
        try:
            longest = max(longest, audio.probe(track.path).seconds)
        except AudioError:
            continue
    return longest or 1.0


def _measure(track: ReportTrack, span: float, place: Folder) -> _Measured:
    playable = place.playable(track.path)
    clip = audio.read(track.path)
    features = track.features or {}
    loudness = features.get("loudness_lufs", None)
    if loudness is None:
        loudness = audio.loudness_lufs(clip)
    return _Measured(
        seconds=clip.seconds,
        rate=clip.rate,
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
    name: str, one: _Measured, span: float, top_db: float, full_scale: float, place: Folder
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
    )


def _track_view(
    name: str,
    letter: str,
    track: ReportTrack,
    one: _Measured | AudioError,
    gain: float | None,
    picture: Picture | None,
) -> TrackView:
    heard = one if isinstance(one, _Measured) else None
    facts = ""
    if heard is not None:
        facts = track_facts(heard.seconds, heard.rate, heard.channels, track.features)
    notes = [note for note in (track.note, heard.note if heard else "") if note]
    return TrackView(
        id=name,
        letter=letter,
        label=track.label,
        kind=track.kind,
        chosen=track.chosen,
        findings=tuple(track.findings),
        note=" ".join(notes),
        facts=facts,
        length=f"{number(heard.seconds, 1)} s" if heard else "",
        seconds=round(heard.seconds, 4) if heard else 0.0,
        gain_db=None if gain is None else round(gain, 2),
        lufs=None if heard is None or heard.loudness is None else round(heard.loudness, 2),
        url=heard.url if heard else "",
        trouble=f"{track.path.name}: {one.message}" if isinstance(one, AudioError) else "",
        picture=picture,
        receipt=None if track.receipt is None else receipt_view(track.receipt),
    )


def _render(
    report: Report,
    song: tuple[list[TrackView], Axes] | None,
    groups: Sequence[tuple[list[TrackView], Axes]],
) -> str:
    sections = [
        section_view(index, section, tracks, axes)
        for index, (section, (tracks, axes)) in enumerate(
            zip(report.sections, groups, strict=True), start=1
        )
    ]
    licences = licence_views(report.licences)
    style, script = _asset("page.css"), _asset("page.js")
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            mark=MARK,
            policy=_policy(style, script),
            style=_trusted(style),
            script=_trusted(script),
            report=report,
            song=song,
            sections=sections,
            licences=licences,
            licence_summary=licence_summary(licences),
            measures=[n for n, _ in MEASURES.values() if any(s.scale(n) for s in sections)],
            tally=tally(report, licences),
            made=list(report.made.items()),
            range_db=f"{pictures.RANGE_DB:.0f}",
        )
    )


def _policy(style: str, script: str) -> str:
    """The page may run its own script and show the files beside it; nothing else."""
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"script-src 'sha256-{_sha256(script)}'; style-src 'sha256-{_sha256(style)}'; "
        # 'self' is the page's folder on a server, file: on a disk.
        "img-src 'self' file: data:; media-src 'self' file:"
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _trusted(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
