"""``milonga compare``: recordings against a baseline, by figures."""

from __future__ import annotations

from pathlib import Path

import click

from milonga.cli.common import json_option, make_progress, print_json, put, say, say_error

_SHOW_PROGRESS_FROM = 8
"""Fewer recordings are done before a bar can be read."""


@click.command()
@click.argument("baseline", required=False, type=click.Path())
@click.argument("candidates", metavar="CANDIDATE...", nargs=-1, type=click.Path())
@json_option
@click.option(
    "--pairs",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="A CSV file of a baseline and a candidate in each line, in place of the arguments.",
)
@click.option(
    "--report",
    "report",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write a page with players, pictures and all figures into this folder.",
)
@click.option(
    "--csv",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Also write one row for each candidate, with every figure, as CSV.",
)
@click.option(
    "--pictures",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Also write a vector picture (SVG) of each baseline into this folder.",
)
def compare(
    baseline: str | None,
    candidates: tuple[str, ...],
    as_json: bool,
    pairs: str | None,
    report: Path | None,
    csv: str | None,
    pictures: str | None,
) -> int:
    """Compare recordings with a baseline by figures. A candidate may be a folder of recordings.

    On common ground (one band, level and tuning, aligned in time) come figures of sound, notes,
    rhythm, dynamics and form, and a sentence that says what they are worth: a place between two
    steps of known damage, or what else scores as much. Below stand librosa's usual figures, as
    others publish them.

    A recording that can't be read is reported, the others are compared; the exit status is 1 then.

    \b
    milonga compare baseline.wav out/song.wav
    milonga compare baseline.wav takes/ --report page --csv figures.csv
    """
    from milonga.workflows.comparing import compare_pairs

    if (pairs is None) != bool(baseline and candidates):
        raise click.UsageError("Name a baseline and candidates, or --pairs FILE.")
    many = len(candidates) >= _SHOW_PROGRESS_FROM
    progress = make_progress() if many or report or pairs else None
    found = compare_pairs(
        {baseline: candidates} if baseline else pairs or "",
        report=report,
        csv=csv,
        pictures=pictures,
        progress=progress,
    )
    if as_json and pairs is None:
        print_json(found[0].to_dict())
    elif as_json:
        print_json({"comparisons": [one.to_dict() for one in found]})
    else:
        from milonga.analysis.text import comparison_text

        put("\n\n\n".join(comparison_text(one) for one in found))
    failed = [candidate for one in found for candidate in one.failed]
    for candidate in failed:
        say_error(f"{candidate.path}: {candidate.error}")
    if found[0].report is not None:
        say(f"Report: {found[0].report}")
    return 1 if failed else 0
