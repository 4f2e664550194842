"""The receipt beside an exported file: how the sound was made, and what was done to it since."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, JsonValue

from milonga._version import __version__
from milonga.audio.clip import Clip
from milonga.audio.digest import samples_sha256
from milonga.audio.export.settings import ExportSettings
from milonga.audio.files import read
from milonga.audio.tagging.embedding import embedded_text
from milonga.errors import ReceiptError
from milonga.runtime.documents import read_receipt_file
from milonga.runtime.files import dump_json, write_text
from milonga.runtime.record import Record

FORMAT_VERSION: Final = 2


class Provenance(Record):
    """The origin of a sound before the export: all that its maker knows, as plain JSON."""

    model: str = ""
    model_sha256: str | None = None
    seed: int | None = None
    licence: str = ""
    settings: dict[str, JsonValue] = Field({})
    threads: int | None = None
    """Of the networks, which round otherwise on another number. That is no wish: a sound is made
    as it is wanted on any number, and the receipt's ``id`` doesn't depend on it."""

    def is_as(self, other: Provenance) -> bool:
        """Tell whether two sounds are meant to be the same."""
        return self.model_copy(update={"threads": other.threads}) == other


class Step(Record):
    """One thing done to the sound, in the order of the receipt's ``chain``."""

    name: Literal["channels", "resample", "loudness", "gain", "limit", "dither", "encode"]
    details: dict[str, JsonValue] = Field({})


class ExportedSound(Record):
    """Samples: before the export, or as decoded from the file."""

    sha256: str
    """Of the samples: float32, little-endian, channels interleaved."""
    n_samples: int
    sample_rate: int
    channels: int


class ExportReceipt(Record):
    """The JSON document beside an exported file."""

    kind: Literal["milonga-export"] = "milonga-export"
    format_version: Literal[2] = FORMAT_VERSION
    id: str
    """The first 12 digits of the SHA-256 of all below but ``created`` and ``sound``, so the same
    sound exported alike by the same versions has the same; the file's tags carry it, too."""
    milonga_version: str = __version__
    python: str = platform.python_version()
    system: str = f"{sys.platform} {platform.machine()}"
    libraries: dict[str, str]
    """Versions by distribution name."""
    made: Provenance
    settings: ExportSettings
    source: ExportedSound
    chain: tuple[Step, ...]
    created: datetime
    file: str
    sound: ExportedSound


def receipt_path(path: str | os.PathLike[str]) -> Path:
    """Name the receipt of a file: ``song.flac.json`` beside ``song.flac``."""
    path = Path(path)
    return path.with_name(path.name + ".json")


def receipt_id(
    made: Provenance,
    settings: ExportSettings,
    source: ExportedSound,
    chain: tuple[Step, ...],
    libraries: dict[str, str],
) -> str:
    """Compute ``ExportReceipt.id``."""
    origin = made.model_dump(mode="json", exclude={"threads"})
    parts = [origin, *(part.model_dump(mode="json") for part in (settings, source, *chain))]
    facts = [__version__, platform.python_version(), f"{sys.platform} {platform.machine()}"]
    text = json.dumps([*facts, libraries, *parts], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write_export_receipt(receipt: ExportReceipt, path: Path) -> None:
    """Write the receipt as JSON, atomically."""
    write_text(path, dump_json(receipt.model_dump(mode="json")))


def embedded_form(receipt: ExportReceipt) -> str:
    """Return a receipt as it stands in the tags of its file: with the day, and without the file's
    name, so that the same export on a day is the same file."""
    day = receipt.created.replace(hour=0, minute=0, second=0, microsecond=0)
    told = receipt.model_copy(update={"created": day, "file": Path(receipt.file).suffix})
    return dump_json(told.model_dump(mode="json"))


def read_export_receipt(path: str | os.PathLike[str]) -> ExportReceipt:
    """Read the receipt of an exported file: the one beside it, else the one in its tags.

    Args:
        path: the sound file, or its receipt.

    Raises:
        ReceiptError: missing, damaged, or of a format that this version doesn't know.
    """
    path = Path(path)
    text = None
    if path.suffix.lower() != ".json":
        beside = receipt_path(path)
        text = None if beside.exists() else embedded_text(path)
        path = beside if text is None else path
    found = read_receipt_file(
        path,
        ExportReceipt,
        version=FORMAT_VERSION,
        upgrades={1: _from_version_1},
        place="It is the file that ends in .json, beside the exported one.",
        mend="Export it again.",
        kind="milonga-export",
        text=text,
    )
    return found if text is None else found.model_copy(update={"file": path.name})


def _from_version_1(document: dict[str, Any]) -> None:
    for part in (document["source"], document["sound"]):
        part["n_samples"], part["sample_rate"] = part.pop("frames"), part.pop("rate")


def check_export(path: str | os.PathLike[str]) -> ExportReceipt:
    """Read the receipt of an exported file and check that its samples are those that were written.

    Raises:
        ReceiptError: as ``read_export_receipt``; or the samples are others.
        AudioError: the sound can't be read.
    """
    receipt = read_export_receipt(path)
    if sound_of(path, receipt) != receipt.sound:
        raise ReceiptError(
            "Its samples are not those that the receipt names: it was changed since.",
            where=path,
            step="Export it again, or take it without its receipt.",
        )
    return receipt


def sound_of(path: str | os.PathLike[str], receipt: ExportReceipt) -> ExportedSound:
    """Read what the file of a receipt holds now."""
    return described(read(Path(path).with_name(Path(receipt.file).name)))


def described(clip: Clip) -> ExportedSound:
    """Describe the samples of a clip, for a receipt."""
    return ExportedSound(
        sha256=samples_sha256(clip),
        n_samples=clip.n_samples,
        sample_rate=clip.sample_rate,
        channels=clip.channels,
    )
