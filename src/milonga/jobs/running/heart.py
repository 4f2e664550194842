"""The heart of a worker: tells the queue that it lives and how far it is, and hears of a stop."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace

from milonga.errors import MilongaError
from milonga.jobs.job import BEAT_S, Job, Step
from milonga.jobs.pulse import Pulse
from milonga.jobs.queue import Queue
from milonga.runtime.logs import LOG
from milonga.runtime.progress import LineProgress, Update

LEASE_LOST = 4
"""Exit status of a worker whose job was given to another one."""
_LINE_S = 30.0


class JobProgress(LineProgress):
    """Progress of a job: lines for its log, and a step for the queue."""

    def __init__(self) -> None:
        super().__init__(sys.stderr, _LINE_S)
        self.step = Step()
        self._open: dict[int, Update] = {}
        """Tasks that have begun, the outermost first."""
        self.signs = 0
        """Counts every sign of life."""
        self.interrupted = False
        """Stopped by the system or the runner, not by the user: the job goes on later."""

    def check(self) -> None:
        self.signs += 1
        super().check()

    def show(self, update: Update) -> None:
        self.signs += 1
        if update.finished:
            self._open.pop(update.task, None)
        else:
            self._open[update.task] = update
        # The count of takes tells more of a job than the line that is being sung; of one take, its
        # own steps do.
        outer = next((each for each in self._open.values() if (each.total or 0) > 1), update)
        self.step = Step(outer.label, outer.done, outer.total, outer.unit, self.step.message)
        super().show(update)

    def message(self, text: str) -> None:
        self.signs += 1
        # Lines of the log come this way, too; those aren't news.
        if not self.step.label or not text.startswith(self.step.label):
            self.step = replace(self.step, message=text)
        super().message(text)


class Heart(threading.Thread):
    """Beats until it is stopped.

    Args:
        queue: that the job is in.
        job: with the lease of this worker.
        progress: of the work; cancelled where the user asks for it.
    """

    def __init__(self, queue: Queue, job: Job, progress: JobProgress) -> None:
        super().__init__(name="milonga-heart", daemon=True)
        self._queue, self._job, self._progress = queue, job, progress
        self._ended, self._pulse = threading.Event(), Pulse(lambda: progress.signs)

    def run(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                wanted = self._queue.beat(self._job, self._progress.step, alive=self._pulse.felt())
            except MilongaError as error:
                # A full disk, for now: the work goes on as long as it can.
                LOG.warning("the queue can't be told: %s", error)
                continue
            if wanted is None:
                # Another worker may be at it already.
                os._exit(LEASE_LOST)
            if wanted:
                self._progress.cancel()

    def stop(self) -> None:
        """End it; nothing is written afterwards."""
        self._ended.set()
        self.join()
