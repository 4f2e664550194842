"""Sounds of a batch made by several processes; ``python -m milonga.jobs.local.sounds``.

A process reads the order of the batch, then a job a line, and answers each with a line.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from milonga.audio.export.settings import ExportSettings
from milonga.errors import MilongaError, OutputError, SoundError
from milonga.jobs.local.crew import THREADS
from milonga.runtime.devices import core_count, thread_count
from milonga.runtime.progress import Progress
from milonga.sounds.instrument.batch import Job, Outcome
from milonga.sounds.model.play_settings import PlaySettings
from milonga.workflows.playing import BatchOrder, BatchPlace

_MODULE = "milonga.jobs.local.sounds"
_LOOK_S = 0.2
_TRIES = 2


def sound_workers(count: int) -> BatchPlace:
    """Return what makes the sounds of a batch in several processes, as ``on`` of ``play_batch``."""

    def place(order: BatchOrder) -> _Workers:
        return _Workers(order, count)

    return place


class _Workers:
    """Threads that each talk to a process; a sound of a process that died is tried once again."""

    def __init__(self, order: BatchOrder, count: int) -> None:
        self._order, self._count = order, count
        self._threads = max(1, min(core_count(), thread_count()) // count)
        self._processes: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._lost: Counter[str] = Counter()
        self._stopped = False

    def __call__(self, jobs: Sequence[Job], progress: Progress) -> Iterator[Outcome]:
        waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        done: queue.Queue[Outcome | BaseException] = queue.Queue()
        for job in jobs:
            waiting.put(job)
        threads = [
            threading.Thread(target=self._work, args=(waiting, done), daemon=True)
            for _ in range(min(self._count, len(jobs)))
        ]
        for thread in threads:
            thread.start()
        try:
            left = len(jobs)
            while left:
                progress.check()
                try:
                    found = done.get(timeout=_LOOK_S)
                except queue.Empty:
                    continue
                if isinstance(found, BaseException):
                    raise found
                left -= 1
                yield found
        finally:
            with self._lock:
                self._stopped = True
                for process in self._processes:
                    # Files are whole or absent.
                    process.kill()
            for thread in threads:
                thread.join()

    def _work(
        self, waiting: queue.SimpleQueue[Job], done: queue.Queue[Outcome | BaseException]
    ) -> None:
        process: subprocess.Popen[str] | None = None
        try:
            while not self._stopped:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                process = process or self._started()
                told = _asked(process, job)
                if told is None:
                    self._ended(process)
                    process = None
                    self._lost[job.name] += 1
                    if self._lost[job.name] < _TRIES:
                        waiting.put(job)
                    elif not self._stopped:
                        died = SoundError(f"Its process died {_TRIES} times.")
                        done.put(Outcome(job, self._order.folder / job.name, "failed", died))
                elif "fatal" in told:
                    message, where, step = told["fatal"]
                    done.put(OutputError(message, where=where, step=step))
                    return
                else:
                    error = None if told["error"] is None else MilongaError(told["error"])
                    done.put(Outcome(job, Path(told["path"]), told["status"], error,
                                     tuple(told["notes"])))  # fmt: skip
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            done.put(error)
        finally:
            if process is not None:
                self._ended(process)

    def _started(self) -> subprocess.Popen[str]:
        env = {**os.environ, **dict.fromkeys(THREADS, str(self._threads))}
        with self._lock:
            process = subprocess.Popen(
                [sys.executable, "-m", _MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, env=env, encoding="utf-8", start_new_session=True,
            )  # fmt: skip
            self._processes.add(process)
        order = self._order
        _told(process, {
            **asdict(order), "folder": str(order.folder),
            "settings": order.settings.model_dump(mode="json"),
            "export": order.export.model_dump(mode="json"),
        })  # fmt: skip
        return process

    def _ended(self, process: subprocess.Popen[str]) -> None:
        with self._lock:
            self._processes.discard(process)
        process.kill()
        process.communicate()


def _told(process: subprocess.Popen[str], what: dict[str, Any]) -> bool:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(what) + "\n")
        process.stdin.flush()
    except OSError:
        return False
    return True


def _asked(process: subprocess.Popen[str], job: Job) -> dict[str, Any] | None:
    """Let a process make a sound; None where it died."""
    assert process.stdout is not None
    line = process.stdout.readline() if _told(process, asdict(job)) else ""
    told: dict[str, Any] | None = json.loads(line) if line.endswith("\n") else None
    return told


def main() -> int:
    """Make sounds until there are no more."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.loads(sys.stdin.readline())
    order = BatchOrder(
        asked["model"], PlaySettings.model_validate(asked["settings"]),
        ExportSettings.model_validate(asked["export"]), asked["stem"], Path(asked["folder"]),
        asked["force"],
    )  # fmt: skip
    make = order.open()
    for line in sys.stdin:
        try:
            done = make(Job(**json.loads(line)))
        except MilongaError as error:
            told: dict[str, Any] = {"fatal": [error.message, error.where, error.step]}
        else:
            told = {"path": str(done.path), "status": done.status, "notes": done.notes,
                    "error": None if done.error is None else str(done.error)}  # fmt: skip
        out.write(json.dumps(told) + "\n")
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
