"""The worker of a cluster: a Ray actor that keeps its models loaded.

What it is given and what it returns is data: a packet as JSON; a receipt as JSON and a sound's
bytes, with their hash. Ray finds this class by its name in the milonga that a node has installed.
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
from milonga.errors import Cancelled
from milonga.jobs.takes.crew import Done
from milonga.jobs.takes.packets import Bench, TakePacket
from milonga.jobs.takes.rendering import render_packet
from milonga.runtime.progress import Progress, Update


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
    """Renders takes on a node; ``render`` and the other methods run in threads of their own."""

    def __init__(self) -> None:
        self._bench, self._progress = Bench(), NodeProgress()

    def hello(self) -> dict[str, Any]:
        """Tell which milonga this is, and where."""
        return {
            "milonga": __version__,
            "python": platform.python_version(),
            "place": f"{platform.node()} {_node()}",
            "pid": os.getpid(),
        }

    def render(self, packet: str) -> dict[str, Any]:
        """Render a take in a folder of this node, and return it with the hash of what travels."""
        asked = TakePacket.model_validate_json(packet)
        with tempfile.TemporaryDirectory(prefix="milonga-") as folder:
            here = asked.model_copy(update={"folder": Path(folder)})
            try:
                done = render_packet(here, self._bench, self._progress)
            except Cancelled:
                done = Done(error="It was stopped.")
            if done.fatal is not None:
                # A node's disk is no reason to stop the others.
                done = Done(error=": ".join(part for part in done.fatal[:2] if part))
            if done.status == "failed":
                return {"error": done.error, "details": done.details}
            receipt = Path(folder, f"{done.name}.json").read_text(encoding="utf-8")
            sound = Path(folder, f"{done.name}.wav").read_bytes()
        return {"receipt": receipt, "sound": sound, "sha256": digest(receipt, sound)}

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


def digest(receipt: str, sound: bytes) -> str:
    """Return the SHA-256 of what travels."""
    return hashlib.sha256(receipt.encode() + b"\0" + sound).hexdigest()


def same_milonga(told: dict[str, Any]) -> str | None:
    """Say what is different on a node; None where nothing is."""
    here = {"milonga": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    for name, version in here.items():
        if told[name] != version and (name == "milonga" or told[name][:4] != version[:4]):
            return f"{told['place']} has {name} {told[name]}, and here is {version}"
    return None
