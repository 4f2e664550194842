"""Fetching a set of files from the hub into the cache."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from milonga.errors import DownloadError
from milonga.runtime.progress import Progress, Task
from milonga.weights.cache import disk
from milonga.weights.cache.hashing import hash_file
from milonga.weights.cache.layout import RepoCache
from milonga.weights.cache.records import DownloadRecord, FileRecord
from milonga.weights.hub.answers import RemoteFile
from milonga.weights.hub.download import Contents, fetch
from milonga.weights.hub.retries import Attempts, Retry
from milonga.weights.sources import ModelSource

SMALL = 1_000_000
"""Files up to this many bytes are fetched several at a time: waiting is most of their cost."""
_AT_ONCE = 6
_STALE_S = 14 * 24 * 3600


class Fetcher:
    """A download of chosen files of one commit into the cache."""

    def __init__(self, hub: Contents, cache: RepoCache, source: ModelSource, commit: str,
                 retry: Retry, progress: Progress) -> None:  # fmt: skip
        self._hub, self._cache, self._source = hub, cache, source
        self._commit, self._retry, self._progress = commit, retry, progress
        self._stop = threading.Event()

    def run(self, files: list[RemoteFile]) -> DownloadRecord:
        """Download the files that aren't there with the right contents; return their record.

        Raises:
            CacheError: the disk has too little space, before anything is downloaded.
            WeightsError: a download failed; what arrived is kept.
        """
        self._sweep({file.etag for file in files})
        total = sum(file.size for file in files)
        with self._progress.task(self._source.name, total, "B") as task:
            self._task: Task = task
            hashes: dict[str, str] = {}
            missing: dict[str, list[RemoteFile]] = {}
            for file in files:
                if (sha256 := self._kept(file)) is not None:
                    hashes[file.etag] = sha256
                else:
                    missing.setdefault(file.etag, []).append(file)
            contents = list(missing.values())
            disk.check_space(self._cache.folder, sum(self._to_come(same[0]) for same in contents))
            hashes |= self._fetch_all(contents)
        return DownloadRecord(
            self._source.repo,
            self._source.revision,
            self._commit,
            {file.path: FileRecord(file.size, hashes[file.etag], file.etag) for file in files},
        )

    def _fetch_all(self, contents: list[list[RemoteFile]]) -> dict[str, str]:
        small = [same for same in contents if same[0].size <= SMALL]
        large = [same for same in contents if same[0].size > SMALL]
        if len(small) < 2:
            small, large = [], [*small, *large]
        fetched = {}
        if small:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                futures = {same[0].etag: pool.submit(self._fetch, same) for same in small}
                try:
                    fetched = {etag: future.result() for etag, future in futures.items()}
                except BaseException:
                    self._stop.set()
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
        # One after another, in this thread: an interrupt reaches it at once.
        for same in large:
            fetched[same[0].etag] = self._fetch(same)
        return fetched

    def _fetch(self, same: list[RemoteFile]) -> str:
        """Download contents that one or several paths have; return their SHA-256."""
        file = same[0]
        part = self._cache.part(file.etag)
        attempts = Attempts(self._retry, self._progress, f"{self._source.repo}, {file.path}")
        sha256 = fetch(self._hub, self._source.repo, self._commit, file, part, attempts, self._tick)
        try:
            self._cache.place(part, file.etag, self._commit, [each.path for each in same])
        except OSError as error:
            raise disk.write_error(error, self._cache.folder) from error
        self._tick(file.size * (len(same) - 1))
        return sha256

    def _kept(self, file: RemoteFile) -> str | None:
        """Return the SHA-256 of contents that are in the cache already and are right."""
        pointer, blob = self._cache.pointer(self._commit, file.path), self._cache.blob(file.etag)
        for path in (pointer, blob):
            try:
                if path.stat().st_size != file.size:
                    continue
                hashes = hash_file(path, self._tick)
            except OSError:
                continue
            if not hashes.agrees(file.etag):
                self._tick(-file.size)
                continue
            if path is blob:
                try:
                    self._cache.point(blob, self._commit, file.path)
                except OSError as error:
                    raise disk.write_error(error, self._cache.folder) from error
            return hashes.sha256
        return None

    def _to_come(self, file: RemoteFile) -> int:
        try:
            return max(0, file.size - self._cache.part(file.etag).stat().st_size)
        except OSError:
            return file.size

    def _tick(self, size: int) -> None:
        if self._stop.is_set():
            raise DownloadError("The download was stopped.")
        self._task.advance(size)

    def _sweep(self, wanted: set[str]) -> None:
        """Remove leftovers of killed runs: links without a name, and parts of downloads that
        stopped two weeks ago."""
        for link in self._cache.snapshots.rglob(".part-*"):
            link.unlink(missing_ok=True)
        try:
            parts = list(self._cache.parts.iterdir())
        except OSError:
            return
        for part in parts:
            try:
                if part.stem not in wanted and time.time() - part.stat().st_mtime > _STALE_S:
                    part.unlink()
            except OSError:
                continue
