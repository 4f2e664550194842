"""The ledger of the history: what its folders hold, without a look at every entry.

For a folder that hasn't changed since it was written down, the ledger is believed; any other is
counted anew. So a lost ledger, a copied library or a killed process cost one count, nothing else.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from milonga.runtime.files import dump_json, output_error, part_folder, write_text
from milonga.runtime.record import Record
from milonga.sounds.library.history_entry import PINNED, SOUND

_GAP = 200
"""After so many numbers without an entry the folders are listed."""


class _Place(Record):
    """A folder with entries: bytes in it, and its time of change in ns."""

    size: int
    changed: int


class _Document(Record):
    """``ledger.json``: see the attributes of ``Ledger``."""

    format_version: Literal[1] = 1
    last: int
    sounds_from: int = 1
    entries_from: int = 1
    places: dict[str, _Place] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of a pruning: entries that lost their sounds, and entries that are gone."""

    sounds: tuple[int, ...] = ()
    entries: tuple[int, ...] = ()


class Ledger:
    """The ledger of all places that hold entries; only for one that holds the library's lock.

    Attributes:
        last: the highest number that was ever given.
        sounds_from: entries with smaller numbers have no sound that might go.
        entries_from: there are no entries with smaller numbers that might go.

    Args:
        path: its file; the folder is for the ledger alone.
        places: folders with entries by name; they need not exist.
        last: a number that was given before there was a ledger.
    """

    def __init__(self, path: Path, places: Mapping[str, Path], last: int = 0) -> None:
        self._path, self._places = path, dict(places)
        try:
            known = _Document.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            known = _Document(last=last)
        self.last = known.last
        self.sounds_from, self.entries_from = known.sounds_from, known.entries_from
        self._sizes = {name: self._size(name, known.places.get(name)) for name in places}

    @property
    def size(self) -> int:
        """Bytes of all entries."""
        return sum(self._sizes.values())

    def put(self, name: str, entry: Path) -> Path:
        """Move a new entry into a place under the next number; return where it lies.

        Raises:
            OutputError: it can't be written; the model may have been deleted meanwhile.
        """
        place, size = self._places[name], folder_size(entry)
        try:
            # Not its parents: a model that is gone must not come back.
            place.mkdir(exist_ok=True)
            folder = entry.rename(place / f"{self.last + 1:06d}")
        except OSError as error:
            raise output_error(error, place) from error
        self.last, self._sizes[name] = self.last + 1, self._sizes[name] + size
        return folder

    def reach(self, number: int) -> None:
        """Let a number go again that was pinned."""
        self.sounds_from = min(self.sounds_from, number)
        self.entries_from = min(self.entries_from, number)

    def keep(self, count: int) -> Pruned:
        """Remove all but the newest entries, and but those that are pinned."""
        found = list(self._found(self.entries_from))
        gone = [
            self._remove(name, folder)
            for name, folder in found[: max(0, len(found) - count)]
            if not (folder / PINNED).exists()
        ]
        return Pruned(entries=tuple(gone))

    def make_room(self, limit: float) -> Pruned:
        """Remove the oldest sounds, then the oldest entries, until no more than ``limit`` bytes
        are left; but nothing that is pinned."""
        sounds, entries = [], []
        for name, folder in self._found(self.sounds_from):
            if self.size <= limit:
                break
            self.sounds_from = int(folder.name) + 1
            sound = folder / SOUND
            if sound.exists() and not (folder / PINNED).exists():
                self._sizes[name] -= sound.stat().st_size
                sound.unlink()
                sounds.append(int(folder.name))
        for name, folder in self._found(self.entries_from):
            if self.size <= limit:
                break
            self.entries_from = int(folder.name) + 1
            if not (folder / PINNED).exists():
                entries.append(self._remove(name, folder))
        return Pruned(tuple(n for n in sounds if n not in entries), tuple(entries))

    def save(self) -> None:
        """Write it down."""
        places = {
            name: _Place(size=size, changed=changed)
            for name, size in self._sizes.items()
            if (changed := _changed(self._places[name])) is not None
        }
        document = _Document(
            last=self.last,
            sounds_from=self.sounds_from,
            entries_from=self.entries_from,
            places=places,
        )
        write_text(self._path, dump_json(document.model_dump(mode="json")))

    def _size(self, name: str, known: _Place | None) -> int:
        place = self._places[name]
        changed = _changed(place)
        if changed is None:
            return 0
        if known is not None and known.changed == changed:
            return known.size
        # milonga 0.1 left these here when it was killed.
        for leftover in (*place.glob(".making-*"), *place.glob(".deleted-*")):
            shutil.rmtree(leftover, ignore_errors=True)
        size = 0
        for folder in numbered(place):
            size += folder_size(folder)
            self.last = max(self.last, int(folder.name))
            self.reach(int(folder.name))
        return size

    def _found(self, first: int) -> Iterator[tuple[str, Path]]:
        """Every entry from a number on, in the order of the numbers, with the name of its place."""
        missing = 0
        for number in range(first, self.last + 1):
            missing += 1
            for name, place in self._places.items():
                if (folder := place / f"{number:06d}").is_dir():
                    missing = 0
                    yield name, folder
            if missing > _GAP:
                rest = [(f, name) for name, place in self._places.items() for f in numbered(place)]
                for folder, name in sorted(rest, key=lambda entry: int(entry[0].name)):
                    if int(folder.name) > number:
                        yield name, folder
                return

    def _remove(self, name: str, folder: Path) -> int:
        self._sizes[name] -= folder_size(folder)
        # Out of sight with one rename.
        with part_folder(self._path.parent) as gone:
            folder.rename(gone / folder.name)
        return int(folder.name)


def numbered(place: Path) -> list[Path]:
    """List the folders of entries in a place."""
    try:
        return [f for f in place.iterdir() if len(f.name) >= 6 and f.name.isdecimal()]
    except OSError:
        return []


def folder_size(folder: Path) -> int:
    """Bytes of all files of an entry."""
    try:
        return sum(item.stat().st_size for item in os.scandir(folder))
    except OSError:
        return 0


def _changed(place: Path) -> int | None:
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return None
