"""A crew of Ray actors, one for a model and its device."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milonga.errors import ClusterError
from milonga.jobs.cluster.actor import TakeActor, digest, read_both, same_milonga
from milonga.jobs.cluster.joining import Cluster, connect
from milonga.jobs.cluster.needs import Need, needs_of, needs_of_sounds
from milonga.jobs.cluster.shared import marked
from milonga.jobs.cluster.weights import weights_of_head
from milonga.jobs.takes.crew import Crew, Event, Hand
from milonga.jobs.takes.dealer import Dealer
from milonga.jobs.takes.packets import Done, Packet
from milonga.jobs.takes.sounds import SoundDealer
from milonga.runtime.devices import thread_count
from milonga.runtime.progress import Progress, Update
from milonga.runtime.words import counted
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.render import TakeRunner
from milonga.sounds.instrument.batch import Job, Outcome, RunJobs
from milonga.workflows.batches import BatchOrder, BatchPlace

_LOOK_S = 1.0
"""Between two questions for progress."""
_HEAD_S = 5.0
"""Between two looks whether the head is there."""
_WAIT_S = 0.5
"""For an answer: each question costs the cluster some milliseconds."""
_LATE_S = 5.0
"""After which files that a node wrote should be seen here."""
_GONE = (
    "What was finished is kept. When the cluster is there again, the same command does the rest."
)


@dataclass(slots=True)
class _Actor:
    actor: Any
    refs: dict[Any, str | Packet] = field(default_factory=dict)
    """What it was asked, by the reference of the answer: hello, look, or what it makes."""
    shared: bool = False
    """It sees the folder of the output."""
    supplied: set[str] = field(default_factory=set)
    """Keys whose models it was sent."""


class RayCrew(Crew):
    """Actors of a cluster.

    Args:
        cluster: that this process is connected to; left when the crew is closed.
        size: actors at a time.
        needs: of each model, by the key of its packets.
        folder: in which all output lies.
    """

    def __init__(
        self, cluster: Cluster, size: int, needs: Mapping[str, Need], folder: Path
    ) -> None:
        self.size = size
        # One model for an actor: its needs are its model's.
        self.room = 0
        self._cluster, self._needs, self._folder = cluster, needs, folder
        self._ray = cluster.ray
        self._numbers = itertools.count(1)
        self._hands: dict[int, Hand] = {}
        self._looked = self._seen = time.monotonic()
        self._held = contextlib.ExitStack()
        self._mark: dict[str, Any] | None = None
        self._weights: Any = None
        self._supplies: dict[str, tuple[tuple[str, ...], list[Any]]] = {}
        self._closed = False

    def start(self, packet: Packet) -> Hand:
        if self._mark is None:
            self._mark = self._held.enter_context(marked(self._folder))
            with self._reached():
                self._weights = weights_of_head(self._ray, self._cluster.nodes())
        need = self._needs[packet.key]
        threads = str(need.cpus)
        with self._reached():
            actor = self._ray.remote(TakeActor).options(
                num_cpus=need.cpus, num_gpus=need.gpus, memory=need.memory or None,
                max_restarts=0, max_task_retries=0, max_concurrency=4,
                scheduling_strategy="SPREAD",
                runtime_env={"env_vars": {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}},
            ).remote(self._weights)  # fmt: skip
            own = _Actor(actor, {actor.hello.remote(self._mark): "hello"})
        hand = Hand(next(self._numbers), own=own)
        self._hands[hand.number] = hand
        return hand

    def give(self, hand: Hand, packet: Packet) -> None:
        own: _Actor = hand.own
        with self._reached():
            names, supplies = self._supplies_for(own, packet)
            ref = own.actor.make.remote(packet.model_dump_json(), own.shared, names, *supplies)
        own.refs[ref] = packet

    def _supplies_for(self, own: _Actor, packet: Packet) -> tuple[tuple[str, ...], list[Any]]:
        """Return the user's files that an actor still lacks; each is put into the store once."""
        key = packet.key
        if key in own.supplied:
            return (), []
        own.supplied.add(key)
        if key not in self._supplies:
            files = packet.supplies()
            kept = [self._ray.put(path.read_bytes()) for path in files.values()]
            self._supplies[key] = tuple(files), kept
        return self._supplies[key]

    def news(self, seconds: float) -> Sequence[Event]:
        self._check_head()
        self._ask()
        asked = {ref: hand for hand in self._hands.values() for ref in hand.own.refs}
        if not asked:
            time.sleep(seconds)
            return []
        with self._reached():
            ready, _ = self._ray.wait(list(asked), num_returns=1, timeout=max(seconds, _WAIT_S))
        return [event for ref in ready for event in self._answer(asked[ref], ref)]

    def _answer(self, hand: Hand, ref: Any) -> Iterator[Event]:
        from ray.exceptions import RayError

        what = hand.own.refs.pop(ref, None)
        try:
            with self._reached():
                told = self._ray.get(ref)
        except RayError as error:
            if what != "look":
                yield Event(hand, lost=_reason(error))
            return
        if what == "hello":
            if (other := same_milonga(told)) is not None:
                raise ClusterError(
                    f"A node has other versions: {other}.", step="Install the same on all nodes."
                )
            hand.place, hand.own.shared = told["place"], told["shared"]
            yield Event(hand, ready=True)
        elif what == "look":
            for update in told["updates"]:
                yield Event(hand, update=Update(*update))
            yield from (Event(hand, message=text) for text in told["messages"])
        elif isinstance(what, Packet):
            yield from (Event(hand, message=text) for text in told["messages"])
            yield _event(hand, what, told)

    def _ask(self) -> None:
        """Ask those that work how far they are."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        for hand in self._hands.values():
            if hand.work and "look" not in hand.own.refs.values():
                with self._reached():
                    hand.own.refs[hand.own.actor.look.remote()] = "look"

    def _check_head(self) -> None:
        if time.monotonic() - self._seen < _HEAD_S:
            return
        if not self._cluster.alive:
            raise ClusterError("The head of the cluster is gone.", step=_GONE)
        self._seen = time.monotonic()
        if not any(hand.ready for hand in self._hands.values()):
            with self._reached():
                nodes = self._cluster.nodes()
            needs = self._needs.values()
            if not any(need.on(node["Resources"]) for need in needs for node in nodes):
                raise ClusterError("No node is left that can render this.", step=_GONE)

    def dismiss(self, hand: Hand) -> None:
        if self._hands.pop(hand.number, None) is not None:
            with contextlib.suppress(Exception):
                self._ray.kill(hand.own.actor)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._held.close()
        hands = list(self._hands.values())
        if self._cluster.alive:
            for hand in hands:
                if hand.work:
                    with contextlib.suppress(Exception):
                        hand.own.actor.cancel.remote()
            for hand in hands:
                self.dismiss(hand)
            with contextlib.suppress(Exception):
                self._ray.kill(self._weights)
        self._cluster.leave()

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Explain that the cluster isn't there any more."""
        from ray.exceptions import RayActorError, RaySystemError

        try:
            yield
        except RayActorError:
            raise
        except (ConnectionError, RaySystemError, RuntimeError) as error:
            raise ClusterError(
                f"The cluster is lost: {str(error).strip().partition(chr(10))[0]}", step=_GONE
            ) from error


