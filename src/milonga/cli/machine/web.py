"""``milonga web``: everything on a page of this machine."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from pkgutil import resolve_name

import click

from milonga.cli.common import say
from milonga.errors import needs_extra

PASSWORD = "MILONGA_WEB_PASSWORD"
_FACE = "milonga.web.serve"
"""The other face: named, not imported, as faces know nothing of each other."""


@click.command()
@click.argument(
    "songs", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[SONG]..."
)
@click.option(
    "--songs",
    "root",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the songs lie, a folder for each; by default in milonga's data folder.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to answer at. Another than this machine's own needs --auth.",
)
@click.option(
    "--auth",
    is_flag=True,
    help=f"Ask every visitor for a password, which is asked for here, or taken from {PASSWORD}.",
)
@click.option("--open/--no-open", "opens", default=True, help="Open the page in the browser.")
def web(
    songs: tuple[Path, ...], root: Path | None, port: int, host: str, auth: bool, opens: bool
) -> int:
    """Show songs, sounds, models and jobs on a page of this machine.

    SONG is a sheet, or the folder of a rendered song, to be listed beside those of the page. The
    page answers at 127.0.0.1: nobody else reaches it, and it sends nothing anywhere. Ctrl-C ends
    it; jobs go on.

    \b
    milonga web
    milonga web out --port 8000
    """
    with needs_extra("The page", "web"):
        face = {name: resolve_name(f"{_FACE}:{name}") for name in ("Door", "bind", "serve")}
    if auth and not (password := os.environ.get(PASSWORD, "")):
        password = click.prompt("Password for visitors", hide_input=True, confirmation_prompt=True)
    door = face["Door"](host, password if auth else "")
    if not door.local and not door.password:
        raise click.UsageError(
            f"At {host}, everybody who reaches this machine could use the page: read and write "
            "your songs, and keep the processor busy. Add --auth, and each visitor needs a "
            "password. It goes over the network as it is typed, so only use it in a network that "
            "you trust."
        )
    taken = face["bind"](door, port)

    def ready(address: str) -> None:
        say(f"milonga is at {address} (Ctrl-C ends it)")
        if not door.local:
            say(
                f"It answers at {host} to everybody who knows the password. Nothing is encrypted: "
                "use it only in a network that you trust."
            )
        if opens:
            webbrowser.open(address)

    face["serve"](taken, door, root, songs, ready)
    return 0
