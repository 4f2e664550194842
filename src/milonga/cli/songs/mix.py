"""``milonga mix``: song.wav anew."""

from __future__ import annotations

from pathlib import Path

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.cli.songs.choices import choose_option, parse_choices


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@choose_option
@json_option
def mix(out: Path, choose: tuple[str, ...], as_json: bool) -> int:
    """Build song.wav in OUT anew from its takes: layered, joined, at -14 LUFS."""
    from milonga.songs.output.folder import Session

    session = Session.load(out)
    choices = parse_choices(choose)
    session.check_choices(choices)
    session.choose(choices)
    mixed = session.mix(make_progress())
    if as_json:
        print_json(mixed.document())
    else:
        show_mix(mixed)
    return 0 if mixed.path else 1


def show_mix(mixed: object) -> None:
    """The mix for people: notes, then where it is."""
    from milonga.songs.output.folder import Mixed

    assert isinstance(mixed, Mixed)
    for note in mixed.notes:
        say(f"note: {note}")
    if mixed.path is None:
        say("There was nothing to mix, so there is no song.wav.")
        return
    loudness = "-" if mixed.loudness_lufs is None else f"{mixed.loudness_lufs:.1f} LUFS"
    peak = "-" if mixed.true_peak_dbtp is None else f"{mixed.true_peak_dbtp:.1f} dBTP"
    say(f"Song: {mixed.seconds:.1f} s, {loudness}, peak {peak}")
    click.echo(mixed.path)