def cluster_runner(
    on: str, takes: Sequence[PlannedTake], workers: int | None, *, trusting: bool
) -> tuple[TakeRunner, str]:
    """Return what renders takes on a cluster, and a note for the plan.

    Args:
        on: ``ray`` or ``ray://HOST:PORT``.
        takes: of the plan.
        workers: actors at most; None for as many as the nodes hold.
        trusting: a cluster without authentication may be joined.

    Raises:
        ClusterError: it can't be reached or joined, or no node can render this.
        MissingExtraError: Ray isn't installed.
    """
    folders = [take.folder.absolute() for take in takes]
    folder = Path(os.path.commonpath(folders)) if folders else Path.cwd()
    crew, note = _crew(
        on, lambda nodes: needs_of(takes, nodes), len(takes), workers, folder, trusting
    )
    return Dealer(crew), note


def cluster_sounds(on: str, workers: int | None, *, trusting: bool = False) -> BatchPlace:
    """Return what makes the sounds of a batch on a cluster, as ``on`` of ``play_batch``.

    Args:
        on, workers, trusting: as for ``cluster_runner``.
    """

    def place(order: BatchOrder) -> RunJobs:
        def run(jobs: Sequence[Job], progress: Progress) -> Iterator[Outcome]:
            crew, note = _crew(on, lambda nodes: needs_of_sounds(order, nodes), len(jobs),
                               workers, order.folder, trusting)  # fmt: skip
            progress.message(note)
            yield from SoundDealer(crew, order)(jobs, progress)

        return run

    return place


def _crew(
    on: str,
    needs_on: Callable[[list[dict[str, Any]]], tuple[dict[str, Need], int]],
    count: int,
    workers: int | None,
    folder: Path,
    trusting: bool,
) -> tuple[RayCrew, str]:
    cluster = connect(on, trusting=trusting, cores=thread_count() if on == "ray" else None)
    try:
        nodes = cluster.nodes()
        needs, held = needs_on(nodes)
    except BaseException:
        cluster.leave()
        raise
    size = max(1, min(held, count, workers or held))
    where = "on this machine" if on == "ray" else f"on {on}"
    note = f"{counted(size, 'worker')} {where}, {counted(len(nodes), 'node')}."
    return RayCrew(cluster, size, needs, folder), note


def _event(hand: Hand, packet: Packet, told: dict[str, Any]) -> Event:
    """Read what an actor says of a packet, and hold its hash against what was made."""
    if "error" in told:
        done = Done(error=told["error"], details=told.get("details", ""), fatal=told.get("fatal"))
        return Event(hand, done=done, number=packet.number)
    done = Done(told["status"], told["name"], notes=told["notes"],
                receipt=told.get("receipt"), sound=told.get("sound"))  # fmt: skip
    if done.sound is not None:
        found = digest(done.receipt or "", done.sound)
    else:
        found = _seen(packet, done)
    if found != told["sha256"]:
        return Event(
            hand, lost="what it sent arrived damaged" if found else "its files aren't seen"
        )
    return Event(hand, done=done, number=packet.number)


def _seen(packet: Packet, done: Done) -> str:
    """Hash the files that a node wrote, which a network disk may show late; empty without them."""
    end = time.monotonic() + _LATE_S
    while True:
        try:
            return digest(*read_both(packet, done))
        except OSError:
            if time.monotonic() > end:
                return ""
            time.sleep(0.1)


def _reason(error: Exception) -> str:
    text = str(error).strip()
    for word, reason in (("node", "its node died"), ("out of memory", "memory ran out")):
        if word in text.lower() and "died" in text.lower():
            return reason
    return text.partition("\n")[0] or type(error).__name__
