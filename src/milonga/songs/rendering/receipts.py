"""Receipts: how a take was made, enough to make it again."""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from milonga import audio
from milonga._version import __version__
from milonga.analysis.take_checks import TakeDefect
from milonga.audio.clip import Clip
from milonga.audio.digest import samples_sha256
from milonga.errors import ReceiptError
from milonga.generators.base import Model, Request
from milonga.runtime.files import dump_json, write_text

FORMAT_VERSION = 1
_LIMIT = 4 << 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sound(_Part):
    """The take's audio file and its samples as decoded from it."""

    file: str
    sha256: str
    """Of the decoded samples: float32, little-endian, channels interleaved."""
    frames: int
    rate: int
    channels: int
    seconds: float
    level_db: float = 0.0
    """Gain applied on writing, below 0 where the model's output exceeded full scale."""


class Receipt(_Part):
    """What stands beside a take as JSON."""

    format_version: Literal[1] = 1
    milonga_version: str = __version__
    title: str
    segment: int
    name: str
    generator: str
    request: Request
    """Whole, options included; its seed is ``seed``."""
    model: Model
    seed: int
    attempt: int
    """From 1; each attempt derives ``seed_used`` from ``seed`` and itself."""
    seed_used: int
    length: Literal["exact", "natural"]
    python: str = platform.python_version()
    system: str = f"{sys.platform} {platform.machine()}"
    started: datetime
    duration_s: float
    sound: Sound
    findings: tuple[TakeDefect, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the take checks found nothing."""
        return not self.findings


def attempt_seed(seed: int, attempt: int) -> int:
    """The seed of an attempt, from 1; the first uses the seed itself."""
    if attempt == 1:
        return seed
    digest = hashlib.sha256(f"{seed}/{attempt}".encode()).digest()
    # 32 bits: the widest seed that every library takes.
    return int.from_bytes(digest[:4], "big")


def store(clip: Clip, path: Path, tags: audio.Tags) -> tuple[Clip, Sound]:
    """Writes a take's audio (24-bit WAV) and describes what the file holds.

    A clip beyond full scale is lowered to fit, which ``Sound.level_db`` tells.
    """
    gain = 1.0 if clip.peak <= 1.0 else 0.999 / clip.peak
    audio.write(path, clip.scaled(gain) if gain < 1.0 else clip, tags=tags)
    stored = audio.read(path)
    return stored, Sound(
        file=path.name,
        sha256=samples_sha256(stored),
        frames=stored.n_samples,
        rate=stored.sample_rate,
        channels=stored.channels,
        seconds=stored.seconds,
        level_db=float(20 * np.log10(gain)),
    )


def write_receipt(receipt: Receipt, path: Path) -> None:
    """Writes the receipt as JSON, atomically."""
    write_text(path, dump_json(receipt.model_dump(mode="json")))


def read_receipt(path: Path) -> Receipt:
    """A receipt from its file.

    Raises:
        ReceiptError: missing, damaged, or of a format that this version doesn't know.
    """
    import json

    try:
        with open(path, "rb") as handle:
            raw = handle.read(_LIMIT + 1)
    except OSError as error:
        raise ReceiptError(
            f"The receipt can't be read ({error.strerror}).",
            where=path,
            step="A receipt is the .json file beside a take's .wav.",
        ) from None
    try:
        if len(raw) > _LIMIT:
            raise ValueError("larger than any receipt")
        document = json.loads(raw)
        version = document.get("format_version")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ReceiptError(f"This is not a receipt ({error}).", where=path) from None
    if version != FORMAT_VERSION:
        raise ReceiptError(
            f"Its format version is {version!r}; this milonga reads {FORMAT_VERSION}.",
            where=path,
            step="Use the milonga version that wrote it (milonga_version in the file), or a newer.",
        )
    try:
        return Receipt.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ReceiptError(
            f"The receipt is damaged: {field}: {first['msg']}.",
            where=path,
            step="Delete it and render the take again.",
        ) from None


def intact_clip(receipt: Receipt, folder: Path) -> Clip | None:
    """The take's audio if its file holds the samples that the receipt names, else None."""
    from milonga.errors import AudioError

    try:
        clip = audio.read(folder / Path(receipt.sound.file).name)
    except AudioError:
        return None
    return clip if samples_sha256(clip) == receipt.sound.sha256 else None


def findings_text(findings: Sequence[TakeDefect]) -> str:
    """One line for people."""
    return "; ".join(finding.message for finding in findings)
