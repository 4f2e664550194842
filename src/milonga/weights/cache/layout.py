"""A repository's folder in the Hugging Face cache, laid out as every Hugging Face tool expects.

::

    <cache>/models--<owner>--<name>/
        blobs/<etag>                  contents, named by SHA-256 (large) or git's SHA-1 (small)
        snapshots/<commit>/<path>     links to blobs; the files themselves where links don't work
        refs/<revision>               the commit that a branch or tag stood for
        .milonga/                     ours: records of what was downloaded, and parts of downloads
    <cache>/.locks/models--<owner>--<name>/milonga.lock

Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from milonga.errors import CacheError, DownloadError, MilongaError
from milonga.runtime.files import write_text
from milonga.weights.settings import is_set

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
REPO = re.compile(r"(?:[\w.-]+/)?[\w.-]+")


class RepoCache:
    """One repository within the cache folder ``root``. Making this object touches no file."""

    def __init__(self, root: Path, repo: str) -> None:
        self.root, self.repo = root, repo
        name = "--".join(("models", *repo.split("/")))
        self.folder = root / name
        self.blobs = self.folder / "blobs"
        self.snapshots = self.folder / "snapshots"
        self.refs = self.folder / "refs"
        self.own = self.folder / ".milonga"
        self.parts = self.own / "parts"
        self.lock_file = root / ".locks" / name / "milonga.lock"

    def snapshot(self, commit: str) -> Path:
        """Return the folder that holds the files of a commit."""
        return self.snapshots / commit

    def pointer(self, commit: str, path: str) -> Path:
        """Return the path at which a file of a commit is read."""
        return self.snapshots / commit / safe_path(path)

    def blob(self, etag: str) -> Path:
        """Return the path of the contents with that etag."""
        return self.blobs / etag

    def part(self, etag: str) -> Path:
        """Return the path of an unfinished download of those contents."""
        return self.parts / f"{etag}.part"

    def commit_of(self, revision: str) -> str | None:
        """Return the commit that a revision stood for when it was downloaded last."""
        if COMMIT.fullmatch(revision):
            return revision
        try:
            commit = (self.refs / safe_path(revision)).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return commit if COMMIT.fullmatch(commit) else None

    def remember(self, revision: str, commit: str) -> None:
        """Note the commit that a branch or tag stands for."""
        if revision != commit and self.commit_of(revision) != commit:
            write_text(self.refs / safe_path(revision), commit)

    def commits(self) -> list[str]:
        """List the commits of which there are files, the latest to arrive first."""
        try:
            found = [path for path in self.snapshots.iterdir() if COMMIT.fullmatch(path.name)]
            return [path.name for path in sorted(found, key=lambda p: -p.stat().st_mtime)]
        except OSError:
            return []

    def names_in(self, commit: str) -> list[str]:
        """List the files of a commit that are there; unfinished ones, broken links and names that
        not every system can hold are left out."""
        folder = self.snapshot(commit)
        return sorted(
            name
            for path in folder.rglob("*")
            if path.is_file()
            and not path.name.startswith(".part-")
            and is_safe(name := path.relative_to(folder).as_posix())
        )

    def etag_of(self, pointer: Path) -> str | None:
        """Return the name of the contents that a pointer links to; None for a plain file."""
        if not pointer.is_symlink():
            return None
        name = pointer.readlink().name
        return name if SHA256.fullmatch(name) or COMMIT.fullmatch(name) else None

    def place(self, part: Path, etag: str, commit: str, paths: Sequence[str]) -> None:
        """Move finished contents into the cache, and make them the files ``paths``.

        The move is a rename within one file system, so other tools see all of it or nothing.
        """
        if self._links_work():
            target = self.blob(etag)
        else:
            target, paths = self.pointer(commit, paths[0]), paths[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        # Replaces the name: where it links into a store that repositories share, the store's
        # file stays as it is.
        os.replace(part, target)
        for path in paths:
            self.point(target, commit, path)

    def point(self, contents: Path, commit: str, path: str) -> None:
        """Link the file ``path`` of a commit to contents that are in the cache already."""
        pointer = self.pointer(commit, path)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        temporary = pointer.with_name(f".part-{secrets.token_hex(4)}")
        try:
            if self._links_work():
                temporary.symlink_to(os.path.relpath(contents, pointer.parent))
            else:
                shutil.copyfile(contents, temporary)
            os.replace(temporary, pointer)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _links_work(self) -> bool:
        if is_set("HF_HUB_DISABLE_SYMLINKS"):
            return False
        trial = self.own / f"link-{secrets.token_hex(4)}"
        self.own.mkdir(parents=True, exist_ok=True)
        try:
            trial.symlink_to("nowhere")
        except (OSError, NotImplementedError):
            return False
        trial.unlink(missing_ok=True)
        return True

    @contextlib.contextmanager
    def lock(self, on_wait: Callable[[str], None]) -> Iterator[None]:
        """Hold the repository for this process; ``on_wait`` is called twice a second while
        another one has it, is told which, and may raise to give up."""
        from filelock import FileLock, SoftFileLock, Timeout

        self.lock_file.parent.mkdir(parents=True, exist_ok=True)
        # Group-writable, as the client's own locks are: a shared cache has several users.
        lock: FileLock | SoftFileLock = FileLock(self.lock_file, mode=0o664)
        while True:
            try:
                lock.acquire(timeout=0.5)
                break
            except Timeout:
                on_wait(self._holder(lock.lock_file))
            except (NotImplementedError, OSError) as error:
                # A file system without locks, as some network drives are: a file stands for one.
                if isinstance(lock, SoftFileLock) or isinstance(error, PermissionError):
                    raise CacheError(
                        f"It can't be locked: {error}.",
                        where=self.lock_file,
                        step="Use another folder: add --cache-dir FOLDER, or set HF_HOME=FOLDER.",
                    ) from error
                lock = SoftFileLock(self.lock_file.with_suffix(".held"))
        note = self.own / "holder"
        with contextlib.suppress(MilongaError):
            write_text(note, f"process {os.getpid()} on {platform.node()}")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                note.unlink(missing_ok=True)
            lock.release()

    def _holder(self, lock: str) -> str:
        """Describe the lock that is held: process, host, age, path."""
        try:
            path = self.own / "holder"
            who, since = path.read_text(encoding="utf-8"), path.stat().st_mtime
        except (OSError, UnicodeDecodeError):
            return f"lock {lock}"
        age = max(0, round((time.time() - since) / 60))
        return f"{who[:100]}, for {age} min; lock {lock}"


def is_safe(path: str) -> bool:
    """Tell if a path of a hub's listing can be written on every system, within its folder."""
    try:
        safe_path(path)
    except DownloadError:
        return False
    return True


def safe_path(path: str) -> PurePosixPath:
    """Return ``path`` of a hub's listing; refuse one that would leave its folder.

    Raises:
        DownloadError: the path is absolute or climbs, or holds what no file name may hold.
    """
    pure = PurePosixPath(path)
    if (
        not path
        or pure.is_absolute()
        or any(part in ("", ".", "..") for part in path.split("/"))
        or any(letter in path for letter in '\\:*?"<>|\0\n\r')
    ):
        raise DownloadError(
            f"The hub lists a file named {path!r}, which could be written outside its folder.",
            step="Nothing of it was written. Check HF_ENDPOINT, and whether the repository is "
            "the one you meant.",
        )
    return pure
