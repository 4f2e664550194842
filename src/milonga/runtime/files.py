"""Files that are whole or absent: written beside, flushed, renamed."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from milonga.errors import OutputError


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``target``; renamed onto it when the block ends well.

    The temporary name keeps the suffix (libraries choose a format by it) and starts with
    a dot and ``.part-``, so that a leftover of a killed process is recognised. On an error
    it is removed and ``target`` is as before.

    Raises:
        OutputError: the folder can't be made or written, or the disk is full.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(error, target.parent) from error
    temporary = target.with_name(f".part-{secrets.token_hex(4)}-{target.name}")
    try:
        yield temporary
        # Without this a power cut can leave the new name on an empty file.
        with open(temporary, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise output_error(error, target) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(target: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(target: str | os.PathLike[str], data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


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

    Raises:
        ValueError: a float is NaN or infinite (undefined values are None in milonga).
    """
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def sweep_parts(folder: Path) -> None:
    """Remove what killed writers left in ``folder``."""
    for leftover in folder.glob(".part-*"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def existing_part(folder: Path) -> Path:
    """Return the folder itself, or the nearest folder above it that exists."""
    folder = folder.absolute()
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)


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
            "No permission to write here.", where=path, step="Choose another folder for the output."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return OutputError(
            "A file of another kind is in the way.",
            where=path,
            step="Move it or choose another name.",
        )
    if error.errno == errno.ENAMETOOLONG:
        return OutputError("The name is too long for this file system.", where=path)
    return OutputError(f"Can't write: {error.strerror or error}.", where=path)
