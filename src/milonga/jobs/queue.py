"""The queue on disk: jobs with their order, states and progress, for any number of processes.

Every change is one transaction, so a process that is killed leaves a job as it was before or
after. Who works on a job holds its lease: a worker that was given up can write nothing more.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from milonga.errors import JobError
from milonga.jobs.database import opened
from milonga.jobs.job import ENDED, STATES, TRIES, Cost, Job, State, Step, Worker
from milonga.runtime.places import data_folder

FOLDER, FILE = "jobs", "queue.db"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be queued; its fields are those of ``Job``."""

    kind: str
    title: str
    version: int
    arguments: Mapping[str, Any]
    cost: Cost = field(default_factory=Cost)
    priority: int = 0
    after: tuple[int, ...] = ()


class Queue:
    """The queue of a user.

    Args:
        folder: where it is kept; by default ``jobs`` in the user's data folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = data_folder() / FOLDER if folder is None else folder
        self.file = self.folder / FILE

    def add(self, new: NewJob) -> Job:
        """Queue a job; errors as for ``add_all``."""
        return self.job(self.add_all([new])[0])

    def add_all(self, jobs: Iterable[NewJob]) -> list[int]:
        """Queue jobs, all of them or none, and return their numbers.

        Raises:
            JobError: one of them waits for a job that isn't there.
            OutputError: the queue can't be written.
        """
        with opened(self.file, write=True) as database:
            return [self._added(database, new) for new in jobs]

    def _added(self, database: sqlite3.Connection, new: NewJob) -> int:
        for other in new.after:
            found = database.execute("SELECT state FROM jobs WHERE id = ?", (other,)).fetchone()
            if found is None:
                raise _unknown(other)
            if found["state"] in ("failed", "cancelled"):
                raise JobError(
                    f"Job {other}, which must be done before, has {_HAS[found['state']]}.",
                    step=f"Run first: milonga jobs resume {other}",
                )
        done = database.execute(
            "INSERT INTO jobs (kind, title, version, arguments, priority, after, state, created,"
            " cost) VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?, ?)",
            (new.kind, new.title, new.version, _text(new.arguments), new.priority,
             _text(list(new.after)), time.time(), _text(asdict(new.cost))),
        )  # fmt: skip
        assert done.lastrowid is not None
        return done.lastrowid

    def jobs(self, *states: State) -> list[Job]:
        """List jobs in the order of their numbers: those in the given states, or all."""
        if not self.file.exists():
            return []
        marks = ", ".join("?" * len(states or STATES))
        with opened(self.file) as database:
            rows = database.execute(
                f"SELECT * FROM jobs WHERE state IN ({marks}) ORDER BY id", states or STATES
            ).fetchall()
        return [self._job(row) for row in rows]

    def job(self, number: int) -> Job:
        """Return a job.

        Raises:
            JobError: there is none of that number.
        """
        row = None
        if self.file.exists():
            with opened(self.file) as database:
                row = database.execute("SELECT * FROM jobs WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise _unknown(number)
        return self._job(row)

    def ready(self) -> list[Job]:
        """List the jobs that wait for no other, in the order in which they should start.

        Those that wait for a job which failed or was cancelled fail themselves.
        """
        waiting = sorted(self.jobs("waiting"), key=lambda job: (-job.priority, job.id))
        others = {number for job in waiting for number in job.after}
        states: dict[int, str] = {}
        if others:
            with opened(self.file) as database:
                states = dict(database.execute("SELECT id, state FROM jobs").fetchall())
        found = []
        for job in waiting:
            before = [(number, states.get(number, "removed")) for number in job.after]
            lost = [(n, s) for n, s in before if s in ("failed", "cancelled", "removed")]
            if lost:
                number, state = lost[0]
                self._end(job.id, "failed", f"Job {number}, which it waits for, {_WAS[state]}.")
            elif all(state == "done" for _, state in before):
                found.append(job)
        return found

    def start(self, number: int) -> Job | None:
        """Take a waiting job for a worker; None if another process was quicker."""
        with opened(self.file, write=True) as database:
            now = time.time()
            changed = database.execute(
                "UPDATE jobs SET state = 'running', started = ?, finished = NULL, heartbeat = ?,"
                " tries = tries + 1, lease = lease + 1, worker = NULL, error = '', step = '{}'"
                " WHERE id = ? AND state = 'waiting'",
                (now, now, number),
            ).rowcount
        return self.job(number) if changed else None

    def assign(self, job: Job, worker: Worker) -> bool:
        """Note the process that works on a job."""
        return self._write(job, "worker = ?", _text(asdict(worker)))

    def beat(self, job: Job, step: Step | None = None, *, alive: bool = True) -> bool | None:
        """Note that the worker lives, and how far it is.

        Args:
            alive: False writes the step alone.

        Returns:
            True where the user asked to stop it; None where the job is no longer the worker's.
        """
        with opened(self.file, write=True) as database:
            row = database.execute(
                "UPDATE jobs SET heartbeat = coalesce(?, heartbeat), step = coalesce(?, step)"
                " WHERE id = ? AND lease = ? AND state = 'running' RETURNING cancelling",
                (time.time() if alive else None, _text(asdict(step)) if step else None, job.id,
                 job.lease),
            ).fetchone()  # fmt: skip
        return None if row is None else bool(row["cancelling"])

    def finish(self, job: Job, state: State, error: str = "") -> bool:
        """End a job; False where it is no longer the worker's."""
        return self._write(
            job, "state = ?, error = ?, finished = ?, cancelling = 0", state, error, time.time()
        )

    def give_up(self, job: Job, reason: str, *, counts: bool = True) -> State | None:
        """Take a job from a worker that died or stalled: it waits again, or fails after ``TRIES``.

        Args:
            counts: it may be the job's own fault; a restart of the machine isn't.

        Returns:
            Its new state; None where it has ended meanwhile.
        """
        with opened(self.file, write=True) as database:
            row = database.execute(
                "SELECT tries, cancelling FROM jobs WHERE id = ? AND lease = ?"
                " AND state = 'running'",
                (job.id, job.lease),
            ).fetchone()
            if row is None:
                return None
            state: State = "waiting"
            if row["cancelling"]:
                state = "cancelled"
            elif counts and row["tries"] >= TRIES:
                state = "failed"
            end = None if state == "waiting" else time.time()
            database.execute(
                "UPDATE jobs SET state = ?, error = ?, finished = ?, lease = lease + 1,"
                " cancelling = 0, tries = tries - ? WHERE id = ?",
                (state, reason, end, 0 if counts else 1, job.id),
            )
        return state

    def cancel(self, number: int) -> Job:
        """Stop a job: a waiting one at once, a running one at the next check of its work.

        Raises:
            JobError: there is none, or it has ended.
        """
        with opened(self.file, write=True) as database:
            state = self._state(database, number)
            if state in ENDED:
                raise JobError(f"Job {number} is {_HAS[state]} already.")
            if state == "waiting":
                database.execute(
                    "UPDATE jobs SET state = 'cancelled', finished = ? WHERE id = ?",
                    (time.time(), number),
                )
            else:
                database.execute("UPDATE jobs SET cancelling = 1 WHERE id = ?", (number,))
        job = self.job(number)
        if job.stalled():
            self.give_up(job, "")
            job = self.job(number)
        return job

    def resume(self, number: int) -> Job:
        """Queue a failed or cancelled job again; what it finished is kept.

        Raises:
            JobError: there is none, or it needs no resuming.
        """
        with opened(self.file, write=True) as database:
            state = self._state(database, number)
            if state not in ("failed", "cancelled"):
                raise JobError(f"Job {number} is {state}; only failed and cancelled jobs resume.")
            database.execute(
                "UPDATE jobs SET state = 'waiting', error = '', tries = 0, cancelling = 0,"
                " started = NULL, finished = NULL WHERE id = ?",
                (number,),
            )
        return self.job(number)

    def clean(self, states: Sequence[State] = ENDED, *, older_s: float = 0.0) -> list[int]:
        """Remove ended jobs with their logs; takes, models and pages stay where they are.

        One that a waiting job waits for stays.

        Args:
            states: of those that go; none that waits or runs.
            older_s: only those that ended so many seconds ago.
        """
        chosen = [state for state in states if state in ENDED]
        marks = ", ".join("?" * len(chosen))
        if not self.file.exists():
            return []
        with opened(self.file, write=True) as database:
            rows = database.execute("SELECT after FROM jobs WHERE state = 'waiting'").fetchall()
            needed = {number for row in rows for number in json.loads(row["after"])}
            ended = database.execute(
                f"SELECT id FROM jobs WHERE state IN ({marks}) AND coalesce(finished, created)"
                " <= ?",
                (*chosen, time.time() - older_s),
            ).fetchall()
            gone = [row["id"] for row in ended if row["id"] not in needed]
            database.executemany("DELETE FROM jobs WHERE id = ?", [(number,) for number in gone])
        for number in gone:
            shutil.rmtree(self.folder_of(number), ignore_errors=True)
        return sorted(gone)

    def folder_of(self, number: int) -> Path:
        """The folder of a job's log, result and receipts."""
        return self.folder / f"{number:06d}"

    def _end(self, number: int, state: State, error: str) -> None:
        with opened(self.file, write=True) as database:
            database.execute(
                "UPDATE jobs SET state = ?, error = ?, finished = ?"
                " WHERE id = ? AND state = 'waiting'",
                (state, error, time.time(), number),
            )

    def _write(self, job: Job, what: str, *values: object) -> bool:
        with opened(self.file, write=True) as database:
            changed = database.execute(
                f"UPDATE jobs SET {what} WHERE id = ? AND lease = ? AND state = 'running'",
                (*values, job.id, job.lease),
            ).rowcount
        return bool(changed)

    def _state(self, database: sqlite3.Connection, number: int) -> State:
        row = database.execute("SELECT state FROM jobs WHERE id = ?", (number,)).fetchone()
        if row is None:
            raise _unknown(number)
        state: State = row["state"]
        return state

    def _job(self, row: sqlite3.Row) -> Job:
        values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - no mapping
        return Job(
            **{
                **values,
                "arguments": json.loads(values["arguments"]),
                "after": tuple(json.loads(values["after"])),
                "worker": Worker(**json.loads(values["worker"])) if values["worker"] else None,
                "step": Step(**json.loads(values["step"])),
                "cost": Cost(**json.loads(values["cost"])),
                "cancelling": bool(values["cancelling"]),
                "folder": self.folder_of(values["id"]),
            }
        )


_HAS = {"done": "done", "failed": "failed", "cancelled": "been cancelled"}
_WAS = {"failed": "failed", "cancelled": "was cancelled", "removed": "was removed"}


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _unknown(number: int) -> JobError:
    return JobError(f"There is no job {number}.", step="milonga jobs list shows those there are.")
