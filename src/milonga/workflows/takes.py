"""The takes of a rendered song: list them, and remove stale ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga.errors import ReceiptError
from milonga.runtime import html
from milonga.runtime.progress import Progress
from milonga.songs.output.folder import OutputFolder
from milonga.songs.output.tagged import receipt_in
from milonga.songs.output.take_list import TakeList, list_folder, prune_folder
from milonga.songs.rendering.differences import ReceiptDifference, receipt_differences
from milonga.songs.rendering.receipts import Receipt, read_receipt


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

    Takes that are chosen by name or in the mix stay, and so do damaged ones, those of layers
    that the sheet lacks, and what a take that stays was made from.

    Args:
        out: the folder of the rendered song.

    Returns:
        The takes that were removed.

    Raises:
        MilongaError: the folder holds no rendered song.
        OutputError: a file can't be removed.
    """
    return prune_folder(OutputFolder.load(out))


@dataclass(frozen=True, slots=True)
class TakeComparison:
    """What differs between two takes, by their receipts.

    Attributes:
        a: receipt of the first; the sound itself, where only its tags hold one.
        b: receipt of the second.
        same_samples: both sound the same, to the last sample.
        differences: the fields in which the receipts differ.
    """

    a: Path
    b: Path
    same_samples: bool
    differences: tuple[ReceiptDifference, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        return {
            "a": str(self.a),
            "b": str(self.b),
            "same_samples": self.same_samples,
            "differences": [difference.model_dump() for difference in self.differences],
        }

    def _repr_html_(self) -> str:
        headings = ("", self.a.stem, self.b.stem)
        return html.table(headings, (difference.row for difference in self.differences))


def compare_takes(
    out: str | os.PathLike[str], a: str | os.PathLike[str], b: str | os.PathLike[str]
) -> TakeComparison:
    """Tell what differs between two takes, by their receipts.

    Args:
        out: the folder of the rendered song.
        a: a take: its name where only one layer has such a one, or its path, from ``out`` or
            as any other; a file that carries a receipt in its tags.
        b: another one.

    Raises:
        ReceiptError: there is no such take, or several; or its receipt can't be read.
    """
    (here, first), (there, second) = (take_receipt(out, take) for take in (a, b))
    same = first.sound.sha256 == second.sound.sha256
    return TakeComparison(here, there, same, receipt_differences(first, second))


def take_receipt(out: str | os.PathLike[str], take: str | os.PathLike[str]) -> tuple[Path, Receipt]:
    """Read the receipt of a take: the file beside it, or what its tags hold.

    Args:
        out: the folder of the rendered song.
        take: as for ``compare_takes``.

    Returns:
        The file that the receipt was read from, and the receipt.

    Raises:
        ReceiptError: there is no such take, or several; or its receipt can't be read.
    """
    try:
        path = _receipt_path(Path(out), take)
    except ReceiptError:
        for sound in (Path(out) / take, Path(take)):
            if sound.is_file():
                return sound, receipt_in(sound)
        raise
    return path, read_receipt(path)


def _receipt_path(out: Path, take: str | os.PathLike[str]) -> Path:
    name = os.fspath(take)
    stem = name.removesuffix(".wav").removesuffix(".json")
    for place in (out / f"{stem}.json", Path(f"{stem}.json")):
        if place.is_file():
            return place
    found = sorted(path for path in (out / "takes").rglob("*.json") if path.stem == stem)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ReceiptError(
            f"There is no take {name!r}.", where=out, step="'milonga takes' lists them."
        )
    known = ", ".join(path.relative_to(out).with_suffix("").as_posix() for path in found)
    raise ReceiptError(
        f"There are several takes {name!r}.", where=out, step=f"Use one of: {known}."
    )
