"""``milonga export``: a song for other programs."""

from __future__ import annotations

from pathlib import Path

import click

from milonga.cli.common import json_option, make_progress, put, say, show
from milonga.cli.options import folder_option, replace_option, song_argument


@click.command()
@song_argument
@folder_option
@click.option("--stems", is_flag=True, help="A file a role, and a file an instrument group.")
@click.option("--midi", is_flag=True, help="The notes, with tempo map, markers and lyrics.")
@click.option("--lrc", is_flag=True, help="Lyrics with the times of lines, and of words.")
@click.option("--srt", is_flag=True, help="Lyrics as subtitles.")
@click.option("--reaper", is_flag=True, help="A project of Reaper, with the stems.")
@click.option(
    "--dawproject", is_flag=True, help="A project for Bitwig Studio, Studio One, Cubase and others."
)
@click.option(
    "--c2pa", is_flag=True, help="song.wav with a signed manifest of how it was made (extra c2pa)."
)
@replace_option
@json_option
def export(out: Path, folder: Path, force: bool, as_json: bool, **flags: bool) -> int:
    """Write the song in OUT for other programs; without a choice, in every form but --c2pa.

    Notes and words are exact where the guide wrote them. Words of other takes are timed by a
    recogniser, if one is on this machine.

    \b
    milonga export out -o studio
    milonga export out -o studio --stems --midi
    """
    from milonga.workflows.studio.export import export_song

    what = [name for name, wanted in flags.items() if wanted]
    found = export_song(out, folder, what=what, force=force, progress=make_progress())

    def printed() -> None:
        for name in found.files:
            put(found.folder / name)
        say(found.summary)
        for note in found.notes:
            say(f"note: {note}")

    show(found, as_json, printed)
    return 0
