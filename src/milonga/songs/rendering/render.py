"""Rendering a plan into takes that are whole, checked and kept with receipts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from milonga import audio
from milonga.analysis.take_checks import TakeDefect, examine_take
from milonga.audio.digest import samples_sha256
from milonga.errors import AudioError, GeneratorError, MilongaError, OutputError
from milonga.generators.base import Model
from milonga.runtime.devices import thread_count
from milonga.runtime.files import atomic_paths, locked_folder, sweep_parts
from milonga.runtime.logs import details_hint, log_failure
from milonga.runtime.memory import SHORT_OF_MEMORY, is_out_of_memory
from milonga.runtime.progress import Progress
from milonga.songs.rendering.meant import music_wanted
from milonga.songs.rendering.planned import Plan, PlannedTake
from milonga.songs.rendering.receipts import (
    Made,
    Receipt,
    attempt_seed,
    embed_receipt,
    findings_text,
    read_receipt,
    write_receipt,
    write_take,
)
from milonga.songs.rendering.takes import numbered_name, same_request, set_aside

ATTEMPTS = 3
"""Renderings of a take with findings, each with another seed; then the best is kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a planned take.

    ``kept`` means that a finished take of the same request was there. ``error`` is set for
    ``failed`` alone; ``details`` tells where to find more about it.
    """

    planned: PlannedTake
    status: Literal["rendered", "kept", "failed"]
    receipt: Receipt | None = None
    error: str = ""
    details: str = ""

    @property
    def good(self) -> bool:
        return self.receipt is not None and self.receipt.good

    @property
    def findings(self) -> tuple[TakeDefect, ...]:
        return self.receipt.findings if self.receipt else ()

    @property
    def fault(self) -> str:
        """The faults of the take, for people; empty for a good one."""
        return self.error or findings_text(self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values."""
        return {
            "segment": self.planned.segment,
            "role": self.planned.request.role,
            "path": str(self.planned.sound_path),
            "receipt": str(self.planned.receipt_path),
            "status": self.status,
            "findings": [finding.model_dump(mode="json") for finding in self.findings],
            "remarks": [r.model_dump(mode="json") for r in self.receipt.remarks]
            if self.receipt
            else [],
            "error": self.error or None,
        }


def render(
    plan: Plan, progress: Progress | None = None, *, attempts: int = ATTEMPTS
) -> list[Outcome]:
    """Render the takes of a plan that aren't there yet.

    A take that fails or keeps findings is reported and the others go on. Another seed is tried
    after findings, and after errors that a seed can change.

    Raises:
        OutputError: the output can't be written; the takes before are kept.
        Cancelled: the user stopped; the takes before are kept.
    """
    return list(iter_render(plan, progress, attempts=attempts))


def iter_render(
    plan: Plan, progress: Progress | None = None, *, attempts: int = ATTEMPTS
) -> Iterator[Outcome]:
    """Render as ``render`` does, and yield one outcome at a time."""
    for _, outcome in render_takes(plan.takes, progress or Progress(), attempts=attempts):
        yield outcome


TakeRunner = Callable[[Sequence[PlannedTake], Progress], Iterator[tuple[int, Outcome]]]
"""Renders takes, here or elsewhere, and yields the place of each in the sequence and its outcome,
in any order; errors as ``render``."""


def render_takes(
    takes: Sequence[PlannedTake], progress: Progress, *, attempts: int = ATTEMPTS
) -> Iterator[tuple[int, Outcome]]:
    """Render takes one after the other in this process: the plainest ``TakeRunner``."""
    with progress.task("Rendering", len(takes), "takes") as task:
        for number, planned in enumerate(takes):
            outcome = render_take(planned, progress, attempts=attempts)
            tell_faults(outcome, progress)
            yield number, outcome
            task.advance()


def render_take(planned: PlannedTake, progress: Progress, *, attempts: int = ATTEMPTS) -> Outcome:
    """Render one take, unless a finished one of the same request is there; errors as ``render``."""
    progress.check()
    sweep_parts(planned.folder)
    with progress.about(planned.place):
        return kept_take(planned) or _rendered(planned, progress, attempts)


def tell_faults(outcome: Outcome, progress: Progress) -> None:
    """Show what is wrong with a take, and of a new one what may be."""
    if not outcome.good:
        failed = "failed. " if outcome.status == "failed" else ""
        details = f"\n  {outcome.details}" if outcome.details else ""
        progress.message(f"{outcome.planned.label}: {failed}{outcome.fault}{details}")
    if outcome.status == "rendered" and outcome.receipt and outcome.receipt.doubts:
        noted = findings_text(outcome.receipt.doubts)
        progress.message(f"{outcome.planned.label}: may be meant: {noted}")


