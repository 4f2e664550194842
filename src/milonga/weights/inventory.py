"""The models on this machine, and making room."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from milonga.errors import DamagedFileError, NotDownloadedError, WeightsError
from milonga.runtime.config import Config, load_config
from milonga.runtime.progress import Progress
from milonga.weights import local, settings
from milonga.weights.cache import disk, records
from milonga.weights.cache.layout import RepoCache, is_safe
from milonga.weights.cache.records import DownloadRecord
from milonga.weights.catalogue import CATALOGUE
from milonga.weights.copies import copies_of
from milonga.weights.ensure import Waiting, roots
from milonga.weights.settings import Folder
from milonga.weights.sources import ModelSource, find_source

Status = Literal["ready", "partial", "damaged", "found", "folder", "missing"]
"""``found``: other tools downloaded it, milonga has not checked it yet. ``folder``: a folder of
the user's. ``partial``: a download that stopped and will go on."""


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """One model, and the part of it that is on this machine.

    Attributes:
        source: the place it comes from.
        status: ready, in part, missing and so on.
        on_disk: bytes that it takes here.
        commit: the revision that is here.
        folder: the folder of its files; None without any.
    """

    source: ModelSource
    status: Status
    on_disk: int = 0
    commit: str | None = None
    folder: Path | None = None

    @property
    def here(self) -> bool:
        """Complete, so that it can be used without a download."""
        return self.status in ("ready", "found", "folder")

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        known, source = self.source.known, self.source
        return {
            "key": source.name,
            "title": known.title if known else None,
            "repo": source.repo or None,
            "revision": source.revision if source.repo else None,
            "state": self.status,
            "size_on_disk": self.on_disk,
            "size": known.size if known else None,
            "licence": known.terms if known else None,
            "licence_url": known.licence.url if known else None,
            "commercial_use": known.commercial_use if known else None,
            "gated": known.gated if known else None,
            "used_by": known.used_by if known else None,
            "commit": self.commit,
            "folder": str(self.folder) if self.folder else None,
        }


def list_weights(cache_dir: Folder | None = None) -> list[InventoryRow]:
    """List every model of the catalogue, then other repositories that milonga downloaded.

    >>> [row.source.name for row in list_weights() if row.source.name.startswith("bark")]
    ['bark', 'bark-small']
    """
    config = load_config()
    rows = [row_of(find_source(key, config), config, cache_dir) for key in CATALOGUE]
    listed = {row.source.repo for row in rows}
    for root in roots(cache_dir, config):
        for own in sorted(root.glob("models--*/.milonga")):
            repo = own.parent.name.removeprefix("models--").replace("--", "/", 1)
            cache = RepoCache(root, repo)
            for record in {r.commit: r for _, r in records.every(cache)}.values():
                if repo not in listed:
                    name = repo if record.revision == "main" else f"{repo}@{record.revision}"
                    rows.append(_recorded(find_source(name, config), cache, record))
    return rows


def row_of(source: ModelSource, config: Config, cache_dir: Folder | None = None) -> InventoryRow:
    """Look which part of a model is here."""
    if source.folder is not None:
        return _of_folder(source, source.folder)
    best = InventoryRow(source, "missing")
    for root in roots(cache_dir, config):
        cache = RepoCache(root, source.repo)
        record = records.load(cache, source.revision, source.files)
        if record is not None:
            return _recorded(source, cache, record)
        for commit, paths in local.leftovers(source, cache, any_commit=settings.is_offline()):
            size = sum(_size(cache.pointer(commit, path)) for path in paths)
            return InventoryRow(source, "found", size, commit, cache.snapshot(commit))
        if parts := _files_in(cache.parts):
            best = InventoryRow(source, "partial", sum(_size(part) for part in parts))
    return best


def remove_weights(
    name: Folder, *, cache_dir: Folder | None = None, progress: Progress | None = None
) -> int:
    """Remove a model's files, every revision of them, unfinished downloads, and int8 copies.

    What other tools, or another model, need of the same repository stays.

    Returns:
        The bytes that this freed.

    Raises:
        NotDownloadedError: there is nothing to remove.
        WeightsError: the model is a folder of the user's.
        CacheError: the cache can't be written.
    """
    config = load_config()
    source = find_source(name, config)
    if source.folder is not None:
        raise WeightsError(
            f"{source.name} is a folder of your own; milonga removes nothing there.",
            where=source.folder,
            step="Remove it yourself if you want to.",
        )
    caches = [RepoCache(root, source.repo) for root in roots(cache_dir, config)]
    caches = [cache for cache in caches if cache.folder.is_dir() and _has_any(source, cache)]
    if not caches:
        raise NotDownloadedError(
            f"{source.name} is not on this machine: there is nothing to remove."
        )
    freed = 0
    for cache in caches:
        if (fault := disk.write_fault(cache)) is not None:
            raise disk.unwritable(settings.CacheChoice(cache.root, "this download"), fault)
        with cache.lock(Waiting(progress or Progress(), source.name)):
            freed += _Removal(source, cache).run()
    for copy in copies_to_remove(name):
        size = _size(copy)
        with contextlib.suppress(OSError):
            copy.unlink()
            freed += size
    return freed


