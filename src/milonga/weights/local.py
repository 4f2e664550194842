"""Weights that are on this machine: found without the network, checked where that is possible."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from milonga.errors import DamagedFileError
from milonga.runtime.documents import parse_json
from milonga.runtime.progress import Progress
from milonga.weights.cache import records
from milonga.weights.cache.hashing import hash_file
from milonga.weights.cache.layout import COMMIT, SHA256, RepoCache, is_safe
from milonga.weights.cache.records import DownloadRecord, FileRecord
from milonga.weights.catalogue import Licence
from milonga.weights.loading import refuse_placeholder
from milonga.weights.sources import MAIN, ModelSource

Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class LocalWeights:
    """Weights that are ready to be loaded.

    Attributes:
        source: the place they came from.
        folder: holds the files under the repository's own paths.
        commit: the revision that they are; None for a folder of the user's.
        files: size and SHA-256 of each, by path; empty for a folder of the user's.
    """

    source: ModelSource
    folder: Path
    commit: str | None
    files: Mapping[str, FileRecord]

    def to_dict(self) -> dict[str, Any]:
        """Return names, folder, sizes and hashes as plain values."""
        return {
            "key": self.source.name,
            "repo": self.repo,
            "commit": self.commit,
            "folder": str(self.folder),
            "files": {
                path: {"size": file.size, "sha256": file.sha256}
                for path, file in self.files.items()
            },
        }

    @property
    def repo(self) -> str | None:
        """``owner/name``; None for a folder of the user's."""
        return self.source.repo or None

    @property
    def licence(self) -> Licence | None:
        """The terms; None for a repository that the catalogue doesn't know."""
        return self.source.known.licence if self.source.known else None

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 by path, for a receipt."""
        return {path: file.sha256 for path, file in self.files.items()}


def from_record(source: ModelSource, cache: RepoCache, record: DownloadRecord) -> LocalWeights:
    """Return the weights that a record describes."""
    return LocalWeights(source, cache.snapshot(record.commit), record.commit, record.files)


def from_folder(source: ModelSource) -> LocalWeights:
    """Return the weights in a folder of the user's.

    Raises:
        DamagedFileError: the folder or a needed file isn't there.
    """
    folder = source.folder or Path()
    if not os.path.isdir(folder):  # noqa: PTH112 - no error for a folder that can't be read
        raise DamagedFileError(
            f"The folder for {source.name} is not there.",
            where=folder,
            step="Correct its name, or leave it out to use the model's own repository.",
        )
    names = names_in(folder)
    if lacking := source.files.lacking(names):
        raise DamagedFileError(
            f"This folder lacks {', '.join(lacking[:5])}"
            f"{f' and {len(lacking) - 5} more' if len(lacking) > 5 else ''}.",
            where=folder,
            step="Put the missing files there.",
        )
    for name in source.files.choose(names):
        refuse_placeholder(folder / name)
    return LocalWeights(source, folder, None, {})


def names_in(folder: Path) -> list[str]:
    """List the files under a folder, as far as they can be read; sorted."""
    found = []
    for place, _, names in os.walk(folder):
        paths = (Path(place, name) for name in names)
        found += [path.relative_to(folder).as_posix() for path in paths if os.access(path, os.R_OK)]
    return sorted(found)


def find(source: ModelSource, cache: RepoCache) -> DownloadRecord | None:
    """Find the record of a complete download that is still there. Opens no file but the record."""
    record = records.load(cache, source.revision, source.files)
    if record is not None and records.complete(cache, record):
        return record
    return None


def leftovers(
    source: ModelSource, cache: RepoCache, *, any_commit: bool
) -> Iterator[tuple[str, list[str]]]:
    """Find complete sets of files that other tools downloaded: commit and paths.

    Args:
        source, cache: where to look.
        any_commit: take other commits than the one that the revision stood for last, too, the
            latest first: for when the hub can't be asked which it is.
    """
    commits = [cache.commit_of(source.revision)]
    if any_commit and source.revision == MAIN:
        commits += cache.commits()
    for commit in dict.fromkeys(commits):
        if commit is None or not cache.snapshot(commit).is_dir():
            continue
        names = cache.names_in(commit)
        chosen = source.files.choose(names)
        listed = _listing(cache, commit)
        if listed is not None:
            complete = set(source.files.choose(list(listed))) <= set(names)
        else:
            complete = not source.files.lacking(names)
        if chosen and complete:
            yield commit, chosen


def adopt(source: ModelSource, cache: RepoCache, commit: str, paths: list[str], progress: Progress,
          *, unchecked: bool) -> DownloadRecord | None:  # fmt: skip
    """Take over files that other tools downloaded, where their hashes are right.

    Args:
        source, cache, commit, paths: as ``leftovers`` found them.
        progress: shows the bytes that are read.
        unchecked: take files without a known hash, too.

    Returns:
        Their record, saved; None where a file isn't what it should be.
    """
    known = _known(cache, commit)
    pointers = {path: cache.pointer(commit, path) for path in paths}
    etags = {path: cache.etag_of(pointer) or known.get(path) for path, pointer in pointers.items()}
    if None in etags.values() and not unchecked:
        return None
    files: dict[str, FileRecord] = {}
    try:
        total = sum(pointer.stat().st_size for pointer in pointers.values())
        with progress.task(f"{source.name}: checking", total, "B") as task:
            for path, pointer in pointers.items():
                hashes, etag = hash_file(pointer, task.advance), etags[path]
                if etag is not None and not hashes.agrees(etag):
                    return None
                size = pointer.stat().st_size
                files[path] = FileRecord(size, hashes.sha256, etag or hashes.sha256)
    except OSError:
        return None
    checked: Literal["hub", "found"] = "found" if None in etags.values() else "hub"
    if checked == "found":
        progress.message(
            f"{source.name}: using the files that another tool left here (commit {commit[:7]}). "
            "They could not be compared with the hub's."
        )
    record = DownloadRecord(source.repo, source.revision, commit, files, checked)
    records.save(cache, record, source.files)
    return record


def _known(cache: RepoCache, commit: str) -> dict[str, str]:
    """List names of contents by path, as far as records and the client's own notes tell."""
    known = dict(_listing(cache, commit) or {})
    for _, record in records.every(cache):
        if record.commit == commit:
            known |= {path: file.etag for path, file in record.files.items()}
    return known


def _listing(cache: RepoCache, commit: str) -> dict[str, str] | None:
    """Read the client's own note of a commit's files: etag by path."""
    try:
        text = (cache.folder / "trees" / f"{commit}.json").read_text(encoding="utf-8")
        files = parse_json(text)["files"]
        found = {path: row.get("lfs_sha256") or row["blob_id"] for path, row in files.items()}
        if all(SHA256.fullmatch(etag) or COMMIT.fullmatch(etag) for etag in found.values()):
            return {path: etag for path, etag in found.items() if is_safe(path)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None
