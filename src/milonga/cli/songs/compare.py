"""``milonga compare``: recordings against a baseline, by figures."""

from __future__ import annotations

from pathlib import Path

import click

from milonga.cli.common import json_option, make_progress, print_json, put, say, say_error

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
    similarities, level. The same figures for yardsticks (the baseline itself, its seconds
    shuffled, noise of its colour, silence) show what a similarity is worth.

    A recording that can't be read is reported, the others are compared; the exit status is 1 then.
    """
    from milonga.workflows.comparing import compare as compared

    many = len(candidates) >= _SHOW_PROGRESS_FROM
    progress = make_progress() if many or report else None
    comparison = compared(baseline, candidates, report=report, progress=progress)
    if as_json:
        print_json(comparison.to_dict())
    else:
        from milonga.analysis.text import comparison_text

        put(comparison_text(comparison))
    for candidate in comparison.failed:
        say_error(f"{candidate.path}: {candidate.error}")
    if comparison.report is not None:
        say(f"Report: {comparison.report}")
    return 1 if comparison.failed else 0