def copies_to_remove(name: Folder) -> list[Path]:
    """List the int8 copies that ``remove_weights`` takes away together with a model."""
    source = find_source(name, load_config())
    if source.folder is not None:
        return []
    known = source.known
    names = {source.name, source.repo, *([known.key] if known else [])}
    return copies_of(names)


def _of_folder(source: ModelSource, folder: Path) -> InventoryRow:
    try:
        weights = local.from_folder(source)
    except DamagedFileError:
        return InventoryRow(source, "damaged" if folder.is_dir() else "missing", folder=folder)
    size = sum(_size(weights.folder / name) for name in local.names_in(weights.folder))
    return InventoryRow(source, "folder", size, None, weights.folder)


def _recorded(source: ModelSource, cache: RepoCache, record: DownloadRecord) -> InventoryRow:
    pointers = {path: cache.pointer(record.commit, path) for path in record.files}
    size = sum(_size(pointer) for pointer in pointers.values())
    status: Status = "ready" if records.complete(cache, record) else "damaged"
    return InventoryRow(source, status, size, record.commit, cache.snapshot(record.commit))


def _has_any(source: ModelSource, cache: RepoCache) -> bool:
    return bool(_everything(source, cache) or _files_in(cache.parts))


def _everything(source: ModelSource, cache: RepoCache) -> set[tuple[str, str]]:
    """List every file of a model, whole or not, in every commit that is here: commit and path."""
    found = {
        (record.commit, path)
        for _, record in records.of_choice(cache, source.files)
        for path in record.files
    }
    for folder in cache.snapshots.glob("*"):
        names = [
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.is_file() or path.is_symlink()
        ]
        names = [name for name in names if is_safe(name)]
        found |= {(folder.name, path) for path in source.files.choose(names)}
    return found


def _files_in(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


class _Removal:
    def __init__(self, source: ModelSource, cache: RepoCache) -> None:
        self._source, self._cache, self._freed = source, cache, 0

    def run(self) -> int:
        cache = self._cache
        mine = list(records.of_choice(cache, self._source.files))
        kept = {
            (record.commit, path)
            for file, record in records.every(cache)
            if file not in {own for own, _ in mine}
            for path in record.files
        }
        gone = _everything(self._source, cache)
        try:
            # The records first: from here on nothing counts as complete.
            for file, _ in mine:
                file.unlink(missing_ok=True)
            for commit, path in gone - kept:
                self._unlink(cache.pointer(commit, path))
            used = set(self._used_blobs())
            for blob in _files_in(cache.blobs):
                if blob.name not in used:
                    self._unlink(blob)
            for part in _files_in(cache.parts):
                self._unlink(part)
            self._tidy()
        except OSError as error:
            raise disk.write_error(error, cache.folder) from error
        return self._freed

    def _unlink(self, path: Path) -> None:
        # A link, or contents that have another name too, free nothing.
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if not path.is_symlink() and status.st_nlink == 1:
                self._freed += status.st_size
            path.unlink()

    def _used_blobs(self) -> Iterator[str]:
        for pointer in self._cache.snapshots.rglob("*"):
            if (etag := self._cache.etag_of(pointer)) is not None:
                yield etag

    def _tidy(self) -> None:
        cache = self._cache
        folders = [path for path in cache.snapshots.rglob("*") if path.is_dir()]
        for folder in sorted(folders, reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        for ref in [path for path in cache.refs.rglob("*") if path.is_file()]:
            commit = cache.commit_of(ref.relative_to(cache.refs).as_posix())
            if commit is None or not cache.snapshot(commit).is_dir():
                ref.unlink()
        if not _any_file(cache.snapshots) and not _any_file(cache.blobs):
            shutil.rmtree(cache.folder)


def _any_file(folder: Path) -> bool:
    return any(path.is_file() or path.is_symlink() for path in folder.rglob("*"))
