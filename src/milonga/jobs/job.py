"""Jobs: what is asked for, what it will cost, and how far it is."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from milonga.runtime.documents import finite_json
from milonga.runtime.files import dump_json, write_text

State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
TRIES = 2
"""A job whose worker dies or stalls is tried again once."""
BEAT_S = 1.0
"""Between two beats of a worker's heart."""
RESULT_VERSION = 1
STALE_S = 30.0
"""A worker whose heart has not beaten for so long has stalled."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a job, as far as it is known before the work.

    Attributes:
        estimate_s: seconds of work.
        memory: bytes that it needs at once.
        download: bytes that it fetches first.
        takes: number of takes.
        device: of an accelerator that it needs; empty for the processor.
    """

    estimate_s: float | None = None
    memory: int | None = None
    download: int = 0
    takes: int | None = None
    device: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """The progress of a job: the task that it is at, and its last message.

    ``done`` and ``total`` count ``unit``; ``total`` is None while it isn't known.
    """

    label: str = ""
    done: float = 0.0
    total: float | None = None
    unit: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Worker:
    """The process that works on a job, so that another one with its number isn't taken for it.

    Attributes:
        pid: of the process.
        born: when that process was started, by the system's clock.
        boot: of the system, which a restart changes.
        host: the machine.
    """

    pid: int
    born: float
    boot: str
    host: str

    @classmethod
    def of(cls, pid: int | None = None) -> Worker:
        """Describe a process of this machine, by default this one."""
        import psutil

        pid = os.getpid() if pid is None else pid
        try:
            born = psutil.Process(pid).create_time()
        except psutil.Error:
            born = 0.0
        return cls(pid, born, boot_id(), platform.node())

    @property
    def here(self) -> bool:
        """It ran on this machine since its last start."""
        return self.host == platform.node() and self.boot == boot_id()

    @property
    def alive(self) -> bool:
        """The process is there. Of another machine nobody knows, so its heart must tell."""
        import psutil

        if self.host != platform.node():
            return True
        if not self.here:
            return False
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.born) < 1.0
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False


@dataclass(frozen=True, slots=True)
class Job:
    """A workflow in the queue.

    Attributes:
        id: its number.
        kind: of the workflow: ``render``, ``study``, ``train``.
        title: for people.
        version: of the form of ``arguments``.
        arguments: of the workflow, as plain values.
        priority: higher ones go first; of equals the oldest.
        after: jobs that must be done before.
        state: ``waiting``, ``running``, ``done``, ``failed``, ``cancelled``.
        created, started, finished: seconds since 1970.
        tries: how often it was started since it was queued or resumed.
        lease: counts every start; what an earlier worker writes is refused by it.
        worker: that works on it, or did.
        heartbeat: last sign of life, seconds since 1970.
        cancelling: the user asked to stop it.
        step: how far it is.
        cost: as planned.
        error: why it failed.
        folder: of its log, result and list of receipts.
    """

    id: int
    kind: str
    title: str
    version: int
    arguments: dict[str, Any]
    priority: int
    after: tuple[int, ...]
    state: State
    created: float
    folder: Path
    started: float | None = None
    finished: float | None = None
    tries: int = 0
    lease: int = 0
    worker: Worker | None = None
    heartbeat: float | None = None
    cancelling: bool = False
    step: Step = field(default_factory=Step)
    cost: Cost = field(default_factory=Cost)
    error: str = ""

    @property
    def log(self) -> Path:
        """What its workers printed."""
        return self.folder / "log.txt"

    @property
    def result(self) -> Path:
        """What the workflow returned, as JSON; there once it is done."""
        return self.folder / "result.json"

    def keep_result(self, result: dict[str, Any]) -> None:
        """Write what the workflow returned."""
        document = {"format_version": RESULT_VERSION, "kind": self.kind, "result": result}
        write_text(self.result, dump_json(document))

    def read_result(self) -> dict[str, Any]:
        """Read what the workflow returned.

        Raises:
            FileNotFoundError: it isn't done.
            ValueError: the file is damaged.
        """
        found: dict[str, Any] = finite_json(self.result.read_bytes())["result"]
        return found

    @property
    def receipts(self) -> Path:
        """Receipts of its takes, a path a line, as they were made."""
        return self.folder / "receipts.txt"

    @property
    def seconds(self) -> float | None:
        """How long it has been worked on."""
        if self.started is None:
            return None
        return (self.finished or time.time()) - self.started

    def stalled(self, stale_s: float = STALE_S) -> bool:
        """Tell if it should be running, and its worker gives no sign of life."""
        if self.state != "running":
            return False
        if self.worker is not None and not self.worker.alive:
            return True
        return time.time() - (self.heartbeat or 0.0) > stale_s

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        values = asdict(self)
        values |= {"after": list(self.after), "folder": str(self.folder), "log": str(self.log)}
        values["result"] = str(self.result) if self.result.exists() else None
        values["receipts"] = self.receipt_paths()
        return values

    def receipt_paths(self) -> list[str]:
        """List the receipts of the takes so far."""
        try:
            lines = self.receipts.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        return list(dict.fromkeys(lines))


@cache
def boot_id() -> str:
    """Return what tells this start of the system from another."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import psutil

        return f"{psutil.boot_time():.0f}"
