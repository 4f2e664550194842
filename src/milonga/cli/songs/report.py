"""``milonga report``: the page of a rendered song anew."""

from __future__ import annotations

from pathlib import Path

import click

from milonga.cli.common import json_option, make_progress, print_json


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@json_option
def report(out: Path, as_json: bool) -> int:
    """Write the report of the song in OUT anew, from its takes and baselines as they are now."""
    from milonga.songs.output.folder import Session
    from milonga.songs.output.report import write_song_report

    page = write_song_report(Session.load(out), make_progress())
    if as_json:
        print_json({"report": str(page)})
    else:
        click.echo(page)
    return 0
