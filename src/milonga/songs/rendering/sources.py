"""The recordings that edits are made from: read, recognised by their samples, found again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from milonga import audio
from milonga.audio.clip import Clip
from milonga.audio.digest import samples_sha256
from milonga.errors import AudioError, MilongaError, ReceiptError
from milonga.generators.base import Edit, Task
from milonga.runtime.files import named_path
from milonga.runtime.words import readable
from milonga.songs.rendering.receipts import Receipt, read_receipt

PASTED: tuple[Task, ...] = ("repaint", "extend")
"""Tasks that leave the source as it is outside of a range."""


@dataclass(frozen=True, slots=True)
class Source:
    """A recording, its hash, and where it lies."""

    path: Path
    clip: Clip
    sha256: str

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Source:
        """Read a recording.

        Raises:
            AudioError: as ``audio.read``; or it holds no samples.
        """
        clip = audio.read(path)
        if not clip.n_samples:
            raise AudioError("It holds no sound at all (0 samples).", where=path)
        return cls(Path(path), clip, samples_sha256(clip))

    def named(self, out: Path) -> str:
        """Return where it lies: from the output folder, or as an absolute path outside of it."""
        path, top = self.path.absolute(), out.absolute()
        name = path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)
        # As the receipt will have it.
        return readable(name)


def output_folder(folder: Path) -> Path | None:
    """Return the output folder that a folder of takes lies in; None if there is none."""
    places = (folder.absolute(), *folder.absolute().parents)
    return next((place.parent for place in places if place.name == "takes"), None)


def find_source(sha256: str, name: str, folder: Path) -> Source:
    """Find the recording that an edit was made from, by its hash.

    It is looked for where it lay, beside the edit, and among the takes of the edit's output
    folder, which may have been moved or renamed.

    Args:
        sha256: of its samples.
        name: where it lay, as ``Source.named`` gives it.
        folder: of the edit.

    Raises:
        ReceiptError: it is gone or changed; says where it was.
    """
    for path in _places(sha256, name, folder):
        try:
            found = Source.read(path)
        except AudioError:
            continue
        if found.sha256 == sha256:
            return found
    raise ReceiptError(
        "The recording that this edit was made from isn't there any more, or has changed.",
        where=name,
        step=f"Put it back there. The SHA-256 of its samples is {sha256}.",
    )


def _places(sha256: str, name: str, folder: Path) -> Iterator[Path]:
    out = output_folder(folder)
    yield named_path(str((out or folder) / name))
    yield named_path(str(folder / Path(name).name))
    for path in sorted((out / "takes" if out else folder).rglob("*.json")):
        try:
            receipt = read_receipt(path)
        except MilongaError:
            continue
        if receipt.sound.sha256 == sha256:
            yield path.with_suffix(".wav")


def receipt_of(path: Path) -> Receipt | None:
    """Return the receipt beside a take; None where there is none that can be read."""
    try:
        return read_receipt(path.with_suffix(".json"))
    except ReceiptError:
        return None


def edit_words(edit: Edit) -> str:
    """Say what an edit does, as in "repaint 12 to 15.5 s"."""
    match edit.task:
        case "repaint":
            end = "the end" if edit.end is None else f"{_seconds(edit.end)} s"
            return f"repaint {_seconds(edit.start)} to {end}"
        case "extend" if edit.offset:
            return f"extend {_seconds(edit.offset)} s before the start"
        case "extend":
            return f"extend from {_seconds(edit.start)} s"
        case "cover":
            return f"cover, strength {edit.strength:g}"
        case task:
            return f"{task} {edit.track}".strip()


def _seconds(value: float) -> str:
    return f"{round(value, 2):g}"


def new_range(edit: Edit, seconds: float) -> tuple[float, float] | None:
    """Return the range that an edit made anew, in seconds of the take; None where all is new."""
    if edit.task not in PASTED:
        return None
    return edit.start, seconds if edit.end is None else min(edit.end, seconds)