def place_take(planned: PlannedTake, receipt: Receipt, sound: bytes) -> Outcome:
    """Put a take that was rendered on another machine where it belongs.

    Args:
        planned: the take.
        receipt: of the take; that of the samples in ``sound``.
        sound: the audio file.

    Raises:
        AudioError: the file doesn't hold the samples that the receipt names.
        OutputError: the output can't be written.
    """
    with locked_folder(planned.folder):
        if (theirs := kept_take(planned)) is not None:
            return theirs
        planned = _named(planned)
        with atomic_paths(planned.sound_path, planned.receipt_path) as (sound_part, receipt_part):
            sound_part.write_bytes(sound)
            if samples_sha256(audio.read(sound_part)) != receipt.sound.sha256:
                raise AudioError("The samples arrived damaged.", where=planned.sound_path)
            named = receipt.sound.model_copy(update={"file": planned.sound_path.name})
            receipt = receipt.model_copy(update={"sound": named})
            write_receipt(receipt, receipt_part)
    return Outcome(planned, "rendered", receipt)


def _named(planned: PlannedTake) -> PlannedTake:
    """Give a take the name that is free now, in a folder that is locked."""
    base = planned.name.partition(".")[0]
    name = numbered_name(planned.folder, base, planned.generator.name, planned.request)
    planned = replace(planned, name=name)
    set_aside(planned.sound_path, planned.receipt_path)
    return planned


def kept_take(planned: PlannedTake) -> Outcome | None:
    """Find the take on disk, if it is whole and answers the same request."""
    try:
        receipt = read_receipt(planned.receipt_path)
        clip = audio.read(planned.sound_path)
    except MilongaError:
        return None
    same = (
        same_request(receipt.request, planned.request)
        and receipt.generator == planned.generator.name
    )
    if not same or samples_sha256(clip) != receipt.sound.sha256:
        return None
    return Outcome(planned, "kept", receipt)


def _rendered(planned: PlannedTake, progress: Progress, attempts: int) -> Outcome:
    best: tuple[Made, _Attempt] | None = None
    error = details = ""
    for number in range(1, max(1, attempts) + 1):
        attempt = _Attempt(number, attempt_seed(planned.request.seed, number), datetime.now(UTC))
        begun = time.perf_counter()
        try:
            made = planned.make(attempt.seed_used, progress)
        except OutputError:
            raise
        except MilongaError as failure:
            log_failure(failure, planned.label)
            error = str(failure)
            if _seed_may_help(failure):
                continue
            break
        except Exception as failure:  # noqa: BLE001 - a model's failure must not end the others
            log_failure(failure, planned.label)
            if is_out_of_memory(failure):
                error = SHORT_OF_MEMORY
            else:
                error, details = f"{type(failure).__name__}: {failure}", details_hint()
            break
        attempt.duration_s = time.perf_counter() - begun
        attempt.findings, attempt.remarks = _examined(planned, made)
        if best is None or len(attempt.findings) < len(best[1].findings):
            best = made, attempt
        if not attempt.findings:
            break
    if best is None:
        return Outcome(planned, "failed", error=error, details=details)
    return _written(planned, *best)


def _seed_may_help(failure: MilongaError) -> bool:
    # Samples that are no sound (NaN) come of this seed; an unreadable file, which ``where``
    # names, stays so.
    if isinstance(failure, AudioError):
        return failure.where is None
    return isinstance(failure, GeneratorError) and failure.seed_may_help


@dataclass(slots=True)
class _Attempt:
    number: int
    seed_used: int
    started: datetime
    duration_s: float = 0.0
    findings: tuple[TakeDefect, ...] = ()
    remarks: tuple[TakeDefect, ...] = ()


def _examined(
    planned: PlannedTake, made: Made
) -> tuple[tuple[TakeDefect, ...], tuple[TakeDefect, ...]]:
    music = not planned.generator.any_sound and music_wanted(planned.request)
    if made.new is not None:
        # The rest is as the user had it.
        return examine_take(made.new, music=music)
    exact = planned.generator.length == "exact"
    return examine_take(made.clip, expected_s=planned.request.seconds, exact=exact, music=music)


def _written(planned: PlannedTake, made: Made, attempt: _Attempt) -> Outcome:
    if not made.clip.n_samples:
        return Outcome(planned, "failed", error="The model made no sound at all.")
    model: Model = planned.generator.model()
    tags = audio.Tags(
        title=f"{planned.title}: {planned.segment_name} ({planned.request.role})",
        artist=planned.artist,
        software="milonga",
        comment=f"{planned.generator.name}, seed {attempt.seed_used}; made by a generative model",
    )
    with locked_folder(planned.folder):
        # Another render may have written here meanwhile.
        if (theirs := kept_take(planned)) is not None:
            return theirs
        planned = _named(planned)
        with atomic_paths(planned.sound_path, planned.receipt_path) as (sound_part, receipt_part):
            _, sound = write_take(made.clip, sound_part, tags, made.subtype)
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
                sound=sound.model_copy(update={"file": planned.sound_path.name}),
                findings=attempt.findings,
                remarks=attempt.remarks,
                notes=planned.notes,
                edited=made.edited,
                threads=thread_count(),
                node=planned.node,
            )
            write_receipt(receipt, receipt_part)
            embed_receipt(receipt, sound_part)
        return Outcome(planned, "rendered", receipt)
