"""Progress and cancellation, one contract for terminal, log, web page and tests."""

from __future__ import annotations

import contextlib
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TextIO

from milonga.errors import Cancelled
from milonga.runtime.words import printable, size_text, time_text

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Update:
    """One moment of a task.

    Attributes:
        label: the task's name for people.
        done: how much of it is done.
        total: the amount in all; None while it isn't known.
        unit: what is counted ("takes", "tokens", "B").
        finished: the task has ended.
        task: the task's number: two tasks may have the same label.
    """

    label: str
    done: float
    total: float | None
    unit: str
    finished: bool = False
    task: int = 0


class Progress:
    """Progress of long work, and its cancellation. Shows nothing by itself; a subclass or
    ``callback`` does.

    Several threads may use one object, and advance one task: ``show`` and the callback are called
    by one thread at a time, in the order of the counts.

    >>> progress = Progress(lambda update: print(update.label, update.done, "of", update.total))
    >>> with progress.task("takes", total=2) as task:
    ...     task.advance()
    takes 0.0 of 2
    takes 1.0 of 2
    takes 1.0 of 2
    """

    def __init__(self, callback: Callable[[Update], None] | None = None) -> None:
        self._callback = callback
        self._cancelled = threading.Event()
        # An interrupt's handler may send a message while its own thread shows an update.
        self._showing = threading.RLock()
        self._about = ""

    def cancel(self) -> None:
        """Ask the work to stop at its next check; may be called from any thread."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        """Asked to stop."""
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise Cancelled once ``cancel()`` was called."""
        if self._cancelled.is_set():
            raise Cancelled

    def show(self, update: Update) -> None:
        """Take one update; a subclass draws it."""
        if self._callback is not None:
            self._callback(update)

    def message(self, text: str) -> None:
        """Show a line that must not tear the bar."""

    @contextlib.contextmanager
    def task(self, label: str, total: float | None = None, unit: str = "") -> Iterator[Task]:
        """Begin a piece of work with a length: ``with progress.task("takes", 12) as task``."""
        task = Task(self, self._about + label, total, unit)
        task._show()
        try:
            yield task
        finally:
            task._show(finished=True)

    @contextlib.contextmanager
    def about(self, what: str) -> Iterator[None]:
        """Put ``what`` before the labels of all tasks that begin in the block."""
        before, self._about = self._about, f"{self._about}{what}: "
        try:
            yield
        finally:
            self._about = before


class Task:
    """Counts within ``Progress.task``."""

    def __init__(self, progress: Progress, label: str, total: float | None, unit: str) -> None:
        self._progress, self._label, self._unit = progress, label, unit
        self._number = next(_numbers)
        self.total, self.done = total, 0.0

    def advance(self, amount: float = 1) -> None:
        """Count ``amount`` more; raise Cancelled if the user asked to stop."""
        self._progress.check()
        self._show(amount)

    def _show(self, amount: float = 0, *, finished: bool = False) -> None:
        with self._progress._showing:
            self.done += amount
            self._progress.show(
                Update(self._label, self.done, self.total, self._unit, finished, self._number)
            )


class LineProgress(Progress):
    """Plain lines, for a log or a pipe: at the start, every few seconds, at the end."""

    def __init__(self, stream: TextIO | None = None, every_s: float = 5.0) -> None:
        super().__init__()
        self._stream, self._every = stream or sys.stderr, every_s
        self._started: dict[tuple[str, int], float] = {}
        self._last = 0.0

    def show(self, update: Update) -> None:
        now, key = time.monotonic(), (update.label, update.task)
        with self._showing:
            first = key not in self._started
            elapsed = now - self._started.setdefault(key, now)
            if update.finished:
                del self._started[key]
                if update.total is None and not update.done:
                    return
            elif not first and (now - self._last < self._every or update.done == update.total):
                # The end says it all.
                return
            self._last = now
            text = update.label
            if update.finished or not first:
                text += f": {_amount(update)}{_speed(update, elapsed)}{_left(update, elapsed)}"
            self.message(text)

    def message(self, text: str) -> None:
        with self._showing:
            self._stream.write(printable(text) + "\n")
            self._stream.flush()


def _amount(update: Update) -> str:
    if update.unit == "B":
        done = size_text(update.done)
        return done if update.total is None else f"{done} of {size_text(update.total)}"
    unit = f" {update.unit}" if update.unit else ""
    if update.total is None:
        return f"{update.done:.0f}{unit}"
    return f"{update.done:.0f} of {update.total:.0f}{unit}"


def _speed(update: Update, elapsed: float) -> str:
    if update.unit != "B" or not update.done or elapsed < 0.1:
        return ""
    return f", {size_text(update.done / elapsed)}/s"


def _left(update: Update, elapsed: float) -> str:
    if update.finished or not update.total or not 0 < update.done < update.total:
        return ""
    seconds = elapsed * (update.total - update.done) / update.done
    return f", about {time_text(max(1, round(seconds)))} left"


@contextlib.contextmanager
def stop_between_steps(progress: Progress, what: str) -> Iterator[None]:
    """Let the first Ctrl-C cancel a training after its step, so that its checkpoint is whole; a
    second one ends it at once.

    Args:
        progress: the training's.
        what: the thing that the same command goes on with.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        if progress.cancelled:
            raise KeyboardInterrupt
        progress.cancel()
        progress.message(f"Stopping. The same command goes on with {what}.")

    before = {kind: signal.signal(kind, stop) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
