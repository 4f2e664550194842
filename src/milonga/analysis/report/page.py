"""Writing a report: pictures, audio, and last the page, which needs no network."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga._version import __version__
from milonga.analysis.report.licences import licence_summary, licence_views
from milonga.analysis.report.media import AUDIO, PICTURES, Folder, check_page_is_ours
from milonga.analysis.report.model import Report, ReportSection, ReportTrack
from milonga.analysis.report.recordings import group
from milonga.analysis.report.views import Axes, TrackView, section_view, tally
from milonga.audio import pictures
from milonga.runtime.files import (
    check_no_links,
    check_writable,
    named_path,
    sweep_parts,
    write_text,
)
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    from jinja2 import Environment

    from milonga.analysis.comparing.model import Comparison

MARK = "milonga report"
"""Stands in the page's head; a page without it is never replaced."""

_EAGER = 32
"""Players up to this number load their headers at once; more do when they come near."""


def write_report(
    report: Report,
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
    *,
    copy_audio: bool = False,
) -> Path:
    """Write ``folder/index.html`` with its pictures and audio; return its path.

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
    folder = Path(folder)
    page = folder / "index.html"
    check_report_folder(folder)
    place = Folder(folder, None if copy_audio else folder.resolve().parent)
    groups = list(report.groups())
    count = sum(len(tracks) for tracks in groups)
    preload = "metadata" if count <= _EAGER else "none"
    with progress.task("Writing the report", count, "recordings") as task:
        made = [group(f"g{i}", g, place, preload, task) for i, g in enumerate(groups)]
    song = made.pop(0) if report.song is not None else None
    text = _render(report, song, made)
    write_text(page, text)
    sweep_parts(folder)
    place.sweep()
    return page


def check_report_folder(folder: Path) -> None:
    """Refuse a folder that can't take a report, before the work.

    Raises:
        OutputError: it holds a page that isn't ours, or links to other places; or it can't be
            written.
    """
    check_page_is_ours(folder / "index.html", MARK)
    check_no_links(folder, folder / AUDIO, folder / PICTURES)
    check_writable(folder)


def write_comparison_report(
    comparison: Comparison | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    folder: str | os.PathLike[str],
    progress: Progress | None = None,
) -> Path:
    """Write the page of one or several comparisons; the folder stands alone.

    Args:
        comparison: a comparison, or the document of ``milonga compare --json``, version 0.1's
            too; or several documents, which become sections.
        folder: made if needed.
        progress: told of each recording.

    Raises:
        OutputError: as ``write_report``.
        Cancelled: as ``write_report``.
    """
    if isinstance(comparison, Mapping):
        documents: Sequence[Mapping[str, Any]] = [comparison]
    elif isinstance(comparison, Sequence):
        documents = comparison
    else:
        documents = [comparison.to_dict()]
    made = [_comparison_section(document) for document in documents]
    title, subtitle = made[0][1:]
    sections = [replace(made[0][0], title="Comparison")]
    if len(made) > 1:
        title, subtitle = f"{len(made)} comparisons", ""
        sections = [section for section, *_ in made]
    report = Report(
        title=title,
        subtitle=subtitle,
        sections=sections,
        made={"milonga": __version__, "command": "milonga compare"},
    )
    return write_report(report, folder, progress, copy_audio=True)


def _comparison_section(document: Mapping[str, Any]) -> tuple[ReportSection, str, str]:
    """Make the section of one comparison, and the title and subtitle of a page of it alone."""
    baseline, candidates = document.get("baseline"), list(document["candidates"])
    compared = [*([baseline] if baseline else []), *candidates]
    names = [Path(one["path"]).name for one in compared]
    labels = names if len(set(names)) == len(names) else [one["path"] for one in compared]
    tracks = [
        ReportTrack(
            label=label,
            path=named_path(one["path"]),
            kind="baseline" if one is baseline else "take",
            compared=one,
            findings=[(f["code"], f["message"]) for f in one.get("findings", ())],
            note=_note(one),
        )
        for label, one in zip(labels, compared, strict=True)
    ]
    others = labels[1:] if baseline else labels
    listed = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    title = labels[0] if baseline else "Recordings"
    section = ReportSection(
        title,
        tracks=tracks,
        # Their name in version 0.1 was "controls".
        yardsticks=document.get("yardsticks", document.get("controls")),
        impostors=document.get("impostors"),
        ladder=document.get("ladder"),
    )
    return section, title, f"compared with {listed}" if baseline else listed


def _note(entry: Mapping[str, Any]) -> str:
    notes = [f"May be meant: {remark['message']}" for remark in entry.get("remarks", ())]
    notes += entry.get("warnings", ())
    matched = (entry.get("common") or {}).get("matched_s")
    if matched:
        notes.append(f"Compared with {matched[0]:.1f} to {matched[1]:.1f} s of the baseline.")
    return " ".join(notes)


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
            measures=list(dict.fromkeys(scale.name for s in sections for scale in s.scales)),
            tally=tally(report, licences),
            made=list(report.made.items()),
            reference=next((section.reference for section in sections), "baseline"),
            range_db=f"{pictures.RANGE_DB:.0f}",
        )
    )


def _policy(style: str, script: str) -> str:
    """Let the page run its own script and show the files beside it; nothing else."""
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
