"""Rendering a plan into takes: whole, checked, receipted, resumable."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from milonga import audio
from milonga.analysis.take_checks import TakeDefect, check_take
from milonga.audio.clip import Clip
from milonga.audio.digest import samples_sha256
from milonga.errors import AudioError, GeneratorError, MilongaError, OutputError
from milonga.generators.base import Model
from milonga.runtime.files import sweep_parts
from milonga.runtime.progress import Progress
from milonga.songs.rendering.plan import Plan, PlannedTake
from milonga.songs.rendering.receipts import (
    Receipt,
    attempt_seed,
    read_receipt,
    store,
    write_receipt,
)

ATTEMPTS = 3
"""How often a take with findings is tried with another seed before it is kept as it is."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a planned take.

    ``kept`` means that a finished take of the same request was there. ``error`` is set for
    ``failed`` alone.
    """

    planned: PlannedTake
    status: Literal["rendered", "kept", "failed"]
    receipt: Receipt | None = None
    error: str = ""

    @property
    def good(self) -> bool:
        return self.receipt is not None and self.receipt.good


def render(plan: Plan, progress: Progress, *, attempts: int = ATTEMPTS) -> list[Outcome]:
    """Renders what the plan asks for and isn't there yet.

    A take that fails or keeps findings is reported and the others go on.

    Raises:
        OutputError: the output can't be written; the takes before are kept.
        Cancelled: the user stopped; the takes before are kept.
    """
    return list(iter_render(plan, progress, attempts=attempts))


def iter_render(plan: Plan, progress: Progress, *, attempts: int = ATTEMPTS) -> Iterator[Outcome]:
    """As ``render``, one outcome at a time."""
    with progress.task("Rendering", len(plan.takes), "takes") as task:
        for planned in plan.takes:
            progress.check()
            outcome = _kept(planned) or _rendered(planned, progress, attempts)
            if outcome.status == "failed":
                progress.message(f"{planned.label}: failed. {outcome.error}")
            yield outcome
            task.advance()


def _kept(planned: PlannedTake) -> Outcome | None:
    """The take on disk, if it is whole and answers the same request."""
    try:
        receipt = read_receipt(planned.receipt_path)
        clip = audio.read(planned.sound_path)
    except MilongaError:
        return None
    same = receipt.request == planned.request and receipt.generator == planned.generator.name
    if not same or samples_sha256(clip) != receipt.sound.sha256:
        return None
    return Outcome(planned, "kept", receipt)


def _rendered(planned: PlannedTake, progress: Progress, attempts: int) -> Outcome:
    sweep_parts(planned.folder)
    best: tuple[Clip, _Attempt] | None = None
    error = ""
    for number in range(1, max(1, attempts) + 1):
        attempt = _Attempt(number, attempt_seed(planned.request.seed, number), datetime.now(UTC))
        begun = time.perf_counter()
        try:
            clip = planned.generator.render(
                planned.request.model_copy(update={"seed": attempt.seed_used}), progress
            )
        except OutputError:
            raise
        except (GeneratorError, AudioError) as failure:
            error = str(failure)
            continue
        except MilongaError as failure:
            # Missing weights or a dead device stay so with another seed.
            error = str(failure)
            break
        except Exception as failure:  # noqa: BLE001 - a model's failure must not end the others
            error = f"{type(failure).__name__}: {failure}"
            continue
        attempt.duration_s = time.perf_counter() - begun
        attempt.findings = _findings(planned, clip)
        if best is None or len(attempt.findings) < len(best[1].findings):
            best = clip, attempt
        if not attempt.findings:
            break
    if best is None:
        return Outcome(planned, "failed", error=error)
    return _written(planned, *best)


@dataclass(slots=True)
class _Attempt:
    number: int
    seed_used: int
    started: datetime
    duration_s: float = 0.0
    findings: tuple[TakeDefect, ...] = ()


def _findings(planned: PlannedTake, clip: Clip) -> tuple[TakeDefect, ...]:
    exact = planned.generator.length == "exact"
    return check_take(clip, expected_s=planned.request.seconds, exact=exact)


def _written(planned: PlannedTake, clip: Clip, attempt: _Attempt) -> Outcome:
    if not clip.n_samples:
        return Outcome(planned, "failed", error="The model made no sound at all.")
    model: Model = planned.generator.model()
    tags = audio.Tags(
        title=f"{planned.title}: {planned.segment_name} ({planned.request.role})",
        artist=planned.artist,
        software="milonga",
        comment=f"{planned.generator.name}, seed {attempt.seed_used}; made by a generative model",
    )
    _, sound = store(clip, planned.sound_path, tags)
    receipt = Receipt(
        title=planned.title,
        segment=planned.segment,
        name=planned.segment_name,
        generator=planned.generator.name,
        request=planned.request,
        model=model,
        seed=planned.request.seed,
        attempt=attempt.number,
        seed_used=attempt.seed_used,
        length=planned.generator.length,
        started=attempt.started,
        duration_s=round(attempt.duration_s, 3),
        sound=sound,
        findings=attempt.findings,
    )
    write_receipt(receipt, planned.receipt_path)
    return Outcome(planned, "rendered", receipt)
