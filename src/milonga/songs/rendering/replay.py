"""Replay: a take rendered again from its receipt, and whether it is the same."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from milonga import audio
from milonga.audio.clip import Clip
from milonga.generators.base import Generator, Model
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import Receipt, Sound, intact_clip, store

CLOSE_DB = -40.0
"""A difference at least this far under the take counts as close: other hardware or library
versions round otherwise, another sound differs by about its own level."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found.

    Attributes:
        verdict: ``identical`` samples, ``close`` or ``different``.
        difference_db: RMS of the difference relative to the RMS of the take; None where the
            samples are identical or can't be compared.
        reason: why, where they can't be compared.
        changes: what differs from the receipt in model, versions or system.
        clip: the new rendering.
        sound: its description, to hold against the receipt's.
    """

    verdict: Literal["identical", "close", "different"]
    difference_db: float | None
    reason: str
    changes: tuple[str, ...]
    clip: Clip
    sound: Sound


def replay(receipt: Receipt, folder: Path, generator: Generator, progress: Progress) -> Replay:
    """Renders the receipt's request again and compares the samples.

    Args:
        receipt: of the take.
        folder: where the take's audio is; needed only to measure a difference.
        generator: made with the receipt's options.

    Raises:
        GeneratorError: it can't be rendered any more.
    """
    clip = generator.render(
        receipt.request.model_copy(update={"seed": receipt.seed_used}), progress
    )
    # Through the same rounding as the take.
    with tempfile.TemporaryDirectory(prefix="milonga-") as scratch:
        again, sound = store(clip, Path(scratch) / "again.wav", audio.Tags())
    changes = model_changes(receipt.model, generator.model())
    if sound.sha256 == receipt.sound.sha256:
        return Replay("identical", None, "", changes, again, sound)
    if (sound.rate, sound.channels) != (receipt.sound.rate, receipt.sound.channels):
        reason = "another rate or number of channels"
        return Replay("different", None, reason, changes, again, sound)
    before = intact_clip(receipt, folder)
    if before is None:
        reason = "the take's own audio is gone or changed, so the difference can't be measured"
        return Replay("different", None, reason, changes, again, sound)
    if abs(before.n_samples - again.n_samples) > 0.02 * again.sample_rate:
        reason = f"{again.seconds:.2f} s instead of {before.seconds:.2f} s"
        return Replay("different", None, reason, changes, again, sound)
    level = difference_db(before, again)
    verdict: Literal["close", "different"] = "close" if level <= CLOSE_DB else "different"
    return Replay(verdict, level, "", changes, again, sound)


def difference_db(before: Clip, after: Clip) -> float:
    """RMS of the difference relative to the RMS of ``before``, in dB; the shorter is padded."""
    frames = max(before.n_samples, after.n_samples)
    a, b = before.fitted(frames).samples, after.fitted(frames).samples
    error = float(np.sqrt(np.mean((a - b).astype(np.float64) ** 2)))
    level = float(np.sqrt(np.mean(a.astype(np.float64) ** 2)))
    # Silence before and sound after: as far apart as 24 bits can say.
    return 20 * math.log10(max(error, 1e-12) / max(level, 6e-8))


def model_changes(before: Model, after: Model) -> tuple[str, ...]:
    """What differs between the model of a receipt and that of now, one line each."""
    changes = []
    for field in ("name", "repo", "revision", "device", "dtype"):
        old, new = getattr(before, field), getattr(after, field)
        if old != new:
            changes.append(f"{field}: {old} then, {new} now")
    for what, old_map, new_map in (
        ("file", before.files, after.files),
        ("version", before.libraries, after.libraries),
    ):
        for name in sorted({*old_map, *new_map}):
            old, new = old_map.get(name, "absent"), new_map.get(name, "absent")
            if old != new:
                changes.append(f"{what} of {name}: {old[:12]} then, {new[:12]} now")
    return tuple(changes)
