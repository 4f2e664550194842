"""Receipts in the tags of sound files: of a take, or of every take in a mix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from milonga._version import __version__
from milonga.audio.tagging.embedding import embed_text, embedded_text
from milonga.errors import ReceiptError, UnknownNameError
from milonga.runtime.documents import finite_json
from milonga.runtime.files import dump_json
from milonga.songs.rendering.receipts import Receipt, read_receipt
from milonga.songs.rendering.takes import Take
from milonga.songs.sheet.model import Sheet

MIX = "milonga-mix"
_EXPORT = "milonga-export"


def embed_mix(path: Path, sheet: Sheet, chosen: Mapping[str, Take]) -> None:
    """Put the receipts of the takes in a mix into its tags, where they fit.

    Args:
        path: of the mix.
        sheet: the song.
        chosen: the takes, by what they were chosen for: ``18/vocals``.
    """
    takes = {key: take.receipt.model_dump(mode="json") for key, take in chosen.items()}
    document = {
        "kind": MIX,
        "format_version": 1,
        "milonga_version": __version__,
        "title": sheet.title,
        "takes": takes,
    }
    embed_text(path, dump_json(document))


def is_mix(path: Path) -> bool:
    """Tell if the tags of a sound file say that it is a mix."""
    text = embedded_text(path)
    return text is not None and f'"kind": "{MIX}"' in text[:80]


def receipt_in(path: Path, take: str | None = None) -> Receipt:
    """Read the receipt of a take from the tags of a sound file.

    Args:
        path: of the take, a copy of it in another format, or a mix.
        take: of a mix, which: ``18/vocals``; needed where there are several.

    Raises:
        ReceiptError: there is none, it is damaged, or of another kind.
        UnknownNameError: the mix has no such take.
    """
    text = embedded_text(path)
    if text is None:
        raise ReceiptError(
            "There is no receipt in its tags, and none beside it.",
            where=path,
            step="Give the .json file beside the take, or a file that milonga wrote.",
        )
    try:
        document = finite_json(text)
    except ValueError as error:
        raise ReceiptError(f"Its tags hold no receipt ({error}).", where=path) from None
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind == MIX:
        return _of_mix(path, document, take)
    if kind == _EXPORT:
        raise ReceiptError(
            f"It was played by the sound model {_model(document)!r}.",
            where=path,
            step="Its settings are listed by: milonga sound history list",
        )
    return read_receipt(path, text)


def _of_mix(path: Path, document: dict[str, Any], take: str | None) -> Receipt:
    takes = document.get("takes")
    if not isinstance(takes, dict) or not takes:
        raise ReceiptError("The receipt of this mix is damaged.", where=path)
    if take is None and len(takes) > 1:
        raise ReceiptError(
            f"It is a mix of {len(takes)} takes: {', '.join(takes)}.",
            where=path,
            step=f"Say which to make again: --take {next(iter(takes))}",
        )
    name = next(iter(takes)) if take is None else take
    if name not in takes:
        raise UnknownNameError("take of this mix", name, takes)
    return read_receipt(path, dump_json(takes[name]))


def _model(document: dict[str, Any]) -> str:
    made = document.get("made")
    return str(made.get("model", "")) if isinstance(made, dict) else ""
