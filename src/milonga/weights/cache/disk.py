"""Checks that the cache can take a download, before any work and not in the middle of it."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from milonga.errors import CacheError
from milonga.runtime.files import free_space
from milonga.runtime.words import numbered, size_text
from milonga.weights.cache.layout import RepoCache
from milonga.weights.settings import CacheChoice

SPARE = 64 * 1024 * 1024
"""Bytes that stay free beside a large download, for other programs."""


def write_fault(cache: RepoCache) -> str | None:
    """Try to write where a download of this repository would.

    Returns:
        None if that works, otherwise the obstacle. Files of the trial are removed.
    """
    for folder in (
        cache.folder,
        cache.blobs,
        cache.snapshots,
        cache.refs,
        cache.own,
        cache.parts,
        cache.lock_file.parent,
    ):
        there = folder
        while not there.exists():
            # A link into nowhere is in the way, too.
            if there.is_symlink() or there == there.parent:
                return f"{there} does not exist"
            there = there.parent
        if not there.is_dir():
            return f"{there} is a file, not a folder"
        trial = there / f".milonga-{secrets.token_hex(4)}"
        try:
            trial.touch()
            trial.unlink()
        except OSError as error:
            return _reason(error, there)
    return None


def unwritable(choice: CacheChoice, fault: str) -> CacheError:
    """Return the error for a cache that can't be written, with the ways out."""
    # Not resolved through links: it is the name that the user knows.
    folder = choice.root
    steps = [
        "Use another folder: add --cache-dir FOLDER, or set HF_HOME=FOLDER for all Hugging Face "
        "tools.",
        f'Or let milonga take one by itself: put fallback_cache_dir = "FOLDER" under [weights] '
        f"in {_config_name()}.",
    ]
    if "owned by" in fault:
        steps.append(f"Or, if the folder should be yours: sudo chown -R {_user_name()} '{folder}'")
    return CacheError(
        f"The model cache (named by {choice.named_by}) can't be written: {fault}.",
        where=folder,
        step=numbered(steps),
    )


def check_space(folder: Path, needed: int) -> None:
    """Make sure that ``needed`` bytes fit on the disk of ``folder``.

    Raises:
        CacheError: they don't.
    """
    free = free_space(folder)
    if free is None:
        return
    if needed + min(SPARE, needed // 20) > free:
        raise CacheError(
            f"The disk has {size_text(free)} free, and the download needs {size_text(needed)}.",
            where=folder,
            step=numbered(
                [
                    "Free some space; milonga weights list shows what models take, and milonga "
                    "weights remove KEY removes one.",
                    "Or use another disk: add --cache-dir FOLDER, or set HF_HOME=FOLDER.",
                ]
            ),
        )


def write_error(error: OSError, folder: Path) -> CacheError:
    """Return the error for a write that failed in the middle of a download."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return CacheError(
            "The disk is full. What has arrived is kept.",
            where=folder,
            step=numbered(
                [
                    "Free some space (milonga weights list shows what models take).",
                    "Run the same command again: it goes on where it stopped.",
                ]
            ),
        )
    return CacheError(
        f"Can't write: {_reason(error, folder)}.",
        where=folder,
        step="Use another folder: add --cache-dir FOLDER, or set HF_HOME=FOLDER.",
    )


def _reason(error: OSError, folder: Path) -> str:
    if error.errno == errno.EROFS:
        return f"{folder} is on a file system that is read-only"
    if error.errno in (errno.EACCES, errno.EPERM):
        owner = _owner(folder)
        if owner and owner != _user_name():
            return f"{folder} is owned by {owner}, and you are {_user_name()}"
        return f"you have no permission to write in {folder}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {folder} is full"
    return f"{error.strerror or error} ({folder})"


def _owner(folder: Path) -> str | None:
    try:
        return folder.owner()
    except (OSError, KeyError, NotImplementedError):
        return None


def _user_name() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        return os.environ.get("USER") or os.environ.get("USERNAME") or "you"


def _config_name() -> str:
    from milonga.runtime.places import config_file

    return str(config_file())
