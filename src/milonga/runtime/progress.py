"""Progress and cancellation, one contract for terminal, log, web page and tests."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TextIO

from milonga.errors import Cancelled
from milonga.runtime.words import size_text


@dataclass(frozen=True, slots=True)
class Update:
    """A moment of a task. ``total`` is None while it isn't known; ``unit`` is what
    ``done`` counts ("takes", "tokens", "B")."""

    label: str
    done: float
    total: float | None
    unit: str
    finished: bool = False


class Progress:
    """Shows nothing by itself; a subclass or ``callback`` does. Safe to use from threads.

    ``check()`` is where long work stops when the user asked: it raises Cancelled.
    """

    def __init__(self, callback: Callable[[Update], None] | None = None) -> None:
        self._callback = callback
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Asks the work to stop at its next check; may be called from any thread."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raises Cancelled once ``cancel()`` was called."""
        if self._cancelled.is_set():
            raise Cancelled

    def show(self, update: Update) -> None:
        """Takes one update; a subclass draws it."""
        if self._callback is not None:
            self._callback(update)

    def message(self, text: str) -> None:
        """A line for the reader that must not tear the bar."""

    @contextlib.contextmanager
    def task(self, label: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """One piece of work with a length: ``with progress.task("takes", 12) as task``."""
        task = Task(self, label, total, unit)
        self.show(task.update())
        try:
            yield task
        finally:
            self.show(task.update(finished=True))


class Task:
    """Counts within ``Progress.task``."""

    def __init__(self, progress: Progress, label: str, total: float | None, unit: str) -> None:
        self._progress, self._label, self._unit = progress, label, unit
        self.total, self.done = total, 0.0

    def update(self, finished: bool = False) -> Update:
        return Update(self._label, self.done, self.total, self._unit, finished)

    def advance(self, amount: float = 1) -> None:
        """Counts ``amount`` more; raises Cancelled if the user asked to stop."""
        self._progress.check()
        self.done += amount
        self._progress.show(self.update())


class LineProgress(Progress):
    """Plain lines, for a log or a pipe: at the start, every few seconds, at the end."""

    def __init__(self, stream: TextIO | None = None, every_s: float = 5.0) -> None:
        super().__init__()
        self._stream, self._every = stream or sys.stderr, every_s
        self._started: dict[str, float] = {}
        self._last = 0.0

    def show(self, update: Update) -> None:
        now = time.monotonic()
        first = update.label not in self._started
        begun = self._started.setdefault(update.label, now)
        if not (first or update.finished) and now - self._last < self._every:
            return
        self._last = now
        if first and not update.finished:
            text = update.label
        else:
            text = f"{update.label}: {_amount(update)}{_speed(update, now - begun)}"
            text += _left(update, now - begun)
        self._stream.write(text + "\n")
        self._stream.flush()
        if update.finished:
            self._started.pop(update.label, None)

    def message(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def _amount(update: Update) -> str:
    if update.unit == "B":
        done = size_text(update.done)
        return done if update.total is None else f"{done} of {size_text(update.total)}"
    unit = f" {update.unit}" if update.unit else ""
    if update.total is None:
        return f"{update.done:g}{unit}"
    return f"{update.done:g} of {update.total:g}{unit}"


def _speed(update: Update, elapsed: float) -> str:
    if update.unit != "B" or not update.done or elapsed <= 0:
        return ""
    return f", {size_text(update.done / elapsed)}/s"


def _left(update: Update, elapsed: float) -> str:
    if update.finished or not update.total or not update.done:
        return ""
    seconds = elapsed * (update.total - update.done) / update.done
    return f", about {seconds:.0f} s left"
