"""Comparing recordings in one step: figures, yardsticks and, if wanted, a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from milonga.analysis.comparison import Comparison
    from milonga.runtime.progress import Progress


def compare(
    baseline: str | os.PathLike[str],
    candidates: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    report: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare recordings with a baseline by figures.

    Args:
        baseline: the recording to compare with.
        candidates: one or several recordings, any rate, channels and length.
        report: a folder for a page with players, pictures and all figures; its path is
            ``.report`` of the result.
        workers: threads; None for one per processor.
        progress: counts recordings.

    Returns:
        The comparison; a candidate that can't be read has its error in its place.

    Raises:
        AudioError: the baseline can't be read.
        OutputError: the report can't be written.
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
    from milonga.analysis.comparison import compare as compared
    from milonga.analysis.report import check_report_folder, write_comparison_report

    if report is not None:
        check_report_folder(Path(report))
    found = compared(baseline, candidates, workers=workers, progress=progress)
    if report is None:
        return found
    return replace(found, report=write_comparison_report(found, report, progress))
