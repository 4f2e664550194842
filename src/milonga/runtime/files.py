"""Files that are whole or absent: written beside, flushed, renamed.

What a killed process leaves beside goes with the next write into that folder. A writer holds a
lock on its part, which the system frees when the process ends: only parts of dead ones go.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from milonga.errors import MilongaError, OutputError
from milonga.runtime.words import CONTROL, HALF, readable, unreadable

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None  # type: ignore[assignment]


_PART = re.compile(r"\.part-[0-9a-f]{8}-.+", re.DOTALL)
_STALE_S = 3600.0
"""Where files can't be locked, a part that nobody wrote to for so long is a dead one's."""
_swept: set[Path] = set()
"""Folders that this process has looked through: a folder of thousands is listed once."""


def paths_of(places: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return one path, or several, as a list."""
    return [Path(places)] if isinstance(places, (str, os.PathLike)) else list(map(Path, places))


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``target``; renamed onto it when the block ends well.

    The temporary file is there, empty. Its name keeps the suffix (libraries choose a format by
    it) and starts with a dot and ``.part-``. On an error it is removed and ``target`` is as
    before. A ``target`` that is such a temporary path itself is given as it is.

    Raises:
        OutputError: the folder can't be made or written, or the disk is full.
    """
    if _PART.fullmatch(Path(target).name):
        yield Path(target)
        return
    with atomic_paths(target) as (temporary,):
        yield temporary


@contextlib.contextmanager
def atomic_paths(*targets: str | os.PathLike[str]) -> Iterator[tuple[Path, ...]]:
    """Give a temporary path for each of several files that belong together, as ``atomic_path``.

    When the block ends well all of them are on the disk before the first is renamed; they are
    renamed one right after the other, in this order.

    Raises:
        OutputError: a folder can't be made or written, or the disk is full.
    """
    parts: dict[Path, Path] = {}
    with contextlib.ExitStack() as held:
        try:
            for target in map(Path, targets):
                _make_and_sweep(target.parent)
                parts[held.enter_context(_part(target, Path.touch))] = target
            yield tuple(parts)
            for part in parts:
                # Without this a power cut can leave the new name on an empty file.
                with open(part, "rb+") as handle:
                    os.fsync(handle.fileno())
            for part, target in parts.items():
                os.replace(part, target)
        except OSError as error:
            raise output_error(error, targets[-1]) from error
        except MilongaError as error:
            # Nobody knows the part by its name.
            if error.where and (named := parts.get(Path(error.where))) is not None:
                error.where = str(named)
            raise


@contextlib.contextmanager
def part_folder(place: Path) -> Iterator[Path]:
    """Give a new folder in ``place`` to fill; what isn't moved away when the block ends goes.

    Raises:
        OutputError: ``place`` can't be made or written.
    """
    _make_and_sweep(place)
    try:
        with _part(place / "folder", Path.mkdir) as folder:
            yield folder
    except OSError as error:
        raise output_error(error, place) from error


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically; names that are not UTF-8 in readable form."""
    with atomic_path(target) as temporary:
        temporary.write_text(readable(text), encoding="utf-8", newline="\n")


def write_bytes(target: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def named_path(name: str) -> Path:
    """Return the path of a file by its name, which may be one that ``words.readable`` wrote."""
    path = Path(name)
    return path if path.exists() else Path(unreadable(name))


def rename_apart(files: Sequence[Path], folder: Path) -> None:
    """Move files into a folder, together under a number where their names are taken there.

    Raises:
        OutputError: the folder can't be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            mark = "" if number == 1 else f".{number}"
            targets = [folder / f"{file.stem}{mark}{file.suffix}" for file in files]
            if not any(target.exists() for target in targets):
                break
        for file, target in zip(files, targets, strict=True):
            file.rename(target)
    except OSError as error:
        raise output_error(error, folder) from error


def dump_json(value: Any) -> str:
    """Return JSON for people and programs: indented, UTF-8, and never NaN.

    A name that is not UTF-8 stands there in readable form (``words.readable``), and what would
    steer a terminal as an escape.

    Raises:
        ValueError: a float is NaN or infinite (undefined values are None in milonga).
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    text = HALF.sub(lambda found: json.dumps(readable(found[0]))[1:-1], text)
    return CONTROL.sub(lambda found: json.dumps(found[0])[1:-1], text)


def sweep_parts(folder: Path) -> None:
    """Remove what killed writers left in ``folder``; what is being written stays."""
    for part in folder.glob(".part-*"):
        if _PART.fullmatch(part.name):
            with contextlib.suppress(OSError), _lock(part, wait=False) as locked:
                if locked or time.time() - part.stat().st_mtime > _STALE_S:
                    _remove(part)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they aren't there.

    Raises:
        OutputError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, folder) from error


