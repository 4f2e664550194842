"""Other machines that may hold a model's files: asked before the hub, and before giving up without
a network.

Whoever knows such a machine (a worker of a cluster knows the head) says so with ``add_peer``. What
a machine sends is held against the hashes of its record, as what the hub sends is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Protocol

from milonga.weights.cache.records import DownloadRecord
from milonga.weights.hub.answers import RemoteFile
from milonga.weights.hub.retries import PassingError
from milonga.weights.selection import Files

PIECE = 16_000_000
"""Bytes asked for at once."""


class Peer(Protocol):
    """A machine that may hold files.

    Attributes:
        name: for people.
    """

    name: str

    def offer(self, repo: str, revision: str, files: Files) -> DownloadRecord | None:
        """Describe the complete download that it has; None without one, or without an answer."""
        ...

    def read(self, repo: str, commit: str, path: str, start: int, size: int) -> bytes:
        """Return so many bytes of a file from ``start`` on.

        Raises:
            OSError: it doesn't answer, or hasn't got them.
        """
        ...


_PEERS: list[Peer] = []


def add_peer(peer: Peer) -> None:
    """Let this process ask a machine from now on."""
    _PEERS.append(peer)


def known_peers() -> tuple[Peer, ...]:
    """Return the machines that this process asks, in order."""
    return tuple(_PEERS)


def files_of(record: DownloadRecord) -> list[RemoteFile]:
    """List the files of a record as the hub would."""
    return [RemoteFile(path, file.size, file.etag, file.sha256)
            for path, file in record.files.items()]  # fmt: skip


class PeerContents:
    """Contents of files from a machine, in pieces; a ``Contents`` as the hub is.

    Args:
        peer: the machine.
        record: that it offered.
    """

    def __init__(self, peer: Peer, record: DownloadRecord) -> None:
        self._peer, self._record = peer, record

    @contextlib.contextmanager
    def content(self, repo: str, commit: str, path: str, start: int) -> Iterator[Pieces]:
        """Give the contents of a file from the byte ``start`` on."""
        yield Pieces(self._peer, self._record, path, start)


class Pieces:
    """The contents of a file, as an answer of the hub."""

    def __init__(self, peer: Peer, record: DownloadRecord, path: str, start: int) -> None:
        self._peer, self._record, self._path, self._start = peer, record, path, start
        self._size = record.files[path].size
        self.status_code = 206 if start else 200
        self.headers: Mapping[str, str] = {
            "content-range": f"bytes {start}-{self._size - 1}/{self._size}"
        }

    def iter_bytes(self) -> Iterator[bytes]:
        """Yield the contents.

        Raises:
            PassingError: the machine doesn't answer.
        """
        repo, commit = self._record.repo, self._record.commit
        for start in range(self._start, self._size, PIECE):
            size = min(PIECE, self._size - start)
            try:
                yield self._peer.read(repo, commit, self._path, start, size)
            except OSError as error:
                raise PassingError(f"{self._peer.name} doesn't send it ({error})") from error
