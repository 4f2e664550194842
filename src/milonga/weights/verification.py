"""Comparing files with their download, and repairing the wrong ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from milonga.errors import NotDownloadedError
from milonga.runtime.config import load_config
from milonga.runtime.progress import Progress
from milonga.runtime.words import numbered, size_text
from milonga.weights import local, settings
from milonga.weights.cache import disk, records
from milonga.weights.cache.hashing import hash_file
from milonga.weights.cache.layout import RepoCache
from milonga.weights.cache.records import DownloadRecord, FileRecord
from milonga.weights.ensure import Waiting, WeightsOptions, roots
from milonga.weights.fetching import Fetcher
from milonga.weights.hub.answers import RemoteFile
from milonga.weights.hub.client import Hub
from milonga.weights.hub.tokens import find_token
from milonga.weights.settings import Folder
from milonga.weights.sources import ModelSource, find_source

State = Literal["ok", "missing", "wrong size", "changed", "unreadable", "unchecked"]


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of one file. ``unchecked``: there is no hash to compare with."""

    path: str
    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """The state of a model's files."""

    source: ModelSource
    folder: Path
    commit: str | None
    files: tuple[FileState, ...]

    @property
    def faults(self) -> tuple[FileState, ...]:
        """The files that are not what was downloaded."""
        return tuple(file for file in self.files if file.state not in ("ok", "unchecked"))

    def to_dict(self) -> dict[str, Any]:
        """Return the states of all files as plain values."""
        return {
            "key": self.source.name,
            "repo": self.source.repo or None,
            "commit": self.commit,
            "folder": str(self.folder),
            "ok": not self.faults,
            "files": {
                file.path: {"state": file.state, "detail": file.detail} for file in self.files
            },
        }


def verify_weights(
    name: Folder,
    options: WeightsOptions | None = None,
    *,
    revision: str | None = None,
    repair: bool = False,
    progress: Progress | None = None,
) -> Verification:
    """Compare every file of a model with the record of its download. Opens no connection.

    Args:
        name: as for ``ensure_weights``.
        options: the cache, and for repairs the use of the network.
        revision: as for ``ensure_weights``.
        repair: download wrong files anew, at the same commit, and only those.
        progress: shows bytes.

    Returns:
        The state that was found; with ``repair``, the state afterwards.

    Raises:
        NotDownloadedError: nothing is recorded, or a repair is needed and the network is off.
        WeightsError: a repair failed.
    """
    options, progress = options or WeightsOptions(), progress or Progress()
    config = load_config()
    source = find_source(name, config, revision=revision)
    if source.folder is not None:
        return _of_folder(source)
    for root in roots(options.cache_dir, config):
        cache = RepoCache(root, source.repo)
        record = records.load(cache, source.revision, source.files) or _adopted(
            source, cache, progress
        )
        if record is not None:
            break
    else:
        raise NotDownloadedError(
            f"{source.name} is not on this machine.", step=f"Run: {source.get_command}"
        )
    found = _compare(source, cache, record, progress)
    if not (repair and found.faults):
        return found
    _repair(source, cache, record, found.faults, options, progress)
    return _compare(source, cache, record, progress)


def _of_folder(source: ModelSource) -> Verification:
    weights = local.from_folder(source)
    names = source.files.choose(local.names_in(weights.folder))
    return Verification(
        source, weights.folder, None, tuple(FileState(name, "unchecked") for name in names)
    )


def _adopted(source: ModelSource, cache: RepoCache, progress: Progress) -> DownloadRecord | None:
    for there in local.leftovers(source, cache, any_commit=settings.is_offline()):
        if record := local.adopt(source, cache, *there, progress, unchecked=True):
            return record
    return None


def _compare(
    source: ModelSource, cache: RepoCache, record: DownloadRecord, progress: Progress
) -> Verification:
    states = []
    with progress.task(f"{source.name}: verifying", record.size, "B") as task:
        for path, file in record.files.items():
            before = task.done
            pointer = cache.pointer(record.commit, path)
            states.append(_compare_file(pointer, path, file, task.advance))
            task.advance(before + file.size - task.done)
    return Verification(source, cache.snapshot(record.commit), record.commit, tuple(states))


def _compare_file(pointer: Path, path: str, file: FileRecord, tick: local.Tick) -> FileState:
    try:
        size = pointer.stat().st_size
        if size != file.size:
            detail = f"{size_text(size)} instead of {size_text(file.size)}"
            return FileState(path, "wrong size", detail)
        found = hash_file(pointer, tick)
    except (FileNotFoundError, NotADirectoryError):
        return FileState(path, "missing")
    except OSError as error:
        return FileState(path, "unreadable", error.strerror or str(error))
    if found.sha256 != file.sha256:
        detail = f"SHA-256 {found.sha256[:12]}… instead of {file.sha256[:12]}…"
        return FileState(path, "changed", detail)
    return FileState(path, "ok")


def _repair(
    source: ModelSource,
    cache: RepoCache,
    record: DownloadRecord,
    faults: tuple[FileState, ...],
    options: WeightsOptions,
    progress: Progress,
) -> None:
    if options.offline or settings.is_offline():
        raise NotDownloadedError(
            f"{len(faults)} file(s) of {source.name} must be downloaded anew, and the network is "
            "switched off.",
            step=numbered(
                [
                    "Allow the network: leave out --offline, and unset HF_HUB_OFFLINE.",
                    f"Run: milonga weights verify {source.name} --repair",
                ]
            ),
        )
    if (fault := disk.write_fault(cache)) is not None:
        raise disk.unwritable(settings.CacheChoice(cache.root, "this download"), fault)
    wanted = [_remote(fault.path, record.files[fault.path]) for fault in faults]
    with (
        cache.lock(Waiting(progress, source.name)),
        Hub(progress, options.retry, find_token(renew=True)) as hub,
    ):
        Fetcher(hub, cache, source, record.commit, options.retry, progress).run(wanted)


def _remote(path: str, file: FileRecord) -> RemoteFile:
    return RemoteFile(path, file.size, file.etag, file.sha256)
