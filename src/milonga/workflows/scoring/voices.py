"""The voice alone: stems of takes, and the layer of a segment that sings."""

from __future__ import annotations

from pathlib import Path

from milonga.audio import SUFFIXES
from milonga.errors import MilongaError, ReceiptError
from milonga.songs.rendering.receipts import Receipt, read_receipt

_SINGING = ("vocals", "song", "backing")
"""Layers with words, the clearest first."""

_TRACK = "vocals"


def voice_alone(path: Path) -> Path | None:
    """Find the vocals stem of a take: made from exactly its samples, in the same folder.

    Args:
        path: the take. Other recordings, and takes of a voice alone, have none.
    """
    own = _receipt(path)
    if own is None or (own.request.role == "vocals" and not own.request.accompanied):
        return None
    for beside in sorted(path.parent.glob("*.json")):
        made = _receipt(beside)
        edit = made.request.edit if made else None
        if edit is None or edit.task != "extract" or edit.track != _TRACK:
            continue
        if edit.source == own.sound.sha256 and beside.with_suffix(".wav").is_file():
            return beside.with_suffix(".wav")
    return None


def sung_takes(place: Path) -> list[Path]:
    """Return a file as it is; of a folder the recordings, of a segment's folder those that sing.

    Raises:
        MilongaError: a folder has no recordings.
    """
    if not place.is_dir():
        return [place]
    layer = next((place / name for name in _SINGING if (place / name).is_dir()), place)
    found = [path for path in sorted(layer.iterdir()) if path.suffix.lower() in SUFFIXES]
    takes = [path for path in found if not _is_stem(path)]
    if not takes:
        raise MilongaError("There are no recordings in this folder.", where=layer)
    return takes


def _is_stem(path: Path) -> bool:
    made = _receipt(path)
    edit = made.request.edit if made else None
    return edit is not None and edit.task == "extract"


def _receipt(path: Path) -> Receipt | None:
    try:
        return read_receipt(path.with_suffix(".json"))
    except ReceiptError:
        return None
