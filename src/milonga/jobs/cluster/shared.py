"""A folder that all machines of a cluster see: found out with a mark, not asked for."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from milonga.errors import OutputError
from milonga.runtime.files import check_writable, part_folder

_NAME = "mark"


@contextmanager
def marked(folder: Path) -> Iterator[dict[str, Any]]:
    """Put a mark into a folder for the time of the block, and give what tells where it is.

    Raises:
        OutputError: the folder can't be made or written.
    """
    word = secrets.token_hex(16)
    with part_folder(folder) as part:
        (part / _NAME).write_text(word, encoding="ascii")
        yield {"path": str(part.absolute() / _NAME), "word": word, "user": _user()}


def sees(mark: dict[str, Any]) -> bool:
    """Tell if this machine sees a mark, as the same user, and may write beside it.

    Another user's files couldn't be changed by the one who asked for them.
    """
    path = Path(mark["path"])
    try:
        found = path.read_text(encoding="ascii") == mark["word"]
        if not found or _user() != mark["user"]:
            return False
        check_writable(path.parent)
    except (OSError, UnicodeDecodeError, OutputError):
        return False
    return True


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else -1
