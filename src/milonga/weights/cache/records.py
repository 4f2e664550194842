"""Records of downloads, kept beside the files: the commit, and every file's size and SHA-256.

A record is written only when all files are in place, so its presence means complete. It lies in
the repository's cache folder and so travels with it to another machine; where that folder can't
be written, it lies in the user's data folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from milonga.errors import MilongaError
from milonga.runtime.documents import parse_json
from milonga.runtime.files import dump_json, write_text
from milonga.runtime.places import data_folder
from milonga.weights.cache.layout import COMMIT, SHA256, RepoCache, safe_path
from milonga.weights.selection import Files

FORMAT = 1


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file: its size in bytes, its SHA-256, and its etag, which names its contents."""

    size: int
    sha256: str
    etag: str


@dataclass(frozen=True, slots=True)
class DownloadRecord:
    """One complete download.

    Attributes:
        repo: ``owner/name``.
        revision: the branch, tag or commit that was asked for.
        commit: the commit that it was at the time.
        files: by path within the repository.
        checked: ``hub`` if the contents agreed with the hub's hashes; ``found`` if other tools
            had left them here without hashes to compare with.
        at: time, ISO 8601, UTC.
    """

    repo: str
    revision: str
    commit: str
    files: dict[str, FileRecord]
    checked: Literal["hub", "found"] = "hub"
    at: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


def save(cache: RepoCache, record: DownloadRecord, files: Files) -> None:
    """Write the record for its revision, and one for its commit, which stays when the revision
    moves on."""
    record = replace(record, at=datetime.now(UTC).isoformat(timespec="seconds"))
    text = dump_json({"format": FORMAT, **asdict(record)})
    names = dict.fromkeys(_name(revision, files) for revision in (record.revision, record.commit))
    for folder in _folders(cache):
        try:
            for name in names:
                write_text(folder / name, text)
        except MilongaError:
            continue
        return


def load(cache: RepoCache, revision: str, files: Files) -> DownloadRecord | None:
    """Read the record for a revision and a choice of files; None without one."""
    name = _name(revision, files)
    for folder in _folders(cache):
        if record := _read(folder / name, cache.repo):
            return record
    return None


def every(cache: RepoCache) -> Iterator[tuple[Path, DownloadRecord]]:
    """Read all records of the repository, with their paths."""
    for folder in _folders(cache):
        for path in sorted(folder.glob("*.json")):
            if record := _read(path, cache.repo):
                yield path, record


def of_choice(cache: RepoCache, files: Files) -> Iterator[tuple[Path, DownloadRecord]]:
    """Read the records, of any revision, that were made for this choice of files."""
    for path, record in every(cache):
        if path.name in (_name(record.revision, files), _name(record.commit, files)):
            yield path, record


def pinned_commit(cache: RepoCache, revision: str) -> str | None:
    """Return the commit that an earlier download of this revision chose, whatever its files."""
    dated = [(r.at, r.commit) for _, r in every(cache) if r.revision == revision]
    return max(dated)[1] if dated else None


def complete(cache: RepoCache, record: DownloadRecord) -> bool:
    """Tell if every file is there with its size. Reads no contents."""
    try:
        return all(
            cache.pointer(record.commit, path).stat().st_size == file.size
            for path, file in record.files.items()
        )
    except OSError:
        return False


def _folders(cache: RepoCache) -> tuple[Path, Path]:
    place = hashlib.sha256(str(cache.folder).encode()).hexdigest()[:16]
    return cache.own, data_folder() / "weights" / f"{cache.folder.name}-{place}"


def _name(revision: str, files: Files) -> str:
    chosen = json.dumps([revision, files.needed, files.wanted])
    slug = re.sub(r"[^\w.-]+", "-", revision)[:40]
    return f"{slug}-{hashlib.sha256(chosen.encode()).hexdigest()[:12]}.json"


def _read(path: Path, repo: str) -> DownloadRecord | None:
    # A damaged or newer record counts as none: the files are then checked anew.
    try:
        document = parse_json(path.read_text(encoding="utf-8"))
        record = _parse(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, MilongaError):
        return None
    return record if record.repo == repo else None


def _parse(document: Any) -> DownloadRecord:
    if document["format"] != FORMAT:
        raise ValueError("unknown format")
    files = {
        str(safe_path(path)): FileRecord(int(file["size"]), file["sha256"], file["etag"])
        for path, file in document["files"].items()
    }
    known = all(
        SHA256.fullmatch(file.sha256)
        and (SHA256.fullmatch(file.etag) or COMMIT.fullmatch(file.etag))
        for file in files.values()
    )
    if not (files and known and COMMIT.fullmatch(document["commit"])):
        raise ValueError("not a record")
    return DownloadRecord(
        document["repo"],
        document["revision"],
        document["commit"],
        files,
        "found" if document["checked"] == "found" else "hub",
        document["at"],
    )
