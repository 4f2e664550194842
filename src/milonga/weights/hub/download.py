"""Download of one file into a part file that is whole or goes on next time.

The part is named by the contents' hash, so whatever it holds belongs to those contents. Bytes are
hashed as they are written, those of an earlier run first. The hash alone decides
whether the file is good: its length and the server's word are not enough.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from milonga.errors import DownloadError
from milonga.runtime.words import size_text
from milonga.weights.cache.disk import write_error
from milonga.weights.cache.hashing import BLOCK, Digest
from milonga.weights.hub.answers import RemoteFile
from milonga.weights.hub.retries import Attempts, PassingError

Tick = Callable[[int], None]
"""Told of bytes that arrived (or, negative, were thrown away); may raise Cancelled."""


class Answer(Protocol):
    """An answer over HTTP, or one like it."""

    @property
    def status_code(self) -> int:
        """200 for the whole, 206 for a part."""

    @property
    def headers(self) -> Mapping[str, str]:
        """``content-range`` tells which part."""

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the contents."""


class Contents(Protocol):
    """Where the contents of files come from: the hub, or another machine."""

    def content(
        self, repo: str, commit: str, path: str, start: int
    ) -> AbstractContextManager[Answer]:
        """Give a file's contents from the byte ``start`` on."""


def fetch(hub: Contents, repo: str, commit: str, file: RemoteFile, part: Path, attempts: Attempts,
          tick: Tick) -> str:  # fmt: skip
    """Download ``file`` into ``part``, going on from the bytes that are there.

    Returns:
        The SHA-256 of the contents, which agree with what the hub says of them.

    Raises:
        WeightsError: the network, the hub or the disk failed for good, or what arrives is wrong.
            What has arrived is kept.
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    damaged = 0
    while True:
        with PartFile(part, file, tick) as target:
            fresh = target.size == 0
            _fill(hub, repo, commit, file, target, attempts)
            fault = target.fault()
            if fault is None:
                target.sync()
                return target.sha256()
            target.restart()
        # What an earlier run left may be what is wrong; that says nothing of the server.
        damaged += fresh
        if damaged == 2:
            raise DownloadError(
                f"{file.path} arrived wrong twice: {fault}.",
                where=repo,
                step="A proxy or a mirror between here and the hub may change files. Check "
                "HF_ENDPOINT and the proxy, or try another network.",
            )


def _fill(
    hub: Contents, repo: str, commit: str, file: RemoteFile, target: PartFile, attempts: Attempts
) -> None:
    ranges, furthest = True, target.size
    while target.size < file.size:
        start = target.size if ranges else 0
        try:
            with hub.content(repo, commit, file.path, start) as response:
                if start and not _continues(response, start, file.size):
                    ranges = False
                    start = 0
                if start == 0:
                    if response.status_code != 200:
                        raise PassingError("the hub sent another part than the one asked for")
                    target.restart()
                for block in response.iter_bytes():
                    target.write(block)
                    # Only what no attempt reached before counts, or a connection that always
                    # breaks at the same place would be tried for ever.
                    if target.size > furthest:
                        furthest = target.size
                        attempts.moved()
                    if target.size > file.size:
                        return
            target.flush()
            if target.size < file.size:
                raise PassingError("the connection ended early")
        except PassingError as error:
            target.flush()
            attempts.failed(error)


def _continues(response: Answer, start: int, size: int) -> bool:
    """Tell if a response is the rest of a file that was asked for."""
    place = response.headers.get("content-range", "")
    return (
        response.status_code == 206
        and place.startswith(f"bytes {start}-")
        and place.rpartition("/")[2] in (str(size), "*")
        and response.headers.get("content-encoding", "identity") == "identity"
    )


class PartFile:
    """A part file that is appended to, and the hash of its contents.

    Args:
        path: the file; created, or continued.
        file: the file of the hub that it becomes.
        tick: told of every byte.
    """

    def __init__(self, path: Path, file: RemoteFile, tick: Tick) -> None:
        self._path, self._file, self._tick = path, file, tick
        self._blocks: list[bytes] = []
        self._waiting = 0
        self.size = 0

    def __enter__(self) -> Self:
        try:
            # Unbuffered: what a write returned for is in the file, also after kill -9.
            self._handle = open(
                os.open(self._path, os.O_RDWR | os.O_CREAT | _BINARY, 0o666), "r+b", buffering=0
            )
        except OSError as error:
            raise write_error(error, self._path.parent) from error
        self._digest = self._new_digest()
        try:
            self._continue()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.flush()
        finally:
            self._close()

    def write(self, block: bytes) -> None:
        """Append a block."""
        self._blocks.append(block)
        self._waiting += len(block)
        self.size += len(block)
        if self._waiting >= BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write the appended blocks to the file.

        Raises:
            CacheError: the disk is full, or the file can't be written.
        """
        if not self._waiting:
            return
        block, size = b"".join(self._blocks), self._waiting
        self._blocks, self._waiting = [], 0
        self._digest.update(block)
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[self._handle.write(rest) :]
        except OSError as error:
            raise write_error(error, self._path.parent) from error
        self._tick(size)

    def restart(self) -> None:
        """Empty the file."""
        if self.size == 0:
            return
        self._tick(self._waiting - self.size)
        self._blocks, self._waiting, self.size = [], 0, 0
        self._handle.seek(0)
        self._handle.truncate()
        self._digest.close()
        self._digest = self._new_digest()

    def fault(self) -> str | None:
        """Compare the contents with the hub's listing; None if they agree, else the difference."""
        self.flush()
        if self.size != self._file.size:
            return f"{size_text(self.size)} instead of {size_text(self._file.size)}"
        found = self._digest.found()
        if self._file.sha256 is not None and found.sha256 != self._file.sha256:
            return f"its SHA-256 is {found.sha256[:12]}… instead of {self._file.sha256[:12]}…"
        if self._file.git_sha1 is not None and found.git_sha1 != self._file.git_sha1:
            return f"its hash is {found.git_sha1[:12]}… instead of {self._file.git_sha1[:12]}…"
        return None

    def sha256(self) -> str:
        """Return the SHA-256 of the contents."""
        self.flush()
        return self._digest.found().sha256

    def sync(self) -> None:
        """Wait until the disk has it, so that a rename can't outrun the contents."""
        try:
            os.fsync(self._handle.fileno())
        except OSError as error:
            raise write_error(error, self._path.parent) from error

    def _continue(self) -> None:
        held = os.fstat(self._handle.fileno()).st_size
        if held > self._file.size:
            self._handle.truncate(0)
            return
        while block := self._handle.read(BLOCK):
            self._digest.update(block)
            self.size += len(block)
            self._tick(len(block))

    def _new_digest(self) -> Digest:
        return Digest(self._file.size, git=self._file.git_sha1 is not None)

    def _close(self) -> None:
        self._digest.close()
        self._handle.close()


_BINARY = getattr(os, "O_BINARY", 0)
