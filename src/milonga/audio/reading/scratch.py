"""Scratch folders: gone with the object that stands for them, at the latest when Python ends."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class Scratch:
    """A folder of its own among the system's temporary files."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="milonga-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
