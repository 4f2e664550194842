"""The progress bar of a terminal (rich)."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichProgress

from milonga.runtime.progress import Progress, Update


class BarProgress(Progress):
    """A bar per task with the time left; tasks that count "B" show bytes and speed."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True)
        self._bars: RichProgress | None = None
        self._tasks: dict[tuple[str, int], TaskID] = {}

    def show(self, update: Update) -> None:
        key = (update.label, update.task)
        with self._showing:
            if self._bars is None:
                self._bars = RichProgress(*_columns(update.unit), console=self._console)
                self._bars.start()
            if key not in self._tasks:
                self._tasks[key] = self._bars.add_task(update.label, total=update.total)
            self._bars.update(self._tasks[key], completed=update.done, total=update.total)
            if update.finished:
                del self._tasks[key]
                if not self._tasks:
                    self._bars.stop()
                    self._bars = None

    def message(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


def _columns(unit: str) -> tuple[ProgressColumn, ...]:
    if unit == "B":
        amount: tuple[ProgressColumn, ...] = (DownloadColumn(), TransferSpeedColumn())
    else:
        amount = (MofNCompleteColumn(), TextColumn(unit))
    return (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
