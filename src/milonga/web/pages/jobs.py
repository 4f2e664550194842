"""The queue of jobs on the page: all of them, live."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from milonga.jobs.job import Job
from milonga.jobs.queue import Queue
from milonga.jobs.running.runner import start_runner
from milonga.jobs.submitting import submit
from milonga.web.answers import Answer, document_of, page, shelf_of
from milonga.web.shelf import Shelf

_LOG = 20_000
"""Characters of a log that are shown: its end."""


def jobs(request: Request) -> Response:
    """The jobs, with buttons to stop and to go on."""
    return page(request, "jobs.html.j2", title="Jobs", here="jobs")


def listed(request: Request) -> Response:
    """Answer with all jobs, the newest first."""
    songs = _songs_by_out(shelf_of(request))
    found = sorted(Queue().jobs(), key=lambda job: -job.id)
    return Answer({"now": time.time(), "jobs": [describe(job, songs) for job in found]})


def describe(job: Job, songs: Mapping[str, str]) -> dict[str, Any]:
    """Describe a job for the page.

    Args:
        job: of the queue.
        songs: names of songs by their output folders.
    """
    step, song = job.step, songs.get(str(job.arguments.get("out")))
    total = step.total or 0.0
    share = min(step.done / total, 1.0) if total else None
    left = None
    if job.state == "running" and job.seconds is not None:
        if share:
            left = job.seconds * (1 - share) / share
        elif job.cost.estimate_s is not None:
            left = max(job.cost.estimate_s - job.seconds, 0.0)
    return {
        "id": job.id,
        "kind": job.kind,
        "title": _title(job, song),
        "state": "cancelling" if job.state == "running" and job.cancelling else job.state,
        "stalled": job.stalled(),
        "created": job.created,
        "seconds": job.seconds,
        "left_s": left,
        "share": share,
        "step": {"label": step.label, "done": step.done, "total": step.total, "unit": step.unit,
                 "message": step.message},
        "error": job.error,
        "song": song,
        "arguments": {k: job.arguments.get(k) for k in ("name", "report", "segment", "task")},
    }  # fmt: skip


def _title(job: Job, song: str | None) -> str:
    if song is None:
        return job.title
    return f"{song}: {job.title}" if job.kind == "edit" else f"{job.kind} {song}"


def _songs_by_out(shelf: Shelf) -> dict[str, str]:
    return {str(song.out): song.id for song in shelf.songs()}


async def act(request: Request) -> Response:
    """Stop a job, or let it go on."""
    number, action = request.path_params["number"], request.path_params["action"]
    queue = Queue()
    if action == "cancel":
        job = await run_in_threadpool(queue.cancel, number)
    elif action == "resume":
        job = await run_in_threadpool(queue.resume, number)
        await run_in_threadpool(start_runner, queue)
    else:
        raise HTTPException(404)
    return Answer(describe(job, _songs_by_out(shelf_of(request))))


def log(request: Request) -> Response:
    """Answer with what a job printed, and its result."""
    job = Queue().job(request.path_params["number"])
    try:
        text = job.log.read_text(encoding="utf-8", errors="replace")[-_LOG:]
    except OSError:
        text = ""
    return Answer({"log": text, "error": job.error, "receipts": job.receipt_paths()})


async def clean(request: Request) -> Response:
    """Remove the jobs that have ended from the list; takes and models stay."""
    await document_of(request)
    return Answer({"removed": await run_in_threadpool(Queue().clean)})


def begin(work: Any, shelf: Shelf) -> dict[str, Any]:
    """Queue work, and see that somebody does it.

    Raises:
        MilongaError: it can't be done as asked; nothing was queued.
    """
    job = submit(work)
    start_runner()
    return describe(job, _songs_by_out(shelf))


def go_on() -> None:
    """Start a runner where jobs wait, as after a restart of the machine."""
    queue = Queue()
    if queue.jobs("waiting", "running"):
        start_runner(queue)


ROUTES = [
    Route("/jobs", jobs),
    Route("/api/jobs", listed, methods=["GET"]),
    Route("/api/jobs/clean", clean, methods=["POST"]),
    Route("/api/jobs/{number:int}/log", log),
    Route("/api/jobs/{number:int}/{action}", act, methods=["POST"]),
]