def _make_and_sweep(folder: Path) -> None:
    make_folder(folder)
    if (place := folder.absolute()) not in _swept:
        sweep_parts(place)
        _swept.add(place)


@contextlib.contextmanager
def _part(target: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Make a part beside ``target`` and hold it, so that no sweep takes it."""
    while True:
        part = target.with_name(f".part-{secrets.token_hex(4)}-{target.name}")
        make(part)
        with contextlib.ExitStack() as held:
            # A sweep may have come before the lock.
            try:
                held.enter_context(_lock(part, wait=True))
            except FileNotFoundError:
                continue
            if part.exists():
                try:
                    yield part
                finally:
                    _remove(part)
                return


@contextlib.contextmanager
def _lock(part: Path, *, wait: bool) -> Iterator[bool]:
    """Lock a part; False where files can't be locked.

    Raises:
        BlockingIOError: another process holds it, and ``wait`` is False.
    """
    if fcntl is None:
        yield False
        return
    number = os.open(part, os.O_RDONLY if part.is_dir() else os.O_RDWR)
    try:
        locked = True
        try:
            fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            locked = False
        yield locked
    finally:
        os.close(number)


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for it out of a folder, which is made if needed.

    For a moment between a look and a write. Nothing is left behind, and the system frees the lock
    of a process that ends. Where folders can't be locked (Windows), nobody is kept out.

    Raises:
        OutputError: the folder can't be made.
    """
    make_folder(folder)
    with contextlib.ExitStack() as stack:
        # A folder that can't be read can't be locked: what is done in it then says so.
        with contextlib.suppress(OSError):
            stack.enter_context(_lock(folder, wait=True))
        yield


def _remove(part: Path) -> None:
    with contextlib.suppress(OSError):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def existing_part(folder: Path) -> Path:
    """Return the folder itself, or the nearest folder above it that exists."""
    folder = folder.absolute()
    return next((each for each in (folder, *folder.parents) if is_there(each)), folder)


def is_there(path: Path) -> bool:
    """Tell if there is something, as far as we may look; a refusal shows when it is opened."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def check_writable(folder: Path) -> None:
    """Refuse a folder that can't be written, or made, before the work whose result goes there.

    Raises:
        OutputError: says why, by the system's reason.
    """
    try:
        with _part(existing_part(folder) / "trial", Path.touch):
            pass
    except OSError as error:
        raise output_error(error, folder) from error


def check_no_links(root: Path, *folders: Path) -> None:
    """Refuse folders of ours that are links out of the folder that the user named: nothing is
    written, moved or removed through them.

    Args:
        root: the folder that the user named, which may be a link itself.
        folders: inside of it; they need not exist.

    Raises:
        OutputError: names the link.
    """
    for folder in folders:
        for place in (folder, *folder.parents):
            if place == root:
                break
            if place.is_symlink() and not place.resolve().is_relative_to(root.resolve()):
                raise OutputError(
                    "This is a link to another place, through which nothing is written.",
                    where=place,
                    step="Put a folder in its place, or choose another folder for the output.",
                )


def read_refusal(error: OSError, what: str) -> tuple[str, str]:
    """Return message and step for a file or folder that the system doesn't let us read."""
    if isinstance(error, FileNotFoundError):
        return f"{what} can't be read: there is no such file.", "Check its name."
    if isinstance(error, IsADirectoryError):
        return f"{what} can't be read: this is a folder.", "Give a file in it."
    return f"{what} can't be read: {error.strerror or error}.", "Check its owner and permissions."


def free_space(folder: Path) -> int | None:
    """Return the free bytes on the disk of a folder, which need not exist yet.

    None where the system doesn't tell.
    """
    try:
        return shutil.disk_usage(existing_part(folder)).free
    except OSError:
        return None


def output_error(error: OSError, path: str | os.PathLike[str]) -> OutputError:
    """Return the explained form of an operating system's refusal to write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            "The disk is full.",
            where=path,
            step="Free some space, then run the same command again.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(
            "No permission to write here.",
            where=path,
            step="Check its owner and permissions, or choose another folder.",
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return OutputError(
            "A file of another kind is in the way.",
            where=path,
            step="Move it or choose another name.",
        )
    elsewhere = "Choose another folder for the output."
    if error.errno == errno.ENAMETOOLONG:
        return OutputError(
            "The name is too long for this file system.", where=path, step="Choose a shorter one."
        )
    if error.errno == errno.EFBIG:
        elsewhere = "Raise the limit of file sizes (ulimit -f), or choose a folder on another disk."
    return OutputError(f"Can't write: {error.strerror or error}.", where=path, step=elsewhere)
