"""Work of the page itself, in threads of this process: downloads, whose token must stay in memory,
and other things of a minute. What takes longer goes into the queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from milonga.errors import Cancelled, MilongaError
from milonga.runtime.logs import log_failure
from milonga.runtime.progress import Progress, Update
from milonga.web.answers import fault

_KEPT = 50


class TaskProgress(Progress):
    """Keeps the last update and the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.last: Update | None = None
        self.messages: list[str] = []

    def show(self, update: Update) -> None:
        if not update.finished or self.last is None:
            self.last = update

    def message(self, text: str) -> None:
        self.messages = [*self.messages[-20:], text]


@dataclass
class Task:
    """Work that was begun.

    Attributes:
        key: what it works on; one task at a time may.
        about: in words.
        state: ``running``, ``done``, ``failed``, ``cancelled``.
        result: what it gave.
        error: why it failed.
    """

    key: str
    about: str
    progress: TaskProgress = field(default_factory=TaskProgress)
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    result: Any = None
    error: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        last = self.progress.last
        return {
            "key": self.key,
            "about": self.about,
            "state": self.state,
            "label": last.label if last else "",
            "done": last.done if last else 0,
            "total": last.total if last else None,
            "unit": last.unit if last else "",
            "messages": list(self.progress.messages),
            "result": self.result,
            "error": self.error,
        }


class Tasks:
    """The tasks of a server, by what they work on."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()

    def begin(self, key: str, about: str, work: Callable[[Progress], Any]) -> Task:
        """Begin work in a thread.

        Raises:
            MilongaError: something works on the same already.
        """
        with self._lock:
            if key in self._tasks and self._tasks[key].state == "running":
                raise MilongaError(f"{self._tasks[key].about} is under way already.")
            task = Task(key, about)
            self._tasks.pop(key, None)
            self._tasks[key] = task
            for old in list(self._tasks)[:-_KEPT]:
                if self._tasks[old].state != "running":
                    del self._tasks[old]
        threading.Thread(target=_run, args=(task, work), daemon=True).start()
        return task

    def cancel(self, key: str) -> None:
        """Ask a task to stop."""
        if (task := self._tasks.get(key)) is not None:
            task.progress.cancel()

    def get(self, key: str) -> Task | None:
        """Return the task that works, or worked last, on something."""
        return self._tasks.get(key)

    def all(self, prefix: str) -> list[dict[str, Any]]:
        """List the tasks whose key begins so."""
        with self._lock:
            return [task.to_dict() for key, task in self._tasks.items() if key.startswith(prefix)]


def _run(task: Task, work: Callable[[Progress], Any]) -> None:
    try:
        task.result = work(task.progress)
        task.state = "done"
    except Cancelled:
        task.state = "cancelled"
    except Exception as error:  # noqa: BLE001 - shown on the page
        log_failure(error, task.about)
        task.error = fault(error)
        task.state = "failed"
