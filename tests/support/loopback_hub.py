"""A model hub on 127.0.0.1, for tests and benchmarks: the real client talks to it over HTTP.

It speaks the parts of the hub's protocol that downloads use: model information, file listings in
pages, ``resolve`` with ETag and commit headers, redirects of large files to a store on another
origin, range requests, and the answers to missing, wrong and insufficient tokens. It misbehaves on
request: see ``Fault``.

As a script it serves a folder: ``python loopback_hub.py owner/name FOLDER`` prints its address.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

PIECE = 64 * 1024
ENVIRONMENT = (
    "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
    "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
    "HF_HUB_DISABLE_SYMLINKS", "HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DOWNLOAD_TIMEOUT",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip
"""Variables that a test must not inherit."""


@dataclass
class Fault:
    """How one kind of request goes wrong, for as many ``times``.

    Attributes:
        path: what the file's path, or the request's path, ends with.
        times: how often; None for always.
        status: answer with this status, ``headers`` and ``body`` instead.
        cut_at: close the connection when this offset of the file is reached.
        reset: with ``cut_at``, reset it instead (RST).
        stall_at, stall_s: pause there.
        shorter: claim and send this many bytes less (negative: more).
        flip_at: send this byte changed.
        whole: ignore the range that is asked for.
        shift: answer a range request with one that starts this many bytes later.
        loop: redirect in a circle.
        bytes_per_s: send slowly.
        call_at, call: call this when that offset is reached.
    """

    path: str
    times: int | None = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    cut_at: int | None = None
    reset: bool = False
    stall_at: int | None = None
    stall_s: float = 0.0
    shorter: int = 0
    flip_at: int | None = None
    whole: bool = False
    shift: int = 0
    loop: bool = False
    bytes_per_s: float | None = None
    call_at: int | None = None
    call: Callable[[], None] | None = None


@dataclass
class Blob:
    """Contents, in memory or in a file."""

    contents: bytes | Path
    size: int
    sha256: str
    git_sha1: str
    large: bool

    @property
    def etag(self) -> str:
        return self.sha256 if self.large else self.git_sha1


class Repo:
    """A repository: files by commit, and the commit of each revision."""

    def __init__(self, name: str, large_from: int) -> None:
        self.name, self._large_from = name, large_from
        self.gated = self.private = False
        self.listing_is_public = True
        self.commits: dict[str, dict[str, Blob]] = {}
        self.refs: dict[str, str] = {}

    @property
    def commit(self) -> str:
        return self.refs["main"]

    def push(self, files: dict[str, bytes | Path], revision: str = "main") -> str:
        """A new commit that holds these files alone; returns it."""
        blobs = {path: _blob(contents, self._large_from) for path, contents in files.items()}
        text = json.dumps([len(self.commits), {path: blob.etag for path, blob in blobs.items()}])
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = blobs
        self.refs[revision] = commit
        return commit

    def files(self, revision: str) -> dict[str, Blob] | None:
        return self.commits.get(self.refs.get(revision, revision))


def _blob(contents: bytes | Path, large_from: int) -> Blob:
    if isinstance(contents, Path):
        size = contents.stat().st_size
        with contents.open("rb") as handle:
            sha256 = hashlib.file_digest(handle, "sha256").hexdigest()
        return Blob(contents, size, sha256, "", large=True)
    git = hashlib.sha1(b"blob %d\0" % len(contents) + contents).hexdigest()
    sha256 = hashlib.sha256(contents).hexdigest()
    return Blob(contents, len(contents), sha256, git, large=len(contents) >= large_from)


@dataclass(frozen=True)
class Account:
    """What a token may do."""

    repos: frozenset[str] = frozenset()
    gated_scope: bool = True
    pending: bool = False
    rejected: bool = False


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    server: str
    method: str
    path: str
    token: str | None
    range: str | None
    user_agent: str


class LoopbackHub:
    """The hub and its store, each on a port of its own; use it in a ``with`` block."""

    page_size = 1000

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.tokens: dict[str, Account] = {}
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.bytes_served = 0
        self.lock = threading.Lock()
        self._servers = [_Server(self, "hub"), _Server(self, "store")]
        self.endpoint, self.store = (server.address for server in self._servers)

    def __enter__(self) -> LoopbackHub:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def add(
        self, name: str, files: dict[str, bytes | Path], *, gated: bool = False,
        private: bool = False, large_from: int = 1000,
    ) -> Repo:  # fmt: skip
        """A repository with these files; those of ``large_from`` bytes live in the store."""
        repo = self.repos[name] = Repo(name, large_from)
        repo.gated, repo.private = gated, private
        repo.push(files)
        return repo

    def fault(self, path: str, **how: object) -> Fault:
        """Makes requests whose path ends so go wrong."""
        fault = Fault(path, **how)  # type: ignore[arg-type]
        self.faults.append(fault)
        return fault

    def environment(self, home: Path) -> dict[str, str]:
        """Variables that point a process at this hub, with its folders below ``home``."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home / "huggingface"),
            "MILONGA_HOME": str(home / "milonga"),
            "HOME": str(home),
            "NO_PROXY": "127.0.0.1",
        }

    def paths(self) -> list[str]:
        """The paths of all requests so far."""
        with self.lock:
            return [seen.path for seen in self.requests]

    def take_fault(self, path: str, offset: int | None = None) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if not path.endswith(fault.path) or fault.times == 0:
                    continue
                # A cut that lies before the part that was asked for can't happen any more.
                if offset is not None and fault.cut_at is not None and fault.cut_at < offset:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, hub: LoopbackHub, kind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub, self.kind = hub, kind
        self.address = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise each answer waits 40 ms for the client's word that its headers arrived.
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._handle()

    def do_GET(self) -> None:
        self._handle()

    def _handle(self) -> None:
        hub, url = self.server.hub, urlsplit(self.path)
        self.url_path, self.query = unquote(url.path), parse_qs(url.query)
        authorization = self.headers.get("authorization")
        self.token = authorization.removeprefix("Bearer ") if authorization else None
        with hub.lock:
            hub.requests.append(
                Seen(self.server.kind, self.command, self.url_path, self.token,
                     self.headers.get("range"), self.headers.get("user-agent", ""))
            )  # fmt: skip
        if self.server.kind == "store":
            _, _, repo, commit, path = self.url_path.split("|")
            self._contents(hub.repos[repo].commits[commit][path], path)
        elif self.url_path.startswith("/api/models/"):
            self._api(self.url_path.removeprefix("/api/models/"))
        elif "/resolve/" in self.url_path:
            self._resolve()
        elif self.url_path == "/api/whoami-v2":
            self._json({"name": "tester"} if self.token in hub.tokens else {},
                       200 if self.token in hub.tokens else 401)  # fmt: skip
        else:
            self._error(404, "EntryNotFound", "Not found")

    def _api(self, rest: str) -> None:
        name, kind, revision = self._split(rest, ("/revision/", "/tree/"))
        fault = self.server.hub.take_fault(self.url_path)
        if fault is not None and self._refused(fault):
            return
        repo = self.server.hub.repos.get(name)
        if not self._allowed(repo, name, contents=False) or repo is None:
            return
        files = repo.files(revision or "main")
        if files is None:
            self._error(404, "RevisionNotFound", "Invalid rev id")
        elif kind == "/tree/":
            self._tree(repo, revision, files)
        else:
            sha = repo.refs.get(revision or "main", revision)
            self._json({"id": name, "sha": sha, "gated": repo.gated, "private": repo.private,
                        "siblings": [{"rfilename": path} for path in files]})  # fmt: skip

    @staticmethod
    def _split(rest: str, marks: tuple[str, ...]) -> tuple[str, str, str]:
        for mark in marks:
            if mark in rest:
                name, _, revision = rest.partition(mark)
                return name, mark, revision
        return rest, "", ""

    def _tree(self, repo: Repo, revision: str, files: dict[str, Blob]) -> None:
        size, start = self.server.hub.page_size, int(self.query.get("cursor", ["0"])[0])
        folders = sorted({path.rpartition("/")[0] for path in files if "/" in path})
        rows: list[dict[str, object]] = [
            {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder} for folder in folders
        ]
        for path, blob in sorted(files.items()):
            row: dict[str, object] = {
                "type": "file", "oid": blob.git_sha1 or "1" * 40, "size": blob.size, "path": path,
            }  # fmt: skip
            if blob.large:
                row["lfs"] = {"oid": blob.sha256, "size": blob.size, "pointerSize": 134}
            rows.append(row)
        headers = {}
        if start + size < len(rows):
            link = f"{self.server.address}{self.url_path}?recursive=true&cursor={start + size}"
            headers["Link"] = f'<{link}>; rel="next"'
        self._json(rows[start : start + size], headers=headers)

    def _resolve(self) -> None:
        hub = self.server.hub
        name, _, rest = self.url_path[1:].partition("/resolve/")
        revision, _, path = rest.partition("/")
        repo = hub.repos.get(name)
        if not self._allowed(repo, name, contents=True) or repo is None:
            return
        files = repo.files(revision)
        if files is None:
            return self._error(404, "RevisionNotFound", "Invalid rev id")
        if path not in files:
            return self._error(404, "EntryNotFound", "Entry not found")
        blob, commit = files[path], repo.refs.get(revision, revision)
        headers = {"X-Repo-Commit": commit, "ETag": f'"{blob.etag}"', "Accept-Ranges": "bytes"}
        if not blob.large:
            return self._contents(blob, path, headers)
        headers |= {
            "X-Linked-Etag": f'"{blob.sha256}"',
            "X-Linked-Size": str(blob.size),
            "Location": f"{self.server.hub.store}/|blob|{name}|{commit}|{path}?signature=secret",
        }
        self._send(302, b"", headers)
        return None

    def _allowed(self, repo: Repo | None, name: str, *, contents: bool) -> bool:
        """Answers as the hub does to those who may not; says whether to go on."""
        hub, token = self.server.hub, self.token
        account = hub.tokens.get(token) if token is not None else None
        if token is not None and account is None:
            self._error(401, None, "Invalid credentials in Authorization header")
            return False
        if repo is None or (repo.private and not (account and name in account.repos)):
            if token is None:
                self._error(401, None, "Invalid username or password.")
            else:
                self._error(404, "RepoNotFound", "Repository not found")
            return False
        if not repo.gated or not (contents or not repo.listing_is_public):
            return True
        if account is None:
            self._error(401, "GatedRepo",
                        f"Access to model {name} is restricted. You must have access to it and be "
                        "authenticated to access it. Please log in.")  # fmt: skip
        elif not account.gated_scope:
            self._error(403, None,
                        "Please enable access to public gated repositories in your fine-grained "
                        "token settings to view this repository.")  # fmt: skip
        elif account.pending:
            self._error(403, "GatedRepo", f"Your request to access model {name} is awaiting a "
                                          "review from the repo authors.")  # fmt: skip
        elif account.rejected:
            self._error(403, "GatedRepo", f"Your request to access model {name} has been rejected "
                                          "by the repo's authors.")  # fmt: skip
        elif name not in account.repos:
            self._error(403, "GatedRepo",
                        f"Access to model {name} is restricted and you are not in the "
                        "authorized list. Visit its page to ask for access.")  # fmt: skip
        else:
            return True
        return False

    def _refused(self, fault: Fault) -> bool:
        if fault.loop:
            mark = "b" if self.query.get("loop") == ["a"] else "a"
            self._send(302, b"", {"Location": f"{self.path.partition('?')[0]}?loop={mark}"})
        elif fault.status is not None:
            self._send(fault.status, fault.body, fault.headers)
        else:
            return False
        return True

    def _contents(self, blob: Blob, path: str, headers: dict[str, str] | None = None) -> None:
        start = 0
        asked = self.headers.get("range")
        if asked:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
        fault = self.server.hub.take_fault(path, start) or Fault(path)
        if self._refused(fault):
            return
        headers = {**(headers or {}), "Content-Type": "application/octet-stream"}
        if asked and not fault.whole:
            if start >= blob.size:
                return self._send(416, b"", {"Content-Range": f"bytes */{blob.size}"})
            start += fault.shift
            headers["Content-Range"] = f"bytes {start}-{blob.size - 1}/{blob.size}"
            self.send_response(206)
        else:
            start = 0
            self.send_response(200)
        stop = blob.size - fault.shorter
        headers["Content-Length"] = str(max(0, stop - start))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._body(blob, start, stop, fault)
        return None

    def _body(self, blob: Blob, start: int, stop: int, fault: Fault) -> None:
        if isinstance(blob.contents, Path):
            with blob.contents.open("rb") as handle:
                self.connection.sendfile(handle, start)
            self._count(blob.size - start)
            return
        contents = bytearray(blob.contents)
        contents.extend(b"\0" * max(0, stop - len(contents)))
        if fault.flip_at is not None:
            contents[fault.flip_at] ^= 1
        marks = {fault.cut_at, fault.stall_at, fault.call_at}
        at = start
        if at and at == fault.cut_at:
            return self._hang_up(reset=fault.reset)
        while at < stop:
            end = min([stop, at + PIECE, *(m for m in marks if m is not None and m > at)])
            with memoryview(contents)[at:end] as piece:
                self.wfile.write(piece)
            self._count(end - at)
            at = end
            if fault.bytes_per_s:
                time.sleep(PIECE / fault.bytes_per_s)
            if at == fault.stall_at:
                time.sleep(fault.stall_s)
            if at == fault.call_at and fault.call is not None:
                fault.call()
            if at == fault.cut_at:
                return self._hang_up(reset=fault.reset)
        return None

    def _count(self, size: int) -> None:
        with self.server.hub.lock:
            self.server.hub.bytes_served += size

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        self.wfile.flush()
        if reset:
            # Lets the client read what was sent, then resets instead of closing.
            time.sleep(0.05)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _json(
        self, value: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        body = json.dumps(value).encode()
        self._send(status, body, {"Content-Type": "application/json", **(headers or {})})

    def _error(self, status: int, code: str | None, message: str) -> None:
        headers = {"X-Error-Message": message}
        if code is not None:
            headers["X-Error-Code"] = code
        body = json.dumps({"error": message}).encode()
        self._send(status, body, {"Content-Type": "application/json", **headers})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def main(name: str, folder: Path) -> None:
    """Serves a folder as one repository until its standard input ends."""
    with LoopbackHub() as hub:
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")
                 if path.is_file()}  # fmt: skip
        hub.add(name, dict(files))
        sys.stdout.write(hub.endpoint + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
