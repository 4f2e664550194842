"""Hashes of files: SHA-256, and the hash by which git names small files."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1024 * 1024
_THREAD_FROM = 8 * BLOCK


@dataclass(frozen=True, slots=True)
class Hashes:
    """SHA-256 of some contents, and git's hash of them as a blob."""

    sha256: str
    git_sha1: str

    def agrees(self, etag: str) -> bool:
        """Tell if contents with these hashes may have that name in the cache."""
        return etag in (self.sha256, self.git_sha1)


class Digest:
    """Hashes of contents of a known size, computed as they come.

    Large ones are hashed in a thread of its own, beside the network and the disk. Use ``close``
    when done; ``found`` may be asked before more comes.

    Args:
        size: bytes that will come in all; git's hash begins with it.
        git: compute git's hash, too.
    """

    def __init__(self, size: int, *, git: bool) -> None:
        self._sha256 = hashlib.sha256()
        # Git names contents by SHA-1; nothing here relies on that for safety.
        self._git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if git else None
        self._queue: queue.Queue[bytes | None] | None = None
        if size >= _THREAD_FROM:
            self._queue = queue.Queue(maxsize=4)
            self._thread = threading.Thread(target=self._work, args=(self._queue,), daemon=True)
            self._thread.start()

    def update(self, block: bytes) -> None:
        """Take the next bytes."""
        if self._queue is None:
            self._take(block)
        else:
            self._queue.put(block)

    def found(self) -> Hashes:
        """Return the hashes of the bytes so far."""
        if self._queue is not None:
            self._queue.join()
        return Hashes(self._sha256.hexdigest(), self._git.hexdigest() if self._git else "")

    def close(self) -> None:
        """End the thread."""
        if self._queue is not None:
            self._queue.put(None)
            self._thread.join()
            self._queue = None

    def _work(self, work: queue.Queue[bytes | None]) -> None:
        while (block := work.get()) is not None:
            self._take(block)
            work.task_done()

    def _take(self, block: bytes) -> None:
        self._sha256.update(block)
        if self._git is not None:
            self._git.update(block)


def hash_file(path: Path, tick: Callable[[int], None] = lambda _: None) -> Hashes:
    """Hash a file; ``tick`` is told of every byte and may raise to stop.

    Raises:
        OSError: it can't be read.
    """
    with open(path, "rb", buffering=0) as handle:
        handle.seek(0, 2)
        digest = Digest(handle.tell(), git=True)
        handle.seek(0)
        try:
            while block := handle.read(BLOCK):
                digest.update(block)
                tick(len(block))
            return digest.found()
        finally:
            digest.close()
