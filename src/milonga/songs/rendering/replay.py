"""Replay: rendering a take again from its receipt and comparing the samples."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from milonga import audio
from milonga.audio.clip import Clip
from milonga.generators.base import Generator, Model, Request
from milonga.runtime.devices import thread_count
from milonga.runtime.progress import Progress
from milonga.songs.rendering.receipts import Receipt, TakeSound, intact_clip, write_take

CLOSE_DB = -40.0
"""A difference at least this far under the take counts as close: other hardware or library
versions round otherwise, another sound differs by about its own level."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The result of a replay.

    Attributes:
        verdict: ``identical`` samples, ``close`` or ``different``.
        difference_db: RMS of the difference relative to the RMS of the take; None where the
            samples are identical or can't be compared.
        reason: why, where they can't be compared.
        changes: differences from the receipt in model, versions or system, a line each.
        clip: the new rendering.
        sound: its description, to hold against the receipt's.
        receipt: of the take.
    """

    verdict: Literal["identical", "close", "different"]
    difference_db: float | None
    reason: str
    changes: tuple[str, ...]
    clip: Clip
    sound: TakeSound
    receipt: Receipt

    @property
    def detail(self) -> str:
        """The distance between the renderings, or the reason why it isn't known."""
        if self.difference_db is None:
            return self.reason
        if self.difference_db > 0:
            return f"the difference is {self.difference_db:.1f} dB louder than the take"
        return f"the difference lies {-self.difference_db:.1f} dB under the take"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values."""
        return {
            "verdict": self.verdict,
            "difference_db": self.difference_db,
            "reason": self.reason or None,
            "changes": list(self.changes),
            "sha256": self.sound.sha256,
            "sha256_then": self.receipt.sound.sha256,
        }


def replay_take(
    receipt: Receipt,
    folder: Path,
    generator: Generator,
    progress: Progress | None = None,
    *,
    make: Callable[[Request, Progress], Clip] | None = None,
) -> Replay:
    """Render the request of a receipt again and compare the samples.

    Args:
        receipt: of the take.
        folder: where the take's audio is; needed only to measure a difference.
        generator: made with the receipt's options.
        progress: shows the work, and stops it.
        make: makes the clip; by default ``generator.render``.

    Raises:
        GeneratorError: it can't be rendered any more.
    """
    request = receipt.request.model_copy(update={"seed": receipt.seed_used})
    clip = (make or generator.render)(request, progress or Progress())
    # Through the same rounding as the take.
    with tempfile.TemporaryDirectory(prefix="milonga-") as scratch:
        path = Path(scratch) / "again.wav"
        again, sound = write_take(clip, path, audio.Tags(), receipt.sound.subtype)
    changes = model_changes(receipt.model, generator.model())
    if receipt.threads not in (None, threads := thread_count()):
        changes = (*changes, f"threads: {receipt.threads} then, {threads} now")

    def result(
        verdict: Literal["identical", "close", "different"],
        level: float | None = None,
        reason: str = "",
    ) -> Replay:
        return Replay(verdict, level, reason, changes, again, sound, receipt)

    then = receipt.sound
    if sound.sha256 == then.sha256:
        return result("identical")
    if (sound.sample_rate, sound.channels) != (then.sample_rate, then.channels):
        return result("different", reason="another rate or number of channels")
    before = intact_clip(receipt, folder)
    if before is None:
        reason = "the take's own audio is gone or changed, so the difference can't be measured"
        return result("different", reason=reason)
    if abs(before.n_samples - again.n_samples) > 0.02 * again.sample_rate:
        reason = f"{again.seconds:.2f} s instead of {before.seconds:.2f} s"
        return result("different", reason=reason)
    level = difference_db(before, again)
    return result("close" if level <= CLOSE_DB else "different", level)


def difference_db(before: Clip, after: Clip) -> float:
    """Measure the RMS of the difference relative to that of ``before``, in dB.

    The shorter of the two is padded with silence.
    """
    frames = max(before.n_samples, after.n_samples)
    a, b = before.fitted(frames).samples, after.fitted(frames).samples
    error = float(np.sqrt(np.mean((a - b).astype(np.float64) ** 2)))
    level = float(np.sqrt(np.mean(a.astype(np.float64) ** 2)))
    # Silence before and sound after: as far apart as 24 bits can say.
    return 20 * math.log10(max(error, 1e-12) / max(level, 6e-8))


def model_changes(before: Model, after: Model) -> tuple[str, ...]:
    """List the differences between the model of a receipt and that of now, a line each."""
    changes = []
    for field in ("name", "repo", "revision", "device", "engine", "dtype"):
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
