"""Comparing recordings in one step: figures, what they are worth, pages and files of them."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.errors import ComparisonError
from milonga.runtime.files import check_writable, read_refusal, write_text
from milonga.runtime.words import counted

if TYPE_CHECKING:
    from milonga.analysis.comparing.model import Comparison
    from milonga.runtime.progress import Progress

PathLike = str | os.PathLike[str]


def compare(
    baseline: PathLike,
    candidates: PathLike | Sequence[PathLike],
    *,
    report: PathLike | None = None,
    csv: PathLike | None = None,
    pictures: PathLike | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare recordings with a baseline by figures.

    Args:
        baseline: the recording to compare with.
        candidates: one or several recordings, any rate, channels and length; a folder stands
            for the recordings in it.
        report: a folder for a page with players, pictures and all figures; its path is
            ``.report`` of the result.
        csv: a file for one row for each candidate.
        pictures: a folder for a vector picture (SVG).
        workers: threads; None for one per processor.
        progress: counts recordings.

    Returns:
        The comparison; a candidate that can't be read has its error in its place.

    Raises:
        AudioError: the baseline can't be read.
        ComparisonError: a folder has no recordings.
        OutputError: the report, table or picture can't be written.
        Cancelled: the user stopped it.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> t = np.arange(2 * 22050) / 22050
        >>> milonga.write("a.wav", milonga.Clip(0.5 * np.sin(2 * np.pi * 220 * t), 22050))
        >>> milonga.write("b.wav", milonga.Clip(0.5 * np.sin(2 * np.pi * 440 * t), 22050))
        >>> comparison = milonga.compare("a.wav", "b.wav", report="report")
        >>> comparison.report.name
        'index.html'
        >>> round(comparison.candidates[0].differences.spectral_centroid_diff_pct, -1)
        100.0
    """
    (found,) = compare_pairs(
        {baseline: candidates},
        report=report,
        csv=csv,
        pictures=pictures,
        workers=workers,
        progress=progress,
    )
    return found


def compare_pairs(
    pairs: PathLike | Mapping[PathLike, PathLike | Sequence[PathLike]],
    *,
    report: PathLike | None = None,
    csv: PathLike | None = None,
    pictures: PathLike | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> list[Comparison]:
    """Compare many baselines, each with candidates of its own.

    Args:
        pairs: candidates by baseline, or a CSV file of a baseline and a candidate in each line
            (paths relative to the file; a first line "baseline,candidate" is a heading).
            A candidate may be a folder of recordings.
        report: a folder for one page with a section for each baseline.
        csv: a file for one row for each candidate.
        pictures: a folder for a vector picture (SVG) of each baseline.
        workers: threads; None for one per processor.
        progress: counts recordings.

    Returns:
        A comparison for each baseline, in order.

    Raises:
        ComparisonError: the file isn't such a list, or a folder has no recordings.
        AudioError: a baseline can't be read.
        OutputError: something can't be written.
        Cancelled: the user stopped it.
    """
    from milonga.analysis.comparison import compare as compared

    asked = pairs if isinstance(pairs, Mapping) else read_pairs(pairs)
    named = {
        baseline: [path for one in _listed(candidates) for path in _recordings(one, baseline)]
        for baseline, candidates in asked.items()
    }
    if report is not None:
        from milonga.analysis.report import check_report_folder, write_comparison_report

        check_report_folder(Path(report))
    for folder in (pictures, Path(csv).parent if csv is not None else None):
        if folder is not None:
            check_writable(Path(folder))
    found = [
        compared(baseline, candidates, workers=workers, progress=progress)
        for baseline, candidates in named.items()
    ]
    documents = [one.to_dict() for one in found]
    if csv is not None:
        from milonga.analysis.shown.rows import comparisons_csv

        write_text(Path(csv), comparisons_csv(documents))
    if pictures is not None:
        from milonga.analysis.shown.vector import comparison_svg

        for document, name in zip(documents, _picture_names(found), strict=True):
            write_text(Path(pictures) / name, comparison_svg(document))
    if report is None:
        return found
    page = write_comparison_report(documents, report, progress)
    return [replace(one, report=page) for one in found]


def read_pairs(path: PathLike) -> dict[PathLike, list[PathLike]]:
    """Read a CSV file of a baseline and a candidate in each line.

    Raises:
        ComparisonError: it can't be read, or a line has another number of fields.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        message, step = read_refusal(error, "The list of pairs")
        raise ComparisonError(message, where=os.fspath(path), step=step) from error
    except UnicodeDecodeError as error:
        raise ComparisonError(
            "The list of pairs is no text in UTF-8.",
            where=os.fspath(path),
            step="Save it as CSV in UTF-8: a baseline and a candidate in each line.",
        ) from error
    folder = Path(path).parent
    pairs: dict[PathLike, list[PathLike]] = {}
    for number, fields in enumerate(csv.reader(text.splitlines()), start=1):
        if not any(field.strip() for field in fields):
            continue
        if len(fields) != 2:
            raise ComparisonError(
                f"Line {number} has {counted(len(fields), 'field')}; a baseline and a candidate "
                "are two.",
                where=os.fspath(path),
                step="Write for example: baseline.wav,take.wav",
            )
        first, second = (field.strip() for field in fields)
        if number == 1 and first.lower() == "baseline":
            continue
        pairs.setdefault(str(folder / first), []).append(str(folder / second))
    if not pairs:
        raise ComparisonError(
            "The list of pairs is empty.",
            where=os.fspath(path),
            step="Write a baseline and a candidate in each line: baseline.wav,take.wav",
        )
    return pairs


def _listed(candidates: PathLike | Sequence[PathLike]) -> Sequence[PathLike]:
    return [candidates] if isinstance(candidates, str | os.PathLike) else candidates


def _recordings(candidate: PathLike, baseline: PathLike) -> list[PathLike]:
    """Return the recordings of a folder but the baseline, sorted; a file as it is."""
    from milonga.audio import SUFFIXES

    folder = Path(candidate)
    if os.fspath(candidate) == "-" or not folder.is_dir():
        return [candidate]
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in SUFFIXES and path.resolve() != Path(baseline).resolve()
    ]
    if not found:
        raise ComparisonError("There are no recordings in this folder.", where=str(folder))
    return list(found)


def _picture_names(found: Sequence[Comparison]) -> list[str]:
    names: list[str] = []
    for one in found:
        stem = Path(one.baseline.path).stem if one.baseline else "recordings"
        name = f"{stem}.svg"
        number = 2
        while name in names:
            name, number = f"{stem}-{number}.svg", number + 1
        names.append(name)
    return names
