"""History: what sound models played, each with its settings, its sound and a picture.

::

    sounds/NAME/history/000012/      entry.json, sound.flac, picture.png, pinned
    sounds/.history/000013/          blends, and models from outside the library
    sounds/.history/state/           the ledger, and entries on their way in or out

An entry appears with one rename and goes with one, so a killed process leaves nothing half.
Beyond the limit, the oldest sounds go first (their settings stay, they can be played again), then
the oldest entries; what is pinned stays whole.
"""

from __future__ import annotations

import contextlib
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
from milonga.runtime.documents import read_json
from milonga.runtime.files import dump_json, is_there, output_error, part_folder, write_text
from milonga.sounds.library.history_entry import (
    ENTRY,
    PICTURE,
    PINNED,
    SOUND,
    HistoryEntry,
    HistoryItem,
    PlayedModel,
)
from milonga.sounds.library.history_ledger import Ledger, Pruned, folder_size, numbered
from milonga.sounds.library.library import Library
from milonga.sounds.model.play_settings import PlaySettings

_OUTSIDE, _FOLDER, _STATE = ".history", "history", "state"
_LAST = "last"
"""Where milonga 0.1 kept the last number that it gave."""


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
        owner = self._owner(entry)
        with part_folder(self._state) as making:
            dither = np.random.default_rng(0)
            write(making / SOUND, clip, subtype="PCM_16", dither=dither, on_clip="level")
            if picture is not None:
                (making / PICTURE).write_bytes(picture)
            with self.library.locked():
                ledger = self._ledger(owner)
                entry = entry.model_copy(update={"number": ledger.last + 1})
                write_text(making / ENTRY, dump_json(_document(entry)))
                size = folder_size(making)
                ledger.make_room(self.limit - size)
                folder = ledger.put(owner or "", making)
                ledger.save()
        return HistoryItem(entry, folder, owner, size)

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
        for owner, place in self._places():
            folder = place / f"{number:06d}"
            if (entry := _read(folder)) is not None:
                return HistoryItem(entry, folder, owner, folder_size(folder))
            if is_there(folder):
                raise SoundError(
                    f"Number {number} of the history can't be read.",
                    where=folder / ENTRY,
                    step="Check its owner and permissions; a damaged one can be removed.",
                )
        found = self.entries()
        last = f"The last one is {found[-1].number}. " if found else ""
        raise SoundError(
            f"The history has no number {number}.", step=f"{last}milonga sound history lists them."
        )

    def last(self, model: str) -> HistoryItem:
        """Find what a model played last, alone.

        Raises:
            SoundError: nothing is kept of it.
        """
        name = self.library.model(model).name
        place = self.library.folder / name / _FOLDER
        for folder in sorted(numbered(place), key=lambda each: int(each.name), reverse=True):
            if (entry := _read(folder)) is not None and entry.kind == "play":
                return HistoryItem(entry, folder, name, folder_size(folder))
        raise SoundError(f"The history holds nothing that {model!r} played.")

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
                if not pinned:
                    ledger = self._ledger()
                    ledger.reach(number)
                    ledger.save()
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
            ledger = self._ledger()
            kept = Pruned() if keep is None else ledger.keep(keep)
            room = Pruned() if limit is None else ledger.make_room(limit)
            ledger.save()
        return Pruned(room.sounds, tuple(sorted({*kept.entries, *room.entries})))

    @property
    def _state(self) -> Path:
        return self.library.folder / _OUTSIDE / _STATE

    def _ledger(self, owner: str | None = None) -> Ledger:
        last = 0
        with contextlib.suppress(OSError, ValueError):
            last = int((self.library.folder / _OUTSIDE / _LAST).read_text(encoding="utf-8"))
        places = {owner or "": place for owner, place in self._places()}
        if owner is not None:
            places.setdefault(owner, self.library.folder / owner / _FOLDER)
        return Ledger(self._state / "ledger.json", places, last)

    def _owner(self, entry: HistoryEntry) -> str | None:
        """The model in whose folder an entry belongs; None for those outside."""
        model = entry.models[0].model
        if entry.kind == "play" and not Path(model).is_absolute():
            return self.library.path_of(model).name
        return None

    def _places(self) -> Iterator[tuple[str | None, Path]]:
        yield None, self.library.folder / _OUTSIDE
        with contextlib.suppress(OSError):
            for folder in sorted(self.library.folder.iterdir()):
                if not folder.name.startswith("."):
                    yield folder.name, folder / _FOLDER

    def _all(self) -> Iterator[HistoryItem]:
        for owner, place in self._places():
            for folder in numbered(place):
                if (entry := _read(folder)) is not None:
                    yield HistoryItem(entry, folder, owner, folder_size(folder))


def _document(entry: HistoryEntry) -> dict[str, Any]:
    settings = entry.settings.model_dump(mode="json", exclude_unset=True)
    return {**entry.model_dump(mode="json"), "settings": settings}


def _read(folder: Path) -> HistoryEntry | None:
    path = folder / ENTRY
    try:
        entry = HistoryEntry.model_validate(read_json(path))
    except (OSError, ValueError, MilongaError):
        return None
    return entry if entry.models and entry.number == int(folder.name) else None
