"""The process of one job: ``python -m milonga.jobs.running.worker FOLDER JOB LEASE``."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from milonga.errors import Cancelled, OutputError
from milonga.jobs.job import Job, State, Worker
from milonga.jobs.kinds import work_of
from milonga.jobs.queue import Queue
from milonga.jobs.running.heart import LEASE_LOST, Heart, JobProgress
from milonga.runtime import logs

_PATIENCE_S = 60.0
"""How long the end of a job waits for room on the disk."""


def work(queue: Queue, number: int, lease: int) -> int:
    """Do a job that the runner has started; the exit status is 0 unless its lease is lost."""
    job = queue.job(number)
    if job.state != "running" or job.lease != lease or not queue.assign(job, Worker.of()):
        return LEASE_LOST
    progress = JobProgress()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, _stopper(progress))
    heart = Heart(queue, job, progress)
    heart.start()
    state: State = "done"
    error = ""
    try:
        sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} job {job.id}: {job.title}\n")
        result = work_of(job.kind, job.version, job.arguments).run(progress, _keeper(job))
        job.keep_result(result)
    except (Cancelled, KeyboardInterrupt):
        state = "cancelled"
    except Exception as failure:  # noqa: BLE001 - whatever it is, the queue must hear of it
        logs.log_failure(failure, f"job {job.id}")
        state, error = "failed", logs.explained(failure)
        progress.message(error)
    finally:
        heart.stop()
    if state == "cancelled" and progress.interrupted:
        _written(lambda: queue.give_up(job, "It was interrupted.", counts=False))
    else:
        _written(lambda: queue.beat(job, progress.step))
        _written(lambda: queue.finish(job, state, error))
    return 0


def _keeper(job: Job) -> Callable[[Path], None]:
    """Return what keeps the receipts of takes as they come."""

    def keep(receipt: Path) -> None:
        # The list is a help; a take is whole without it.
        with (
            contextlib.suppress(OSError),
            open(job.receipts, "a", encoding="utf-8", errors="backslashreplace") as file,
        ):
            file.write(f"{receipt}\n")

    return keep


def _stopper(progress: JobProgress) -> Callable[[int, FrameType | None], None]:
    def stop(signum: int, frame: FrameType | None) -> None:
        progress.interrupted = True
        progress.cancel()

    return stop


def _written(write: Callable[[], object]) -> None:
    """Write the end of a job, with patience for a disk that is full."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            write()
            return
        except OutputError:
            if time.monotonic() > end:
                # The runner finds the job without a worker, and it is done again: what it
                # finished is kept.
                raise
            time.sleep(1.0)


def main() -> int:
    """Read the command line of the runner."""
    folder, number, lease = sys.argv[1:]
    queue = Queue(Path(folder))
    logs.setup(queue.folder_of(int(number)) / "log.txt")
    return work(queue, int(number), int(lease))


if __name__ == "__main__":
    sys.exit(main())
