"""The takes of a rendered song: list them, and remove stale ones."""

from __future__ import annotations

import os

from milonga.runtime.progress import Progress
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.take_list import TakeList, list_folder, prune_folder


def list_takes(out: str | os.PathLike[str], *, progress: Progress | None = None) -> TakeList:
    """List the takes of a rendered song with their state, size and what they were made for.

    Args:
        out: the folder of the rendered song.
        progress: counts takes.

    Raises:
        MilongaError: the folder holds no rendered song.
    """
    return list_folder(OutputFolder.load(out), progress)


def prune_takes(out: str | os.PathLike[str]) -> TakeList:
    """Remove the takes that were made for an earlier state of the sheet, for good.

    Takes that are chosen by name or in the mix stay, and so do damaged ones and those of
    layers that the sheet lacks.

    Args:
        out: the folder of the rendered song.

    Returns:
        The takes that were removed.

    Raises:
        MilongaError: the folder holds no rendered song.
        OutputError: a file can't be removed.
    """
    return prune_folder(OutputFolder.load(out))
