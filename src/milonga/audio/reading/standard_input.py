"""``-``: a recording that comes through standard input, kept in a file while the process runs."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import IO

from milonga.audio.reading.scratch import Scratch
from milonga.errors import AudioError
from milonga.runtime.files import output_error

DASH = Path("-")
LABEL = "standard input"
_LARGEST, _BLOCK = 8 << 30, 1 << 20


def standard_input() -> Path:
    """Return the file that holds what came through standard input; it is read once.

    Raises:
        AudioError: there is none, or it doesn't end within 8 GB.
        OutputError: the disk for temporary files is full.
    """
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None or sys.stdin.isatty():
        raise AudioError(
            "Nothing comes through standard input.",
            where=LABEL,
            step="Pipe a recording into the command, or give a file.",
        )
    return _kept(stream).folder / LABEL


@lru_cache(maxsize=1)
def _kept(stream: IO[bytes]) -> Scratch:
    scratch = Scratch()
    path = scratch.folder / LABEL
    try:
        with open(path, "wb") as kept:
            while block := stream.read(_BLOCK):
                kept.write(block)
                if kept.tell() > _LARGEST:
                    raise AudioError(f"It doesn't end within {_LARGEST >> 30} GB.", where=LABEL)
    except OSError as error:
        raise output_error(error, path) from error
    return scratch
