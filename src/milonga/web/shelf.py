"""The songs that the page shows: a folder for each, and those named when it was started."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from milonga.errors import MilongaError, OutputError, UnknownNameError
from milonga.runtime.files import is_there, make_folder, write_text
from milonga.runtime.places import data_folder
from milonga.songs.output.folder import OLD_RECORD, RECORD, OutputFolder
from milonga.songs.rendering.takes import slug

SHEET = "song.yaml"
OUT = "out"
UPLOADS = "uploads"
_ID = re.compile(r"\w[\w.-]{0,120}")


@dataclass(frozen=True, slots=True)
class SongPlace:
    """A song of the page.

    Attributes:
        id: its name in addresses.
        sheet: the file of its sheet.
        out: its output folder, which may not exist yet.
    """

    id: str
    sheet: Path
    out: Path

    @property
    def rendered(self) -> bool:
        """The output folder holds a rendered song."""
        return any(is_there(self.out / name) for name in (RECORD, OLD_RECORD))

    @property
    def changed(self) -> float:
        """When the sheet was written last, in seconds of the epoch."""
        try:
            return self.sheet.stat().st_mtime
        except OSError:
            return 0.0


class Shelf:
    """The songs in a folder, and songs that lie elsewhere.

    Args:
        root: the folder, with a folder for each song; made when the first one is.
        others: sheets, or output folders of rendered songs.
    """

    def __init__(self, root: Path | None = None, others: Sequence[Path] = ()) -> None:
        self.root = (root or data_folder() / "songs").absolute()
        self._others = {place.id: place for place in map(_elsewhere, others)}

    @property
    def uploads(self) -> Path:
        """The folder of files that were dropped on the page."""
        return data_folder() / "web" / UPLOADS

    def songs(self) -> list[SongPlace]:
        """List the songs, the one that was changed last first."""
        found = dict(self._others)
        try:
            entries = sorted(os.scandir(self.root), key=lambda entry: entry.name)
        except OSError:
            entries = []
        for entry in entries:
            if _ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                place = self._place(entry.name)
                if place.sheet.is_file():
                    found.setdefault(place.id, place)
        return sorted(found.values(), key=lambda place: -place.changed)

    def get(self, name: str) -> SongPlace:
        """Find a song by its name in addresses.

        Raises:
            UnknownNameError: there is none.
        """
        if name in self._others:
            return self._others[name]
        if _ID.fullmatch(name):
            place = self._place(name)
            folder = place.sheet.parent
            if folder.is_dir() and not folder.is_symlink():
                return place
        raise UnknownNameError("song", name, [place.id for place in self.songs()])

    def add(self, title: str, text: str) -> SongPlace:
        """Put a new song on the shelf, under a name of its own.

        Raises:
            OutputError: the folder can't be written.
        """
        make_folder(self.root)
        base = slug(title)
        for number in range(1, 10_000):
            place = self._place(base if number == 1 else f"{base}-{number}")
            if place.id in self._others:
                continue
            try:
                place.sheet.parent.mkdir()
            except FileExistsError:
                continue
            except OSError as error:
                raise OutputError(
                    f"The folder of the songs can't be written: {error.strerror}.", where=self.root
                ) from error
            write_text(place.sheet, text)
            return place
        raise OutputError("There are too many songs of this name.", where=self.root)

    def _place(self, name: str) -> SongPlace:
        folder = self.root / name
        return SongPlace(name, folder / SHEET, folder / OUT)


def _elsewhere(path: Path) -> SongPlace:
    path = path.absolute()
    if path.is_file():
        return SongPlace(slug(f"{path.parent.name} {path.stem}"), path, path.parent / OUT)
    if any(is_there(path / name) for name in (RECORD, OLD_RECORD)):
        source = OutputFolder.load(path).sheet.source
        return SongPlace(slug(f"{path.parent.name} {path.name}"), source or path / SHEET, path)
    raise MilongaError(
        "This is neither a song sheet nor the folder of a rendered song.",
        where=path,
        step="Give a file such as song.yaml, or the folder that 'milonga render' wrote.",
    )
