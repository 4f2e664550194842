"""The terminal: standard output and error whose faults are explained, and the progress bar."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from milonga.errors import OutputError
from milonga.runtime.progress import Progress, Update
from milonga.runtime.words import READABLE, printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import ProgressColumn, TaskID


class _Output(io.TextIOWrapper):
    """Standard output whose faults are explained."""

    def write(self, text: str, /) -> int:
        with _explained():
            return super().write(text)

    def flush(self) -> None:
        with _explained():
            super().flush()


class _Errors(io.TextIOWrapper):
    """Standard error: where nobody can read it, the work goes on."""

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def prepare() -> None:
    """Make standard output and error ready for the command line.

    A terminal without Unicode shows an escape where it would else end in an error; a stream that
    is closed swallows what is written; a fault of standard output is an ``OutputError``, one of
    standard error nothing.
    """
    for name, kind in (("stdout", _Output), ("stderr", _Errors)):
        old = getattr(sys, name)
        if old is None:
            # Held open until the process ends.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(old, io.TextIOWrapper):
            encoding, lines, direct = old.encoding, old.line_buffering, old.write_through
            stream = kind(
                old.detach(), encoding, READABLE, line_buffering=lines,
                write_through=direct,
            )  # fmt: skip
            setattr(sys, name, stream)


def use_utf8() -> None:
    """Write UTF-8 on standard output from now on, whatever the terminal has."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors=READABLE)


def drop_unwritten() -> None:
    """Drop what can't be written to either, so that Python doesn't complain at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            io.TextIOWrapper.flush(stream)  # type: ignore[arg-type]
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"Standard output can't be written: {error.strerror or error}.",
            step="Give another place after '>', or free some space there.",
        ) from error


class BarProgress(Progress):
    """A bar per task with the time left; tasks that count "B" show bytes and speed."""

    def __init__(self) -> None:
        from rich.console import Console

        super().__init__()
        self._console = Console(stderr=True)
        self._bars: RichProgress | None = None
        self._tasks: dict[tuple[str, int], TaskID] = {}

    def show(self, update: Update) -> None:
        from rich.markup import escape
        from rich.progress import Progress as RichProgress

        key = (update.label, update.task)
        with self._showing:
            if self._bars is None:
                self._bars = RichProgress(*_columns(update.unit), console=self._console)
                self._bars.start()
            if key not in self._tasks:
                self._tasks[key] = self._bars.add_task(
                    escape(printable(update.label)), total=update.total
                )
            self._bars.update(self._tasks[key], completed=update.done, total=update.total)
            if update.finished:
                del self._tasks[key]
                if not self._tasks:
                    self._bars.stop()
                    self._bars = None

    def message(self, text: str) -> None:
        self._console.print(printable(text), highlight=False, markup=False)


def _columns(unit: str) -> tuple[ProgressColumn, ...]:
    from rich import progress as rich

    if unit == "B":
        amount: tuple[ProgressColumn, ...] = (rich.DownloadColumn(), rich.TransferSpeedColumn())
    else:
        amount = (rich.MofNCompleteColumn(), rich.TextColumn(unit))
    return (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        *amount,
        rich.TimeRemainingColumn(),
    )
