"""Takes on disk: their folders, their names and their order."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga.errors import ReceiptError
from milonga.runtime.words import without_accents
from milonga.songs.rendering.receipts import Receipt, read_receipt


def slug(text: str) -> str:
    """Make a file name of any text: "Digital Bandoneón" gives "digital-bandoneon".

    Scripts without a Latin form keep their letters.

    Example:
        >>> slug("¿Qué? (Bandoneón)")
        'que-bandoneon'
    """
    letters = unicodedata.normalize("NFKC", without_accents(text).lower())
    words = re.sub(r"[^\w]+", "-", letters).strip("-_")
    # File systems count bytes: 255 with the rest of the name.
    return words.encode()[:60].decode(errors="ignore").strip("-_") or "segment"


def option_hash(options: dict[str, Any]) -> str:
    """Return six hex digits that tell sets of options apart; empty for none."""
    if not options:
        return ""
    text = json.dumps(options, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def take_name(generator: str, options: dict[str, Any], seed: int) -> str:
    """Return the name of a take: ``NAME[-OPTIONHASH]-sSEED``."""
    return "-".join(part for part in (generator, option_hash(options), f"s{seed}") if part)


def segment_folder(number: int, name: str) -> str:
    """Return the folder name of a segment, such as ``07-digital-bandoneon``."""
    return f"{number:02d}-{slug(name)}"


@dataclass(frozen=True, slots=True)
class Take:
    """A take on disk: its receipt and the path of its audio file."""

    receipt: Receipt
    path: Path

    @property
    def name(self) -> str:
        return self.path.stem


def takes_in(folder: Path, order: Sequence[str] = ()) -> tuple[list[Take], list[str]]:
    """List the finished takes of a layer, and a line for each damaged receipt.

    Sorted by the layer's order of generators (others after them), then by seed and name.
    """
    found, broken = [], []
    for path in sorted(folder.glob("*.json")):
        try:
            receipt = read_receipt(path)
        except ReceiptError as error:
            broken.append(str(error))
            continue
        sound = path.with_suffix(".wav")
        if sound.is_file():
            found.append(Take(receipt, sound))
        else:
            broken.append(f"{path}: its audio {sound.name} is missing.")
    rank = {name: index for index, name in enumerate(order)}
    found.sort(
        key=lambda t: (
            rank.get(t.receipt.generator, len(rank)),
            bool(t.receipt.request.options),
            t.receipt.seed,
            t.name,
        )
    )
    return found, broken
