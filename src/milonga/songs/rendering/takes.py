"""Takes on disk: their folders, their names and their order."""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga.errors import ReceiptError, UnreadableError
from milonga.generators.base import Edit, Request, Role
from milonga.runtime.files import read_refusal, rename_apart
from milonga.runtime.words import without_accents
from milonga.songs.rendering.receipts import Receipt, read_receipt

DAMAGED = "damaged"
"""Folder, beside the takes, of damaged ones that were rendered again."""
_SHORT = 40


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


def whole_folder(out: Path) -> Path:
    """Return the folder of the takes of the whole song."""
    return out / "takes" / "whole"


def numbered_name(folder: Path, base: str, generator: str, request: Request) -> str:
    """Return the name under which a take of this request is or will be.

    That is ``base`` itself, or ``base.N`` where ``base`` was made for another request: no take
    is overwritten. A name that only a damaged take has is used again.

    Raises:
        UnreadableError: the system doesn't let us read a take, so nobody knows what it is.
    """
    damaged = None
    last = 0
    for number, name in _numbered(folder, base):
        try:
            receipt = read_receipt(folder / f"{name}.json")
        except UnreadableError:
            raise
        except ReceiptError:
            damaged = damaged or name
        else:
            if same_request(receipt.request, request) and receipt.generator == generator:
                check_readable(folder / f"{name}.wav")
                return name
        last = number
    return damaged or (f"{base}.{last + 1}" if last else base)


def same_request(one: Request, other: Request) -> bool:
    """Tell if two requests ask for the same; the tempo of what follows doesn't count."""
    own = other.next_tempo
    return one.model_copy(update={"next_tempo": own}) == other


def _numbered(folder: Path, base: str) -> list[tuple[int, str]]:
    pattern = re.compile(rf"{re.escape(base)}(?:\.([1-9][0-9]{{0,8}}))?")
    # Of thousands, few begin so.
    names = {name.rpartition(".")[0] for name in _names(folder) if name.startswith(base)
             and name.endswith((".json", ".wav"))}  # fmt: skip
    found = ((pattern.fullmatch(name), name) for name in names)
    return sorted((int(match[1] or 1), name) for match, name in found if match)


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        message, step = read_refusal(error, "This folder of takes")
        raise UnreadableError(message, where=folder, step=step) from error


def _listed(folder: Path) -> list[Path]:
    return [folder / name for name in sorted(_names(folder))]


def check_readable(sound: Path) -> None:
    """Refuse the audio of a take that is there and that the system doesn't let us read.

    Raises:
        UnreadableError: it is such.
    """
    try:
        with open(sound, "rb"):
            pass
    except FileNotFoundError:
        pass
    except OSError as error:
        message, step = read_refusal(error, "This take")
        raise UnreadableError(message, where=sound, step=step) from error


def set_aside(sound: Path, receipt: Path) -> None:
    """Move a damaged take out of the way, into the folder ``damaged`` beside it.

    Raises:
        OutputError: the folder can't be written.
    """
    present = [path for path in (sound, receipt) if path.exists()]
    if present:
        rename_apart(present, sound.parent / DAMAGED)


def may_be_song(request: Request) -> bool:
    """Tell if words with music of their own answer the request: vocals that nothing else plays
    under."""
    return request.role == "vocals" and not request.accompanied


def role_for(asked: Request, roles: Collection[Role]) -> Role | None:
    """Return the role in which a generator of these roles answers a request; None if in none."""
    if asked.role in roles:
        return asked.role
    return "song" if "song" in roles and may_be_song(asked) else None


def request_changes(then: Request, now: Request) -> tuple[str, ...]:
    """List what the sheet asks for now and a take was not made for, as in "tempo 120 -> 122".

    Seeds and options don't count: several takes of one layer differ in them. Nor does the role of
    a song that stands in for vocals.
    """
    same = {"seed", "options", "next_tempo"}
    if then.role == "song" and may_be_song(now):
        same.add("role")
    fields = (name for name in Request.model_fields if name not in same)
    pairs = ((name, getattr(then, name), getattr(now, name)) for name in fields)
    return tuple(_change(name, old, new) for name, old, new in pairs if old != new)


def _change(name: str, old: object, new: object) -> str:
    if name == "parts":
        return "segments"
    if name == "accompanied":
        return "now with other layers" if new else "now without other layers"
    texts = [_words(value) for value in (old, new)]
    if isinstance(old, tuple) or max(map(len, texts)) > _SHORT:
        return name
    return f"{name} {texts[0] or 'none'} -> {texts[1] or 'none'}"


def _words(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Take:
    """A take on disk.

    Attributes:
        receipt: how it was made.
        path: of its audio file.
        changes: differences between the sheet that it was made for and that of now, in words;
            empty for a current take.
    """

    receipt: Receipt
    path: Path
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def stale(self) -> bool:
        """True where the take answers an earlier state of the sheet."""
        return bool(self.changes)

    @property
    def edit(self) -> Edit | None:
        """How it was made from another recording; None for a take of the request alone."""
        return self.receipt.request.edit

    @property
    def usable(self) -> bool:
        """True where the mix may use the take without being told to; an edit must be chosen."""
        return self.receipt.good and not self.stale and self.edit is None


def takes_in(
    folder: Path,
    order: Sequence[str] = (),
    now: Request | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[list[Take], list[str]]:
    """List the finished takes of a layer, and a line for each damaged receipt.

    Sorted by the layer's order of generators (others after them), then those with the sheet's
    options first, then by seed and name.

    Args:
        folder: of the layer.
        order: of generators.
        now: what the sheet asks for; None where it doesn't matter.
        options: of the sheet, by generator.

    Raises:
        UnreadableError: the system doesn't let us look into the folder.
    """
    found, broken = [], []
    for path in _listed(folder):
        if path.suffix != ".json" or path.name.startswith("."):
            continue
        try:
            receipt = read_receipt(path)
        except ReceiptError as error:
            broken.append(str(error))
            continue
        sound = path.with_suffix(".wav")
        if sound.is_file():
            changes = () if now is None else request_changes(receipt.answers, now)
            found.append(Take(receipt, sound, changes))
        else:
            broken.append(f"{path}: its audio {sound.name} is missing.")
    rank = {name: index for index, name in reversed(list(enumerate(order)))}
    wanted = options or {}

    def place(take: Take) -> tuple[Any, ...]:
        receipt = take.receipt
        other = receipt.request.options != dict(wanted.get(receipt.generator, {}))
        index = rank.get(receipt.generator, len(order))
        return index, other, receipt.seed, len(take.name), take.name

    return sorted(found, key=place), broken
