"""The contents of a corpus folder: recordings, hidden ones, and everything else."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from milonga.audio.reading.opening import RECORDINGS
from milonga.audio.reading.standard_input import DASH
from milonga.errors import CorpusError
from milonga.runtime.words import readable


@dataclass(slots=True)
class Found:
    """The contents of a folder.

    Attributes:
        recordings: path by name; a name is the path within the folder, with ``/``.
        passed_over: names and reasons of recordings and folders that were not looked into.
        others: how many files of another kind there are, by suffix.
    """

    recordings: dict[str, Path] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)


def find_recordings(folder: Path) -> Found:
    """Find every recording in a folder and the folders within, by suffix, in the order of names.

    Links are followed, each folder once, so a loop of links ends. A single recording is a folder
    with one file.

    Raises:
        CorpusError: there is no such folder, it can't be listed, or is no recording either.
    """
    found = Found()
    if folder == DASH:
        raise CorpusError(
            "A model is not trained on standard input: it goes back to its recordings later.",
            step="Give the folder that holds your recordings.",
        )
    if folder.is_file() and folder.suffix.lower() in RECORDINGS:
        found.recordings[readable(folder.name)] = folder
        return found
    if not folder.is_dir():
        what = "This is no recording." if folder.exists() else "There is no such folder."
        raise CorpusError(what, where=folder, step="Give the folder that holds your recordings.")
    _walk(folder, folder, found, set())
    found.recordings = dict(sorted(found.recordings.items()))
    return found


def _walk(top: Path, folder: Path, found: Found, seen: set[tuple[int, int]]) -> None:
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        reason = f"this folder can't be listed: {error.strerror or error}"
        if folder == top:
            raise CorpusError(f"{reason[0].upper()}{reason[1:]}.", where=folder) from error
        found.passed_over[_name(top, folder) + "/"] = reason
        return
    for entry in entries:
        path = Path(entry.path)
        name = _name(top, path)
        recording = path.suffix.lower() in RECORDINGS
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            found.passed_over[name] = f"it can't be opened: {error.strerror or error}"
            continue
        if entry.name.startswith("."):
            if is_folder or recording:
                found.passed_over[name + ("/" if is_folder else "")] = "hidden"
        elif is_folder:
            _walk(top, path, found, seen)
        elif recording:
            found.recordings[name] = path
        else:
            found.others[path.suffix.lower()] += 1


def _name(top: Path, path: Path) -> str:
    # A name that isn't UTF-8 must still go into JSON; the path itself stays as it is.
    return readable(path.relative_to(top).as_posix())
