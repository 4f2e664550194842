"""Work dealt out to a crew: models stay loaded, and what lost hands had moves on."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from milonga.errors import JobError, OutputError
from milonga.jobs.takes.crew import Crew, Event, Hand
from milonga.jobs.takes.packets import Done, Packet
from milonga.runtime.progress import Progress, Update

TRIES = 2
"""What was lost with its hand is given to another one, once."""
_NEWS_S = 0.1
_FALSE_STARTS = 3
"""Hands lost in a row before they made anything: then something is wrong with all."""
_TASKS = 1 << 20
_AHEAD = 2
"""Sounds that a hand has at a time, the one it makes and the next: it waits for nobody."""

P = TypeVar("P", bound=Packet)
Outcome = TypeVar("Outcome")


def raise_fatal(done: Done) -> None:
    """Raise what stops all work.

    Raises:
        OutputError: the disk is full, or the output can't be written.
    """
    if done.fatal is not None:
        message, where, step = done.fatal
        raise OutputError(message, where=where, step=step)


class Deal(Generic[P, Outcome]):
    """One run of a crew over packets.

    Args:
        crew: of processes.
        packets: in the order in which those of one model are made.
        accept: makes an outcome of a packet that is done, by the hand that did it; None where what
            arrived is damaged.
        progress: shows the work of all hands, and stops it.
        memory: bytes that a model needs, by its key; of one that isn't there nobody knows.
    """

    def __init__(
        self,
        crew: Crew,
        packets: Sequence[P],
        accept: Callable[[P, Done, Hand], Outcome | None],
        progress: Progress,
        memory: Mapping[str, int] | None = None,
    ) -> None:
        self._crew, self._accept, self._progress = crew, accept, progress
        self._memory = memory or {}
        self._packets = {packet.number: packet for packet in packets}
        self._waiting: dict[str, deque[P]] = {}
        for packet in packets:
            self._waiting.setdefault(packet.key, deque()).append(packet)
        self._left = len(packets)
        self._lost: Counter[int] = Counter()
        self._false_starts = 0
        self._hands: dict[int, Hand] = {}
        self._shown: dict[int, dict[int, Update]] = {}

    def outcomes(self) -> Iterator[Outcome]:
        """Deal until all is done; yields outcomes as they come.

        Raises:
            JobError: no process of the crew starts.
            Cancelled: the user stopped it.
        """
        try:
            while self._left:
                self._progress.check()
                self._staff()
                for event in self._crew.news(_NEWS_S):
                    for outcome in self._heard(event):
                        self._left -= 1
                        yield outcome
        finally:
            for hand in list(self._hands.values()):
                self._end_tasks(hand)

    def _staff(self) -> None:
        """Start hands while work waits that nobody is about to do."""
        idle = sum(not hand.work for hand in self._hands.values())
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
        """Choose the model that a hand works with: one that it has, else the most wanting one."""
        waiting = {key: len(packets) for key, packets in self._waiting.items() if packets}
        for key in hand.keys if hand is not None else ():
            if key in waiting:
                return key
        if not waiting:
            return None
        at_it = Counter(key for other in self._hands.values() for key in other.keys[:1])
        return max(waiting, key=lambda key: waiting[key] / (1 + at_it[key]))

    def _heard(self, event: Event) -> Iterator[Outcome]:
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
        elif event.done is not None and (packet := self._back(hand, event.number)) is not None:
            self._false_starts = 0
            self._end_tasks(hand)
            if event.done.fatal is None:
                # It works on while this one's files are looked at and written.
                self._next(hand)
            yield from self._accepted(packet, event.done, hand)

    def _back(self, hand: Hand, number: int | None) -> P | None:
        """Take the packet of a number back from a hand; None where it has no such."""
        if number not in hand.work:
            return None
        hand.work.remove(number)
        return self._packets[number]

    def _accepted(self, packet: P, done: Done, hand: Hand) -> Iterator[Outcome]:
        outcome = self._accept(packet, done, hand)
        if outcome is None:
            yield from self._again(packet, "what it sent arrived damaged", hand)
        else:
            yield outcome

    def _next(self, hand: Hand) -> None:
        """Give a hand what it makes next, or let it go."""
        while len(hand.work) < _AHEAD:
            key = self._key_for(hand)
            # A new process, whose memory holds no other model, takes what has no room in this one.
            if key is None or not (key in hand.keys or self._has_room(hand, key)):
                if not hand.work:
                    self._drop(hand)
                return
            if hand.work and (key not in hand.keys or self._count_waiting() < self._crew.size):
                # Another model is loaded when it must be; the last ones go to whoever is free.
                return
            if key not in hand.keys:
                hand.keys.append(key)
            packet = self._waiting[key].popleft()
            hand.work.append(packet.number)
            self._crew.give(hand, packet)

    def _drop(self, hand: Hand) -> list[P]:
        """End a hand; returns what it had."""
        self._hands.pop(hand.number)
        self._crew.dismiss(hand)
        return [self._packets[number] for number in hand.work]

    def _has_room(self, hand: Hand, key: str) -> bool:
        if self._crew.room is None:
            return True
        needs = [self._memory.get(each) for each in (*hand.keys, key)]
        return None not in needs and sum(need or 0 for need in needs) <= self._crew.room

    def _gone(self, hand: Hand, reason: str) -> Iterator[Outcome]:
        self._end_tasks(hand)
        packets = self._drop(hand)
        place = f" on {hand.place}" if hand.place else ""
        if packets:
            self._progress.message(f"A worker{place} is lost ({reason}); its work moves on.")
            lost, *others = packets
            # What it had not begun is no fault of it.
            for packet in reversed(others):
                self._waiting[packet.key].appendleft(packet)
            yield from self._again(lost, reason, hand)
            return
        self._false_starts += 1
        if self._false_starts >= _FALSE_STARTS:
            raise JobError(f"No worker{place} can start: {reason}.")

    def _again(self, packet: P, reason: str, hand: Hand) -> Iterator[Outcome]:
        self._lost[packet.number] += 1
        if self._lost[packet.number] < TRIES:
            self._waiting.setdefault(packet.key, deque()).appendleft(packet)
            return
        lost = Done(error=f"Its worker was lost {TRIES} times: {reason}.")
        yield from self._accepted(packet, lost, hand)

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
