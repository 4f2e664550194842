"""Takes dealt out to a crew: models stay loaded, and takes of lost hands move on."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from milonga.errors import AudioError, JobError, MilongaError, OutputError
from milonga.jobs.takes.crew import Crew, Done, Event, Hand
from milonga.jobs.takes.packets import TakePacket
from milonga.runtime.progress import Progress, Task, Update
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.receipts import Receipt, read_receipt
from milonga.songs.rendering.render import Outcome, kept_take, place_take, tell_faults

TRIES = 2
"""A take that was lost with its hand is given to another one, once."""
_NEWS_S = 0.1
_FALSE_STARTS = 3
"""Hands lost in a row before they rendered anything: then something is wrong with all."""
_TASKS = 1 << 20


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
                rest = []
                for number, planned in enumerate(takes):
                    progress.check()
                    # What is there doesn't travel.
                    if (kept := kept_take(planned)) is None:
                        rest.append(number)
                        continue
                    tell_faults(kept, progress)
                    yield number, kept
                    task.advance()
                yield from _Deal(self._crew, takes, rest, progress, task).outcomes()
        finally:
            self._crew.close()


class _Deal:
    """One run of a dealer."""

    def __init__(
        self,
        crew: Crew,
        takes: Sequence[PlannedTake],
        numbers: Sequence[int],
        progress: Progress,
        task: Task,
    ) -> None:
        self._crew, self._takes, self._progress, self._task = crew, takes, progress, task
        self._waiting: dict[str, deque[TakePacket]] = {}
        for number in numbers:
            packet = TakePacket.of(number, takes[number])
            self._waiting.setdefault(packet.key, deque()).append(packet)
        self._left = len(numbers)
        self._lost: Counter[int] = Counter()
        self._false_starts = 0
        self._hands: dict[int, Hand] = {}
        self._shown: dict[int, dict[int, Update]] = {}

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Deal until all takes are done."""
        try:
            while self._left:
                self._progress.check()
                self._staff()
                for event in self._crew.news(_NEWS_S):
                    for number, outcome in self._heard(event):
                        self._left -= 1
                        tell_faults(outcome, self._progress)
                        yield number, outcome
                        self._task.advance()
        finally:
            for hand in list(self._hands.values()):
                self._end_tasks(hand)

    def _staff(self) -> None:
        """Start hands while takes wait that nobody is about to render."""
        idle = sum(hand.packet is None for hand in self._hands.values())
        wanted = min(self._crew.size - len(self._hands), self._count_waiting() - idle)
        for _ in range(wanted):
            key = self._key_for(None)
            if key is None:
                return
            hand = self._crew.start(self._waiting[key][0])
            hand.keys.append(key)
            self._hands[hand.number] = hand

    def _count_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def _key_for(self, hand: Hand | None) -> str | None:
        """Choose the model whose takes a hand gets: one that it has, else the most wanting one."""
        waiting = {key: len(packets) for key, packets in self._waiting.items() if packets}
        for key in hand.keys if hand is not None else ():
            if key in waiting:
                return key
        if not waiting:
            return None
        at_it = Counter(key for other in self._hands.values() for key in other.keys[:1])
        return max(waiting, key=lambda key: waiting[key] / (1 + at_it[key]))

    def _heard(self, event: Event) -> Iterator[tuple[int, Outcome]]:
        hand = event.hand
        if hand.number not in self._hands:
            return
        if event.ready:
            hand.ready = True
            self._next(hand)
        elif event.update is not None:
            self._show(hand, event.update)
        elif event.message:
            self._progress.message(event.message)
        elif event.lost:
            yield from self._gone(hand, event.lost)
        elif event.done is not None and hand.packet is not None:
            packet, hand.packet = hand.packet, None
            self._false_starts = 0
            self._end_tasks(hand)
            outcome = self._outcome(packet, event.done, hand)
            self._next(hand)
            if outcome is None:
                yield from self._again(packet, "its samples arrived damaged")
            else:
                yield packet.number, outcome

    def _next(self, hand: Hand) -> None:
        """Give a hand its next take, or let it go."""
        key = self._key_for(hand)
        if key is None:
            self._hands.pop(hand.number)
            self._crew.dismiss(hand)
            return
        if key not in hand.keys and not self._has_room(hand, key):
            # A new process, whose memory holds no other model.
            self._hands.pop(hand.number)
            self._crew.dismiss(hand)
            return
        if key not in hand.keys:
            hand.keys.append(key)
        hand.packet = self._waiting[key].popleft()
        self._crew.give(hand, hand.packet)

    def _has_room(self, hand: Hand, key: str) -> bool:
        needs = [self._memory(each) for each in (*hand.keys, key)]
        if self._crew.room is None:
            return True
        return None not in needs and sum(need or 0 for need in needs) <= self._crew.room

    def _memory(self, key: str) -> int | None:
        return next(
            (take.memory for take in self._takes
             if take_key(take) == key), None,
        )  # fmt: skip

    def _gone(self, hand: Hand, reason: str) -> Iterator[tuple[int, Outcome]]:
        self._hands.pop(hand.number)
        self._end_tasks(hand)
        self._crew.dismiss(hand)
        place = f" on {hand.place}" if hand.place else ""
        if hand.packet is not None:
            packet, hand.packet = hand.packet, None
            self._progress.message(f"A worker{place} is lost ({reason}); its take moves on.")
            yield from self._again(packet, reason)
            return
        self._false_starts += 1
        if self._false_starts >= _FALSE_STARTS:
            raise JobError(f"No worker{place} can start: {reason}.")

    def _again(self, packet: TakePacket, reason: str) -> Iterator[tuple[int, Outcome]]:
        self._lost[packet.number] += 1
        if self._lost[packet.number] < TRIES:
            self._waiting.setdefault(packet.key, deque()).appendleft(packet)
            return
        error = f"Its worker was lost {TRIES} times: {reason}."
        yield packet.number, Outcome(self._takes[packet.number], "failed", error=error)

    def _outcome(self, packet: TakePacket, done: Done, hand: Hand) -> Outcome | None:
        planned = self._takes[packet.number]
        if done.fatal is not None:
            message, where, step = done.fatal
            raise OutputError(message, where=where, step=step)
        if done.status == "failed":
            return Outcome(planned, "failed", error=done.error, details=done.details)
        if done.sound is not None and done.receipt is not None:
            receipt = Receipt.model_validate_json(done.receipt)
            receipt = receipt.model_copy(update={"node": hand.place or None})
            try:
                return place_take(planned, receipt, done.sound)
            except AudioError:
                return None
        planned = replace(planned, name=done.name)
        try:
            return Outcome(planned, done.status, read_receipt(planned.receipt_path))
        except MilongaError as error:
            return Outcome(planned, "failed", error=str(error))

    def _show(self, hand: Hand, update: Update) -> None:
        # Tasks of several processes in one view.
        shown = replace(update, task=-(hand.number * _TASKS + update.task))
        tasks = self._shown.setdefault(hand.number, {})
        if update.finished:
            tasks.pop(update.task, None)
        else:
            tasks[update.task] = shown
        self._progress.show(shown)

    def _end_tasks(self, hand: Hand) -> None:
        for last in self._shown.pop(hand.number, {}).values():
            self._progress.show(replace(last, finished=True))


def take_key(take: PlannedTake) -> str:
    """The model of a take, as ``TakePacket.key``."""
    from milonga.songs.rendering.takes import take_name

    return take_name(take.generator.name, take.request.options, 0)
