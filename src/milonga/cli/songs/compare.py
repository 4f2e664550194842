"""``milonga compare``: recordings against a baseline, by figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    from milonga.analysis.comparison import Comparison

_SHOW_PROGRESS_FROM = 8
"""Fewer recordings are done before a bar can be read."""


@click.command()
@click.argument("baseline", type=click.Path())
@click.argument("candidates", metavar="CANDIDATE...", nargs=-1, required=True, type=click.Path())
@json_option
@click.option(
    "--report",
    "report",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write a page with players, pictures and all figures into this folder.",
)
def compare(baseline: str, candidates: tuple[str, ...], as_json: bool, report: Path | None) -> int:
    """Compare recordings with a baseline by figures.

    The figures are librosa's usual ones: tempo, brightness, mean MFCCs and chroma with their
    similarities, level. Beneath them stand the same figures for controls (the baseline itself,
    its seconds shuffled, noise of its colour, silence), which show what a similarity is worth.

    A recording that can't be read is reported, the others are compared; the exit status is 1 then.
    """
    from milonga.analysis.comparison import compare as compared

    many = len(candidates) >= _SHOW_PROGRESS_FROM
    progress = make_progress() if many or report else Progress()
    comparison = compared(baseline, candidates, progress=progress)
    page = _page(comparison, report, progress) if report else None
    if as_json:
        print_json(comparison.to_dict())
    else:
        from milonga.cli.songs.compare_table import table

        click.echo(table(comparison))
    for candidate in comparison.failed:
        say(f"{click.style('error:', fg='red', bold=True)} {candidate.path}: {candidate.error}")
    if page is not None:
        say(f"Report: {page}")
    return 1 if comparison.failed else 0


def _page(comparison: Comparison, folder: Path, progress: Progress) -> Path:
    from milonga.analysis.report import write_comparison_report

    return write_comparison_report(comparison, folder, progress)
