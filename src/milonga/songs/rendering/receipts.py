"""Receipts: how a take was made, in enough detail to make it again."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from milonga import audio
from milonga._version import __version__
from milonga.analysis.take_checks import TakeDefect
from milonga.audio.clip import Clip
from milonga.audio.digest import samples_sha256
from milonga.audio.dither import holds
from milonga.audio.tagging.embedding import embed_text
from milonga.errors import AudioError
from milonga.generators.base import Model, Request
from milonga.runtime.documents import read_receipt_file
from milonga.runtime.files import dump_json, write_text
from milonga.runtime.record import FiniteRecord

FORMAT_VERSION = 2


class TakeSound(FiniteRecord):
    """The audio file of a take and its samples as decoded from it."""

    file: str
    sha256: str
    """Of the decoded samples: float32, little-endian, channels interleaved."""
    n_samples: int
    sample_rate: int
    channels: int
    seconds: float
    level_db: float = 0.0
    """Gain applied on writing, below 0 where the model's output exceeded full scale."""
    subtype: Literal["PCM_24", "FLOAT"] = "PCM_24"
    """Sample format of the file. Takes have 24 bits; an edit of a recording that needs more to
    stay as it is outside the new range is 32-bit float."""


class Edited(FiniteRecord):
    """What was done with the sound that a generator made of a recording."""

    answers: Request
    """What the sheet asked for when the take that was edited was made; for another recording,
    at the time of the edit."""
    pasted: bool = False
    """A range went into the source, which is as it was outside of it."""
    gain_db: float | None = None
    """What brought the range to the level around it; None where nothing told it."""
    limited: bool = False
    """Peaks of the range were held at full scale."""
    notes: tuple[str, ...] = ()
    """What was converted."""


@dataclass(frozen=True, slots=True)
class Made:
    """A clip that answers a request, ready to be written.

    Attributes:
        clip: the take.
        new: the part of it that is new, where not all of it is.
        edited: how an edit was put together.
        subtype: the sample format of its file.
    """

    clip: Clip
    new: Clip | None = None
    edited: Edited | None = None
    subtype: Literal["PCM_24", "FLOAT"] = "PCM_24"


class Receipt(FiniteRecord):
    """The JSON file beside a take."""

    format_version: Literal[2] = 2
    milonga_version: str = __version__
    title: str
    segment: int
    name: str
    generator: str
    request: Request
    """Whole, options included; its seed is ``seed``."""
    model: Model
    seed: int = Field(ge=0)
    attempt: int = Field(ge=1)
    """From 1; each attempt derives ``seed_used`` from ``seed`` and itself."""
    seed_used: int = Field(ge=0)
    length: Literal["exact", "natural"]
    python: str = platform.python_version()
    system: str = f"{sys.platform} {platform.machine()}"
    started: datetime
    duration_s: float
    sound: TakeSound
    findings: tuple[TakeDefect, ...] = ()
    remarks: tuple[TakeDefect, ...] = ()
    """What the take checks say of sounds that may be meant, such as noise or a drone."""
    notes: tuple[str, ...] = ()
    """What the plan said of it, such as words that the generator doesn't follow."""
    edited: Edited | None = None
    """Of an edit."""
    threads: int | None = None
    """Of the process that rendered it; sums of a network may be rounded otherwise with more."""
    node: str | None = None
    """Machine of a cluster that rendered it, and the beginning of its number there."""

    @property
    def answers(self) -> Request:
        """The request of a layer that the take answers; an edit answers what its source did."""
        return self.edited.answers if self.edited else self.request

    @property
    def doubts(self) -> tuple[TakeDefect, ...]:
        """The remarks that matter in a song, whose segments go on in the next: any but an end
        amid sound."""
        return tuple(remark for remark in self.remarks if remark.code != "cut_off")

    @property
    def good(self) -> bool:
        """True where the take checks found nothing."""
        return not self.findings


def attempt_seed(seed: int, attempt: int) -> int:
    """Return the seed of an attempt, counted from 1; the first uses the seed itself."""
    if attempt == 1:
        return seed
    digest = hashlib.sha256(f"{seed}/{attempt}".encode()).digest()
    # 32 bits: the widest seed that every library takes.
    return int.from_bytes(digest[:4], "big")


def write_take(
    clip: Clip, path: Path, tags: audio.Tags, subtype: Literal["PCM_24", "FLOAT"] = "PCM_24"
) -> tuple[Clip, TakeSound]:
    """Write the audio of a take (WAV) and describe what the file holds.

    With 24 bits a clip beyond full scale is lowered to fit; ``TakeSound.level_db`` tells by how
    much. 32-bit float keeps every sample.
    """
    gain = 1.0 if clip.peak <= 1.0 or subtype == "FLOAT" else 0.999 / clip.peak
    audio.write(path, clip.scaled(gain) if gain < 1.0 else clip, tags=tags, subtype=subtype)
    stored = audio.read(path)
    return stored, TakeSound(
        file=path.name,
        sha256=samples_sha256(stored),
        n_samples=stored.n_samples,
        sample_rate=stored.sample_rate,
        channels=stored.channels,
        seconds=stored.seconds,
        level_db=float(20 * np.log10(gain)),
        subtype=subtype,
    )


def fits_24_bits(clip: Clip) -> bool:
    """Tell whether a file of 24 bits holds every sample as it is."""
    # The highest step lies just under 1.0.
    top = float(clip.samples.max(initial=0.0))
    return top < 1.0 and clip.peak <= 1.0 and holds(clip.samples, 24)


def write_receipt(receipt: Receipt, path: Path) -> None:
    """Write the receipt as JSON, atomically."""
    write_text(path, dump_json(receipt.model_dump(mode="json")))


def read_receipt(path: str | os.PathLike[str], text: str | None = None) -> Receipt:
    """Read a receipt from its file.

    Args:
        path: of the file.
        text: the receipt, where it stands in the tags of ``path``.

    Raises:
        ReceiptError: missing, damaged, or of a format that this version doesn't know.
    """
    return read_receipt_file(
        Path(path),
        Receipt,
        version=FORMAT_VERSION,
        upgrades={1: _from_version_1},
        place="A receipt is the .json file beside a take's .wav.",
        mend="Delete it and render the take again.",
        text=text,
    )


def embed_receipt(receipt: Receipt, path: Path) -> None:
    """Put a receipt into the tags of the take that it describes, where it fits."""
    embed_text(path, dump_json(receipt.model_dump(mode="json")))


def _from_version_1(document: dict[str, Any]) -> None:
    sound = document["sound"]
    sound["n_samples"], sound["sample_rate"] = sound.pop("frames"), sound.pop("rate")


def intact_clip(receipt: Receipt, folder: Path) -> Clip | None:
    """Read the audio of a take; None unless its file holds the samples that the receipt names."""
    try:
        clip = audio.read(folder / Path(receipt.sound.file).name)
    except AudioError:
        return None
    return clip if samples_sha256(clip) == receipt.sound.sha256 else None


def checked_marks(receipt: Receipt) -> list[str]:
    """Say what the take checks found, and what may be meant; nothing for nothing."""
    said = (("has findings", receipt.findings), ("may be meant", receipt.doubts))
    return [f"{mark}: {findings_text(found)}" for mark, found in said if found]


def findings_text(findings: Sequence[TakeDefect]) -> str:
    """Join the messages of findings into one line."""
    return "; ".join(finding.message for finding in findings)
