"""Putting work into the queue, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from milonga.errors import MilongaError
from milonga.jobs.job import ENDED, Job
from milonga.jobs.kinds import Work
from milonga.jobs.queue import NewJob, Queue
from milonga.runtime.progress import Progress, Update

_LOOK_S = 0.2


def submit(
    work: Work, *, priority: int = 0, after: Sequence[int] = (), queue: Queue | None = None
) -> Job:
    """Plan work, check it, and put it into the queue; a runner does it.

    Args:
        work: such as ``RenderWork(sheet="song.yaml")``; paths are taken from the current folder.
        priority: higher ones go first; of equals the oldest.
        after: numbers of jobs that must be done before.
        queue: by default the user's.

    Returns:
        The job, with its cost.

    Raises:
        MilongaError: the work can't be done as asked; nothing was queued.
    """
    work = work.model_validate(_absolute(work.model_dump()))
    new = NewJob(
        work.kind, work.title, work.version, work.model_dump(mode="json"), work.cost(), priority,
        tuple(after),
    )  # fmt: skip
    return (queue or Queue()).add(new)


def wait(job: Job | int, *, queue: Queue | None = None, progress: Progress | None = None) -> Job:
    """Wait until a job has ended, and return it; a runner must be at work.

    Args:
        progress: shows its steps. When it is cancelled the waiting ends, and the job goes on.

    Raises:
        JobError: there is no such job.
        MilongaError: it failed; says why.
        Cancelled: the waiting was cancelled.
    """
    number = job if isinstance(job, int) else job.id
    queue, progress = queue or Queue(), progress or Progress()
    while True:
        progress.check()
        now = queue.job(number)
        step = now.step
        progress.show(Update(step.label or now.title, step.done, step.total, step.unit,
                             now.state in ENDED, -number))  # fmt: skip
        if now.state == "failed":
            raise MilongaError(now.error or "The job failed.", step=f"Its log: {now.log}")
        if now.state in ENDED:
            return now
        time.sleep(_LOOK_S)


def _absolute(value: Any) -> Any:
    """Make the paths of arguments independent of the current folder."""
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, dict):
        return {key: _absolute(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_absolute(each) for each in value]
    return value
