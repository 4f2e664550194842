"""The runner: starts the jobs of the queue in processes of their own, and looks after them.

There is one runner for a queue, which a lock makes sure of. Jobs outlive it: a worker whose runner
was killed goes on, and the next runner finds it working.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import psutil
from filelock import FileLock, Timeout

from milonga.errors import JobError, OutputError
from milonga.jobs.job import STALE_S, Job
from milonga.jobs.queue import Queue
from milonga.runtime.files import make_folder, output_error
from milonga.runtime.memory import available_memory
from milonga.runtime.progress import Progress, Update

GRACE_S = 10.0
"""Work that doesn't stop by itself so long after it was cancelled is ended by the system."""
_LOOK_S = 0.25
_SHARE = 0.9
"""Of the free memory, used for jobs."""
_MODULE = "milonga.jobs.running.worker"


@dataclass
class Runner:
    """Works on a queue.

    Attributes:
        queue: by default the user's.
        at_once: jobs at a time; by default one for each four cores.
        memory: bytes that jobs may take together; by default most of what is free at the start.
        stale_s: a worker that gives no sign of life for so long is ended.
        on_change: called with each job whose state changed.
    """

    queue: Queue = field(default_factory=Queue)
    at_once: int | None = None
    memory: int | None = None
    stale_s: float = STALE_S
    on_change: Callable[[Job], None] = lambda job: None
    _workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _running: set[int] = field(default_factory=set)
    _cancelled: dict[int, float] = field(default_factory=dict)
    _view: _View | None = None

    def run(self, progress: Progress | None = None, *, keep: bool = False) -> None:
        """Work until nothing waits and nothing runs.

        Args:
            progress: shows the steps of all jobs; when it is cancelled, the running jobs stop at
                their next check and wait again.
            keep: wait for more.

        Raises:
            JobError: another runner works on the queue.
            OutputError: the queue can't be written.
            Cancelled: the user stopped it.
        """
        progress = progress or Progress()
        more = True
        while more:
            with self._only():
                self._work(progress, keep)
            # Who queued something at the last moment saw a runner and started none.
            more = bool(self.queue.ready())

    def _work(self, progress: Progress, keep: bool) -> None:
        view = self._view = _View(progress)
        if self.memory is None:
            self.memory = round(_SHARE * available_memory())
        try:
            while True:
                progress.check()
                busy = self.look()
                view.show(busy)
                if not (busy or keep):
                    return
                time.sleep(_LOOK_S)
        finally:
            view.end()
            self._stop_workers()

    def look(self) -> list[Job]:
        """Look after the running jobs, start those whose turn it is, and return what runs."""
        found = self.queue.jobs("running")
        for number in sorted(self._running - {job.id for job in found}):
            self._changed(self.queue.job(number))
        running = [job for job in found if not self._ended(job)]
        # Of thousands that wait, the order is asked for only where one can start.
        full = len(running) >= (self.at_once or default_at_once())
        for job in () if full else self.queue.ready():
            if not self._fits(job, running):
                # In order: one that needs much isn't put off for ever by small ones behind it.
                break
            if (started := self._start(job)) is not None:
                running.append(started)
                self.on_change(started)
        self._running = {job.id for job in running}
        return running

    def _fits(self, job: Job, running: Iterable[Job]) -> bool:
        others = [other.cost for other in running]
        if not others:
            return True
        if len(others) >= (self.at_once or default_at_once()):
            return False
        needs = [cost.memory for cost in (*others, job.cost)]
        if None in needs or sum(need or 0 for need in needs) > (self.memory or 0):
            return False
        return not (job.cost.device and any(other.device for other in others))

    def _start(self, job: Job) -> Job | None:
        try:
            make_folder(job.folder)
            with open(job.log, "ab") as log:
                started = self.queue.start(job.id)
                if started is None:
                    return None
                self._workers[job.id] = subprocess.Popen(
                    [sys.executable, "-m", _MODULE, str(self.queue.folder), str(job.id),
                     str(started.lease)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    env=self._environment(),
                )  # fmt: skip
                return started
        except OSError as error:
            raise output_error(error, job.log) from error

    def _environment(self) -> dict[str, str]:
        """Divide the cores among the jobs."""
        env = dict(os.environ)
        share = max(1, (os.cpu_count() or 1) // (self.at_once or default_at_once()))
        if share < (os.cpu_count() or 1):
            for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
                env.setdefault(name, str(share))
        return env

    def _ended(self, job: Job) -> bool:
        """Look after a job that was running; True where it isn't any more."""
        process = self._workers.get(job.id)
        status = process.poll() if process is not None else None
        reason = None
        if status is not None:
            self._workers.pop(job.id, None)
            reason = f"Its worker ended {_way(status)}."
        elif job.cancelling and self._overdue(job):
            reason = "It was stopped by the system."
        elif job.stalled(self.stale_s):
            reason = "Its worker died."
            if process is not None and (status := process.poll()) is not None:
                reason = f"Its worker ended {_way(status)}."
            elif job.worker is not None and job.worker.alive:
                reason = f"Its worker gave no sign of life for {self.stale_s:g} s."
        now = self.queue.job(job.id)
        if now.state != "running" or now.lease != job.lease:
            self._changed(now)
            return True
        if reason is None:
            return False
        self._kill(now)
        restarted = now.worker is not None and not now.worker.here
        if self.queue.give_up(now, f"{reason} Its log: {now.log}", counts=not restarted):
            self._changed(self.queue.job(job.id))
        return True

    def _overdue(self, job: Job) -> bool:
        since = self._cancelled.setdefault(job.id, time.monotonic())
        return time.monotonic() - since > GRACE_S

    def _changed(self, job: Job) -> None:
        self._running.discard(job.id)
        self._cancelled.pop(job.id, None)
        process = self._workers.pop(job.id, None)
        if process is not None:
            # It has written the end of its job and is about to go.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
        if self._view is not None:
            self._view.ended(job)
        self.on_change(job)

    def _kill(self, job: Job) -> None:
        """End a worker, whether this runner started it or an earlier one, and its children."""
        process = self._workers.get(job.id)
        pid = process.pid if process is not None else None
        if pid is None and job.worker is not None and job.worker.here and job.worker.alive:
            pid = job.worker.pid
        if pid is None:
            return
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(pid)
            for each in (*family.children(recursive=True), family):
                with contextlib.suppress(psutil.Error):
                    each.kill()
        if process is not None:
            process.wait()

    def _stop_workers(self) -> None:
        """Ask what this runner started to stop, so that it waits in the queue again."""
        for process in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for number, process in list(self._workers.items()):
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(JobError, OutputError):
                    self._kill(self.queue.job(number))
            with contextlib.suppress(JobError, OutputError):
                job = self.queue.job(number)
                if job.state == "running":
                    self.queue.give_up(job, "It was interrupted.", counts=False)
        self._workers.clear()

    @contextlib.contextmanager
    def _only(self) -> Iterator[None]:
        lock = _lock(self.queue)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise JobError(
                "A runner works on this queue already.",
                where=self.queue.folder,
                step="milonga jobs list shows what it does.",
            ) from None
        try:
            yield
        finally:
            lock.release()


class _View:
    """The steps of all running jobs as tasks of one progress."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._shown: dict[int, Update] = {}
        self._messages: dict[int, str] = {}

    def show(self, jobs: Iterable[Job]) -> None:
        here = {job.id: job for job in jobs}
        for number in [each for each in self._shown if each not in here]:
            self._finish(number)
        for job in here.values():
            step = job.step
            if not step.label:
                continue
            label = f"Job {job.id}: {step.label}"
            before = self._shown.get(job.id)
            if before is not None and before.label != label:
                self._finish(job.id)
            update = Update(label, step.done, step.total, step.unit, task=-job.id)
            if update != self._shown.get(job.id):
                self._shown[job.id] = update
                self._progress.show(update)
            if step.message and step.message != self._messages.get(job.id):
                self._messages[job.id] = step.message
                self._progress.message(f"Job {job.id}: {step.message}")

    def ended(self, job: Job) -> None:
        """Show how far a job was when it ended."""
        last = self._shown.get(job.id)
        if last is not None and last.label == f"Job {job.id}: {job.step.label}":
            self._shown[job.id] = replace(last, done=job.step.done, total=job.step.total)
            self._finish(job.id)

    def end(self) -> None:
        for number in list(self._shown):
            self._finish(number)

    def _finish(self, number: int) -> None:
        last = self._shown.pop(number)
        self._progress.show(
            Update(last.label, last.done, last.total, last.unit, finished=True, task=last.task)
        )


def default_at_once() -> int:
    """Jobs at a time where nobody says: one for each four cores."""
    return max(1, (os.cpu_count() or 1) // 4)


def runner_works(queue: Queue) -> bool:
    """Tell if a runner works on a queue."""
    lock = _lock(queue)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def start_runner(queue: Queue | None = None) -> bool:
    """Start a runner in a process of its own, which outlives this one and ends when nothing waits.

    Returns:
        False where one works already; it takes what was queued.
    """
    queue = queue or Queue()
    if runner_works(queue):
        return False
    runner = subprocess.Popen(
        [sys.executable, "-m", "milonga.jobs.running.background", str(queue.folder)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    # Of a process that runs for days, no dead one stays.
    threading.Thread(target=runner.wait, daemon=True).start()
    return True


def _lock(queue: Queue) -> FileLock:
    make_folder(queue.folder)
    return FileLock(queue.folder / "runner.lock")


def _way(status: int) -> str:
    if status < 0:
        try:
            return f"by {signal.Signals(-status).name}"
        except ValueError:
            return f"by signal {-status}"
    return f"with status {status}"
