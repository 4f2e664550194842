"""Takes dealt out to a crew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from milonga.errors import AudioError, MilongaError
from milonga.jobs.takes.crew import Crew, Hand
from milonga.jobs.takes.dealing import Deal, raise_fatal
from milonga.jobs.takes.packets import Done, TakePacket
from milonga.runtime.progress import Progress
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.receipts import Receipt, read_receipt
from milonga.songs.rendering.render import Outcome, kept_take, place_take, tell_faults
from milonga.songs.rendering.takes import take_name


class Dealer:
    """A ``TakeRunner``: renders takes with a crew.

    Args:
        crew: of processes; closed after the work.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    def __call__(
        self, takes: Sequence[PlannedTake], progress: Progress
    ) -> Iterator[tuple[int, Outcome]]:
        """Render takes; yields the place of each in the sequence and its outcome as they come.

        Raises:
            OutputError: the output can't be written; the takes before are kept.
            Cancelled: the user stopped it; the takes before are kept.
            JobError: no process of the crew starts.
        """
        try:
            with progress.task("Rendering", len(takes), "takes") as task:
                packets = []
                for number, planned in enumerate(takes):
                    progress.check()
                    # What is there doesn't travel.
                    if (kept := kept_take(planned)) is None:
                        packets.append(TakePacket.of(number, planned))
                        continue
                    tell_faults(kept, progress)
                    yield number, kept
                    task.advance()

                def accept(
                    packet: TakePacket, done: Done, hand: Hand
                ) -> tuple[int, Outcome] | None:
                    outcome = _outcome(takes[packet.number], done, hand)
                    return None if outcome is None else (packet.number, outcome)

                memory = {key: take.memory for key, take in largest_of(takes).items()
                          if take.memory is not None}  # fmt: skip
                deal = Deal(self._crew, packets, accept, progress, memory)
                for number, outcome in deal.outcomes():
                    tell_faults(outcome, progress)
                    yield number, outcome
                    task.advance()
        finally:
            self._crew.close()


def _outcome(planned: PlannedTake, done: Done, hand: Hand) -> Outcome | None:
    raise_fatal(done)
    if done.status == "failed":
        return Outcome(planned, "failed", error=done.error, details=done.details)
    if done.sound is not None and done.receipt is not None:
        try:
            return place_take(planned, Receipt.model_validate_json(done.receipt), done.sound)
        except AudioError:
            return None
    planned = replace(planned, name=done.name)
    try:
        return Outcome(planned, done.status, read_receipt(planned.receipt_path))
    except MilongaError as error:
        return Outcome(planned, "failed", error=str(error))


def take_key(take: PlannedTake) -> str:
    """The model of a take, as ``TakePacket.key``."""
    return take_name(take.generator.name, take.request.options, 0)


def largest_of(takes: Iterable[PlannedTake]) -> dict[str, PlannedTake]:
    """Return the take that needs most memory of each model, by ``take_key``."""
    found: dict[str, PlannedTake] = {}
    for take in takes:
        key = take_key(take)
        if key not in found or (take.memory or 0) > (found[key].memory or 0):
            found[key] = take
    return found
