"""The worker of a cluster: a Ray actor that keeps its models loaded.

What it is given and what it returns is data: a packet as JSON; a receipt as JSON and a sound's
bytes, or the place where it wrote them, with their hash. Ray finds this class by its name in the
milonga that a node has installed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from milonga import __version__
from milonga.errors import Cancelled, MilongaError
from milonga.jobs.cluster.shared import sees
from milonga.jobs.cluster.weights import HeadPeer
from milonga.jobs.takes.making import make_packet, read_packet
from milonga.jobs.takes.packets import Bench, Done, Packet
from milonga.runtime.progress import Progress, Update
from milonga.weights.peers import add_peer


class NodeProgress(Progress):
    """Progress that is asked for from afar: the last update of each task, and messages."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._updates: dict[int, Update] = {}
        self._messages: list[str] = []

    def show(self, update: Update) -> None:
        with self._lock:
            self._updates[update.task] = update

    def message(self, text: str) -> None:
        with self._lock:
            self._messages.append(text)

    def taken(self) -> tuple[list[Update], list[str]]:
        """Return what is new."""
        with self._lock:
            news = list(self._updates.values()), self._messages
            self._updates, self._messages = {}, []
        return news


class TakeActor:
    """Makes sounds on a node; ``make`` and the other methods run in threads of their own.

    Args:
        weights: a ``WeightsActor`` of the head; None where there is none.
    """

    def __init__(self, weights: Any = None) -> None:
        if weights is not None:
            add_peer(HeadPeer(weights))
        self._bench, self._progress = Bench(), NodeProgress()
        # One sound at a time; the next one waits here.
        self._making = threading.Lock()
        self._place = f"{platform.node()} {_node()}"

    def hello(self, mark: dict[str, Any] | None = None) -> dict[str, Any]:
        """Tell which milonga this is, where, and if it sees the folder of the output."""
        return {
            "milonga": __version__,
            "python": platform.python_version(),
            "place": self._place,
            "pid": os.getpid(),
            "shared": mark is not None and sees(mark),
        }

    def make(
        self, packet: str, shared: bool, names: tuple[str, ...] = (), *supplies: bytes
    ) -> dict[str, Any]:
        """Make a sound, and tell the hash of what was made.

        Args:
            packet: as JSON.
            shared: into the folder of the packet; else into one of this node, and what was made is
                returned.
            names: of the files that its model is loaded from.
            supplies: what they hold.
        """
        asked = read_packet(packet).model_copy(update={"node": self._place})
        with self._making:
            try:
                if names:
                    self._prepare(asked, names, supplies)
                if shared:
                    told = self._made(asked)
                else:
                    with tempfile.TemporaryDirectory(prefix="milonga-") as folder:
                        here = asked.model_copy(update={"folder": Path(folder)})
                        told = self._made(here, travels=True)
            except Cancelled:
                told = {"error": "It was stopped."}
            except MilongaError as error:
                told = {"error": str(error)}
            # What was said since the last look; there may be no other.
            return {**told, "messages": self._progress.taken()[1]}

    def _prepare(self, packet: Packet, names: tuple[str, ...], supplies: tuple[bytes, ...]) -> None:
        with tempfile.TemporaryDirectory(prefix="milonga-") as folder:
            for name, content in zip(names, supplies, strict=True):
                Path(folder, Path(name).name).write_bytes(content)
            packet.prepare(self._bench, Path(folder))

    def _made(self, packet: Packet, *, travels: bool = False) -> dict[str, Any]:
        done = make_packet(packet, self._bench, self._progress)
        if done.fatal is not None and travels:
            # A node's disk is no reason to stop the others.
            done = Done(error=": ".join(part for part in done.fatal[:2] if part))
        if done.status == "failed":
            return {"error": done.error, "details": done.details, "fatal": done.fatal}
        receipt, sound = read_both(packet, done)
        told = {"status": done.status, "name": done.name, "notes": done.notes,
                "sha256": digest(receipt, sound)}  # fmt: skip
        return {**told, "receipt": receipt, "sound": sound} if travels else told

    def look(self) -> dict[str, Any]:
        """Tell how far the work is."""
        updates, messages = self._progress.taken()
        return {
            "updates": [
                (each.label, each.done, each.total, each.unit, each.finished, each.task)
                for each in updates
            ],
            "messages": messages,
        }

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._progress.cancel()


def _node() -> str:
    """The beginning of the node's number: a machine may hold several."""
    import ray

    return str(ray.get_runtime_context().get_node_id())[:8]


def read_both(packet: Packet, done: Done) -> tuple[str, bytes]:
    """Read the receipt and the sound of a packet that is done."""
    sound, receipt = packet.files(done)
    return receipt.read_text(encoding="utf-8"), sound.read_bytes()


def digest(receipt: str, sound: bytes) -> str:
    """Return the SHA-256 of what was made."""
    return hashlib.sha256(receipt.encode() + b"\0" + sound).hexdigest()


def same_milonga(told: dict[str, Any]) -> str | None:
    """Say what is different on a node; None where nothing is."""
    here = {"milonga": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name, version in here.items():
        if told[name] != version and (name == "milonga" or told[name][:4] != version[:4]):
            return f"{told['place']} has {name} {told[name]}, and here is {version}"
    return None
