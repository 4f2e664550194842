"""A crew of Ray actors, one for a model and its device."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from milonga.errors import ClusterError
from milonga.jobs.cluster.actor import TakeActor, digest, same_milonga
from milonga.jobs.cluster.joining import Cluster, connect
from milonga.jobs.cluster.needs import Need, needs_of
from milonga.jobs.takes.crew import Crew, Done, Event, Hand
from milonga.jobs.takes.dealing import Dealer
from milonga.jobs.takes.packets import TakePacket
from milonga.runtime.devices import thread_count
from milonga.runtime.progress import Update
from milonga.songs.rendering.planned import PlannedTake
from milonga.songs.rendering.render import TakeRunner

_LOOK_S = 1.0
"""Between two questions for progress."""
_HEAD_S = 5.0
"""Between two looks whether the head is there."""
_GRACE_S = 3.0
_GONE = (
    "What was finished is kept. When the cluster is there again, the same command does the rest."
)


@dataclass(slots=True)
class _Actor:
    actor: Any
    refs: dict[Any, str] = field(default_factory=dict)
    """What it was asked, by the reference of the answer: hello, render, look."""


class RayCrew(Crew):
    """Actors of a cluster.

    Args:
        cluster: that this process is connected to; left when the crew is closed.
        size: actors at a time.
        needs: of each model, by the key of its takes.
    """

    def __init__(self, cluster: Cluster, size: int, needs: dict[str, Need]) -> None:
        self.size = size
        # One model for an actor: its needs are its model's.
        self.room = 0
        self._cluster, self._needs = cluster, needs
        self._ray = cluster.ray
        self._numbers = itertools.count(1)
        self._hands: dict[int, Hand] = {}
        self._looked = self._seen = time.monotonic()
        self._closed = False

    def start(self, packet: TakePacket) -> Hand:
        need = self._needs[packet.key]
        threads = str(need.cpus)
        with self._reached():
            actor = self._ray.remote(TakeActor).options(
                num_cpus=need.cpus, num_gpus=need.gpus, memory=need.memory or None,
                max_restarts=0, max_task_retries=0, max_concurrency=3,
                scheduling_strategy="SPREAD",
                runtime_env={"env_vars": {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}},
            ).remote()  # fmt: skip
            own = _Actor(actor, {actor.hello.remote(): "hello"})
        hand = Hand(next(self._numbers), own=own)
        self._hands[hand.number] = hand
        return hand

    def give(self, hand: Hand, packet: TakePacket) -> None:
        with self._reached():
            ref = hand.own.actor.render.remote(packet.model_dump_json())
        hand.own.refs[ref] = "render"

    def news(self, seconds: float) -> Sequence[Event]:
        self._check_head()
        self._ask()
        asked = {ref: hand for hand in self._hands.values() for ref in hand.own.refs}
        if not asked:
            time.sleep(seconds)
            return []
        with self._reached():
            ready, _ = self._ray.wait(list(asked), num_returns=1, timeout=seconds)
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
            hand.place = told["place"]
            yield Event(hand, ready=True)
        elif what == "look":
            for update in told["updates"]:
                yield Event(hand, update=Update(*update))
            for message in told["messages"]:
                yield Event(hand, message=message)
        elif "sound" not in told:
            yield Event(hand, done=Done(error=told["error"], details=told["details"]))
        elif digest(told["receipt"], told["sound"]) != told["sha256"]:
            yield Event(hand, lost="what it sent arrived damaged")
        else:
            done = Done("rendered", receipt=told["receipt"], sound=told["sound"])
            yield Event(hand, done=done)

    def _ask(self) -> None:
        """Ask those that work how far they are."""
        if time.monotonic() - self._looked < _LOOK_S:
            return
        self._looked = time.monotonic()
        for hand in self._hands.values():
            if hand.packet is not None and "look" not in hand.own.refs.values():
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
        hands = list(self._hands.values())
        if self._cluster.alive:
            for hand in hands:
                if hand.packet is not None:
                    with contextlib.suppress(Exception):
                        hand.own.actor.cancel.remote()
            for hand in hands:
                self.dismiss(hand)
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
    cluster = connect(on, trusting=trusting, cores=thread_count() if on == "ray" else None)
    try:
        nodes = cluster.nodes()
        needs, held = needs_of(takes, nodes)
    except BaseException:
        cluster.leave()
        raise
    size = max(1, min(held, len(takes), workers or held))
    where = "on this machine" if on == "ray" else f"on {on}"
    note = f"{size} workers {where}, {len(nodes)} nodes."
    return Dealer(RayCrew(cluster, size, needs)), note


def _reason(error: Exception) -> str:
    text = str(error).strip()
    for word, reason in (("node", "its node died"), ("out of memory", "memory ran out")):
        if word in text.lower() and "died" in text.lower():
            return reason
    return text.partition("\n")[0] or type(error).__name__
