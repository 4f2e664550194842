"""History: what sound models played, each with its settings, its sound and a picture.

::

    sounds/NAME/history/000012/      entry.json, sound.flac, picture.png, pinned
    sounds/.history/000013/          blends, and models from outside the library
    sounds/.history/last             the last number given: none is given twice

An entry appears with one rename and goes with one, so a killed process leaves nothing half.
Beyond the limit, the oldest sounds go first (their settings stay, they can be played again), then
the oldest entries; what is pinned stays whole.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from milonga.audio import Clip, loudness_lufs, read, write
from milonga.audio.digest import samples_sha256
from milonga.audio.export.receipt import Provenance
from milonga.errors import MilongaError, SoundError
from milonga.runtime.config import load_config
from milonga.runtime.files import dump_json, output_error, write_text
from milonga.sounds.library.history_entry import (
    ENTRY,
    PICTURE,
    PINNED,
    SOUND,
    HistoryEntry,
    HistoryItem,
    PlayedModel,
    Pruned,
)
from milonga.sounds.library.library import Library
from milonga.sounds.model.play_settings import PlaySettings

_OUTSIDE, _FOLDER, _LAST = ".history", "history", "last"
_STALE_S = 3600.0
_LARGEST = 1 << 20


class History:
    """The history of a whole library.

    Args:
        library: by default the user's.
        limit: bytes; by default ``history_mb`` of the configuration. 0 keeps nothing.
    """

    def __init__(self, library: Library | None = None, limit: float | None = None) -> None:
        self.library = library or Library()
        self.limit = load_config().sounds.history_mb * 1e6 if limit is None else limit

    def record(
        self,
        clip: Clip,
        *,
        models: Sequence[PlayedModel],
        settings: PlaySettings,
        made: Provenance,
        kind: Literal["play", "blend"] = "play",
        export: dict[str, Any] | None = None,
        out: Path | None = None,
        receipt_id: str | None = None,
        picture: bytes | None = None,
    ) -> HistoryItem | None:
        """Keep what was played; None where the history is off.

        Args:
            clip: as played, before the export.
            picture: of it, as PNG.

        Raises:
            SoundError: the library is busy.
            OutputError: it can't be written.
        """
        if self.limit <= 0:
            return None
        entry = HistoryEntry(
            number=0,
            kind=kind,
            models=tuple(models),
            settings=settings.anchored(),
            export=dict(export or {}),
            made=made,
            out=None if out is None else str(out.absolute()),
            receipt_id=receipt_id,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            sha256=samples_sha256(clip),
            seconds=round(clip.seconds, 6),
            lufs=loudness_lufs(clip),
        )
        place = self._place(entry)
        making = place / f".making-{secrets.token_hex(4)}"
        try:
            # Not its parents: a model that was deleted meanwhile must not come back.
            place.mkdir(exist_ok=True)
            making.mkdir()
            dither = np.random.default_rng(0)
            write(making / SOUND, clip, subtype="PCM_16", dither=dither, on_clip="level")
            if picture is not None:
                (making / PICTURE).write_bytes(picture)
            with self.library.locked():
                number = self._next()
                entry = entry.model_copy(update={"number": number})
                write_text(making / ENTRY, dump_json(_document(entry)))
                making.rename(place / f"{number:06d}")
                self._prune(self.limit, None, keep_number=number)
        except OSError as error:
            raise output_error(error, place) from error
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return self.get(number)

    def entries(self, model: str | None = None) -> list[HistoryItem]:
        """List what is kept, in the order it was played; what can't be read is left out.

        Args:
            model: only what this model of the library took part in.

        Raises:
            SoundError: there is no such model.
        """
        name = None if model is None else self.library.model(model).name
        found = sorted(self._all(), key=lambda kept: kept.number)
        return [kept for kept in found if name is None or name in kept.models]

    def get(self, number: int) -> HistoryItem:
        """Find one entry by its number.

        Raises:
            SoundError: there is none.
        """
        found = self.entries()
        for kept in found:
            if kept.number == number:
                return kept
        last = f"The last one is {found[-1].number}. " if found else ""
        raise SoundError(
            f"The history has no number {number}.", step=f"{last}milonga sound history lists them."
        )

    def last(self, model: str) -> HistoryItem:
        """Find what a model played last, alone.

        Raises:
            SoundError: nothing is kept of it.
        """
        found = [kept for kept in self.entries(model) if kept.entry.kind == "play"]
        if not found:
            raise SoundError(f"The history holds nothing that {model!r} played.")
        return found[-1]

    def clip(self, number: int) -> Clip:
        """Read the kept sound of an entry.

        Raises:
            SoundError: it has gone for room.
        """
        kept = self.get(number)
        if kept.sound is None:
            raise SoundError(
                f"The sound of number {number} has gone for room; its settings are kept.",
                step=f"milonga sound history replay {number} makes it again.",
            )
        return read(kept.sound)

    def pin(self, number: int, pinned: bool = True) -> HistoryItem:
        """Keep an entry whatever room it takes, or no longer."""
        with self.library.locked():
            kept = self.get(number)
            path = kept.folder / PINNED
            try:
                path.touch() if pinned else path.unlink(missing_ok=True)
            except OSError as error:
                raise output_error(error, path) from error
        return self.get(number)

    def prune(self, max_bytes: float | None = None, keep: int | None = None) -> Pruned:
        """Take away the oldest, but nothing that is pinned.

        Args:
            max_bytes: for all that stays; by default the limit.
            keep: entries that stay, the newest ones.
        """
        limit = self.limit if max_bytes is None and keep is None else max_bytes
        with self.library.locked():
            return self._prune(limit, keep)

    def _prune(
        self, max_bytes: float | None, keep: int | None, keep_number: int | None = None
    ) -> Pruned:
        self._sweep()
        found = sorted(self._all(), key=lambda kept: kept.number)
        loose = [kept for kept in found if not kept.pinned and kept.number != keep_number]
        removed: list[int] = []
        sounds: list[int] = []
        if keep is not None:
            stay = {kept.number for kept in found[max(0, len(found) - keep) :]}
            for kept in loose:
                if kept.number not in stay:
                    _remove(kept.folder)
                    removed.append(kept.number)
        if max_bytes is not None:
            gone = set(removed)
            left = [kept for kept in loose if kept.number not in gone]
            total = sum(kept.size for kept in found if kept.number not in gone)
            sizes = {kept.number: kept.size for kept in left}
            for kept in left:
                if total > max_bytes and kept.sound is not None:
                    size = kept.sound.stat().st_size
                    kept.sound.unlink(missing_ok=True)
                    total, sizes[kept.number] = total - size, sizes[kept.number] - size
                    sounds.append(kept.number)
            for kept in left:
                if total > max_bytes:
                    _remove(kept.folder)
                    total -= sizes[kept.number]
                    removed.append(kept.number)
        return Pruned(tuple(n for n in sounds if n not in removed), tuple(sorted(removed)))

    def _place(self, entry: HistoryEntry) -> Path:
        """The folder that an entry belongs into."""
        if entry.kind == "play" and not Path(entry.models[0].model).is_absolute():
            return self.library.path_of(entry.models[0].model) / _FOLDER
        outside = self.library.folder / _OUTSIDE
        outside.mkdir(parents=True, exist_ok=True)
        return outside

    def _next(self) -> int:
        path = self.library.folder / _OUTSIDE / _LAST
        last = 0
        with contextlib.suppress(OSError, ValueError):
            last = int(path.read_text(encoding="utf-8"))
        # The file is lost when somebody copies the models' folders alone.
        there = max((int(f.name) for _, f in self._folders()), default=0)
        number = max(last, there) + 1
        write_text(path, f"{number}\n")
        return number

    def _places(self) -> Iterator[tuple[str | None, Path]]:
        yield None, self.library.folder / _OUTSIDE
        with contextlib.suppress(OSError):
            for folder in sorted(self.library.folder.iterdir()):
                if not folder.name.startswith("."):
                    yield folder.name, folder / _FOLDER

    def _folders(self) -> Iterator[tuple[str | None, Path]]:
        for owner, place in self._places():
            with contextlib.suppress(OSError):
                for folder in place.iterdir():
                    if len(folder.name) >= 6 and folder.name.isdecimal():
                        yield owner, folder

    def _all(self) -> Iterator[HistoryItem]:
        for owner, folder in self._folders():
            if (entry := _read(folder)) is not None:
                yield HistoryItem(entry, folder, owner, _size(folder))

    def _sweep(self) -> None:
        """Remove what a killed process left."""
        for _, place in self._places():
            for leftover in place.glob(".deleted-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            for leftover in place.glob(".making-*"):
                with contextlib.suppress(OSError):
                    # A younger one may be at work.
                    if time.time() - leftover.stat().st_mtime > _STALE_S:
                        shutil.rmtree(leftover, ignore_errors=True)


def _document(entry: HistoryEntry) -> dict[str, Any]:
    settings = entry.settings.model_dump(mode="json", exclude_unset=True)
    return {**entry.model_dump(mode="json"), "settings": settings}


def _read(folder: Path) -> HistoryEntry | None:
    path = folder / ENTRY
    try:
        if path.stat().st_size > _LARGEST:
            return None
        entry = HistoryEntry.model_validate_json(path.read_bytes())
    except (OSError, ValueError, MilongaError):
        return None
    return entry if entry.models and entry.number == int(folder.name) else None


def _size(folder: Path) -> int:
    total = 0
    with contextlib.suppress(OSError):
        for item in os.scandir(folder):
            total += item.stat().st_size
    return total


def _remove(folder: Path) -> None:
    hidden = folder.with_name(f".deleted-{secrets.token_hex(4)}")
    try:
        folder.rename(hidden)
    except OSError as error:
        raise output_error(error, folder) from error
    shutil.rmtree(hidden, ignore_errors=True)
