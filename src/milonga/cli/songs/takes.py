"""``milonga takes``: the takes of a song, with their state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from milonga.cli.common import json_option, make_progress, print_json, print_table, say, say_note
from milonga.cli.options import song_argument
from milonga.runtime.words import counted, size_text

if TYPE_CHECKING:
    from milonga.songs.output.take_list import TakeList


@click.command()
@song_argument
@click.option("--prune", is_flag=True, help="Remove stale takes that are neither chosen nor mixed.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option(
    "--diff",
    nargs=2,
    metavar="A B",
    help="Tell what differs between the receipts of two takes: their names, or paths from OUT.",
)
@json_option
def takes(out: Path, prune: bool, yes: bool, diff: tuple[str, str] | None, as_json: bool) -> int:
    """List the takes of the song in OUT: state, size, and what they were made for.

    A take is current when it was made for the sheet as it is now, stale when for an earlier state
    of it, an orphan when the sheet has no such layer, or damaged. An edit stands below what it was
    made from.

    \b
    milonga takes out
    milonga takes out --diff guide-s0 guide-s1
    """
    from milonga.workflows.takes import list_takes, prune_takes

    if diff:
        return _diff(out, diff, as_json)
    if prune and as_json and not yes:
        raise click.UsageError("--json needs --yes: nobody can be asked.")
    found = list_takes(out, progress=make_progress())
    if not prune:
        if as_json:
            print_json(found.to_dict())
        else:
            _show(found)
        return 0
    wanted = found.removable
    if wanted and not yes:
        _show(wanted)
        click.confirm(f"Remove these {len(wanted)} takes, for good?", abort=True, err=True)
    removed = prune_takes(out) if wanted else wanted
    if as_json:
        print_json({"removed": removed.to_dict()})
    else:
        say(f"Removed {counted(len(removed), 'stale take')}, {size_text(removed.size)}.")
        for note in removed.notes:
            say_note(note)
    return 0


def _diff(out: Path, diff: tuple[str, str], as_json: bool) -> int:
    from milonga.workflows.takes import compare_takes

    found = compare_takes(out, *diff)
    if as_json:
        print_json(found)
        return 0
    if found.differences:
        rows = (difference.row for difference in found.differences)
        print_table(("", found.a.stem, found.b.stem), rows)
    say("The samples are the same." if found.same_samples else "The samples differ.")
    return 0


def _show(found: TakeList) -> None:
    if found:
        print_table(found.headings, found.rows, right=("Size",), no_wrap=found.headings[0])
    say(found.summary)
    for note in found.notes:
        say_note(note)
