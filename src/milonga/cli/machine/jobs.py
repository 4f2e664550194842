"""``milonga jobs``: the queue of work that outlives its command."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, get_args

import click

from milonga.cli.common import json_option, make_progress, print_table, put, say, show
from milonga.jobs.job import ENDED, State
from milonga.runtime.words import counted, size_text, time_text

if TYPE_CHECKING:
    from milonga.jobs.job import Job

_NUMBERS = click.argument("numbers", metavar="JOB...", type=int, nargs=-1, required=True)
_STATE = click.Choice(get_args(State))
_DAY_S = 86_400.0


@click.group()
def jobs() -> None:
    """List, run, stop and resume work that was queued with --queue.

    The queue lies in the data folder. A job keeps its place, its log and what it finished through
    a crash, a restart of the machine and a full disk.
    """


@jobs.command("list")
@click.option("--state", "states", type=_STATE, multiple=True, help="Only these; may be repeated.")
@json_option
def list_(states: tuple[State, ...], as_json: bool) -> None:
    """List the jobs of the queue.

    \b
    milonga jobs list --state waiting
    """
    from milonga.jobs.queue import Queue

    found = Queue().jobs(*states)
    show(found, as_json, lambda: _table(found))


@jobs.command("show")
@click.argument("number", metavar="JOB", type=int)
@click.option("--log", "with_log", is_flag=True, help="Print its log, too.")
@json_option
def show_(number: int, with_log: bool, as_json: bool) -> None:
    """Show a job: request, cost, progress, receipts and log.

    \b
    milonga jobs show 3 --log
    """
    from milonga.jobs.queue import Queue

    job = Queue().job(number)
    show(job, as_json, lambda: _details(job))
    if with_log and not as_json and job.log.exists():
        put(job.log.read_text(encoding="utf-8", errors="replace"))


@jobs.command()
@_NUMBERS
def cancel(numbers: tuple[int, ...]) -> None:
    """Stop jobs; what they finished is kept.

    \b
    milonga jobs cancel 3
    """
    from milonga.jobs.queue import Queue

    queue = Queue()
    for number in numbers:
        job = queue.cancel(number)
        stops = "stops at its next check" if job.state == "running" else "is cancelled"
        say(f"Job {number} {stops}.")


@jobs.command()
@_NUMBERS
def resume(numbers: tuple[int, ...]) -> None:
    """Queue failed or cancelled jobs again; they go on where they were.

    \b
    milonga jobs resume 3
    """
    from milonga.jobs.queue import Queue

    queue = Queue()
    for number in numbers:
        queue.resume(number)
        say(f"Job {number} waits again.")


@jobs.command()
@click.option("--at-once", type=click.IntRange(1), metavar="N", help="Jobs at a time at most.")
@click.option(
    "--memory", type=click.FloatRange(0, min_open=True), metavar="GB",
    help="What jobs may take together; by default most of what is free.",
)  # fmt: skip
@click.option("--keep", is_flag=True, help="Go on waiting when the queue is empty.")
@click.option("--background", is_flag=True, help="Run in a process of its own, and return at once.")
def run(at_once: int | None, memory: float | None, keep: bool, background: bool) -> int:
    """Work on the queue until it is empty.

    After Ctrl-C the running jobs wait again, and go on where they were with the next run.

    \b
    milonga jobs run
    milonga jobs run --background
    """
    from milonga.jobs.queue import Queue
    from milonga.jobs.running.runner import Runner, start_runner

    if background:
        started = start_runner()
        say("A runner works on the queue." if started else "A runner works on it already.")
        return 0
    failed: list[int] = []
    told: list[int] = []

    def tell(job: Job) -> None:
        told.append(job.id)
        put(f"Job {job.id}, {job.title}: {job.state}")
        if job.state == "failed":
            failed.append(job.id)
            say(job.error)

    room = None if memory is None else round(memory * 1e9)
    Runner(Queue(), at_once, room, on_change=tell).run(make_progress(), keep=keep)
    if not told:
        say("No job waits.")
    return 1 if failed else 0


@jobs.command()
@click.option("--state", "states", type=click.Choice(ENDED), multiple=True, help="Only these.")
@click.option("--older", type=click.FloatRange(0), default=0.0, metavar="DAYS",
              help="Only those that ended so many days ago.")  # fmt: skip
@json_option
def clean(states: tuple[State, ...], older: float, as_json: bool) -> None:
    """Remove ended jobs and their logs from the queue. Takes, models and pages stay.

    \b
    milonga jobs clean --state done
    """
    from milonga.jobs.queue import Queue

    gone = Queue().clean(states or ENDED, older_s=older * _DAY_S)
    show({"removed": gone}, as_json, lambda: say(f"{counted(len(gone), 'job')} removed."))


def _table(found: list[Job]) -> None:
    if not found:
        say("No jobs. render, study and sound train put one into the queue with --queue.")
        return
    rows = [
        (str(job.id), job.state, job.title, _step(job), _cost(job), str(job.priority or ""),
         ", ".join(map(str, job.after)))
        for job in found
    ]  # fmt: skip
    print_table(("job", "state", "work", "progress", "cost", "priority", "after"), rows,
                right=("job",))  # fmt: skip


def _step(job: Job) -> str:
    if job.state == "failed":
        return job.error.partition("\n")[0]
    if job.state == "running" and job.stalled():
        return "no sign of life; milonga jobs run looks after it"
    if job.state == "running" and job.cancelling:
        return "stopping"
    step = job.step
    if job.state != "running" or not step.label:
        return ""
    return f"{step.label} {step.done:.0f}" + (f" of {step.total:.0f}" if step.total else "")


def _cost(job: Job) -> str:
    cost = job.cost
    parts = [
        counted(cost.takes, "sound" if job.kind == "play" else "take") if cost.takes else "",
        "" if cost.estimate_s is None else f"about {time_text(max(1.0, cost.estimate_s))}",
        "" if cost.memory is None else size_text(cost.memory),
        f"download {size_text(cost.download)}" if cost.download else "",
    ]
    return ", ".join(part for part in parts if part)


def _details(job: Job) -> None:
    put(f"Job {job.id}: {job.title}")
    put(f"State: {job.state}" + (f", {_step(job)}" if _step(job) else ""))
    put(f"Cost: {_cost(job) or 'not known'}")
    if job.seconds is not None:
        put(f"Time: {time_text(max(1.0, job.seconds))}, try {job.tries}")
    put(f"Queued: {time.strftime('%Y-%m-%d %H:%M', time.localtime(job.created))}")
    for name, value in job.arguments.items():
        if value not in (None, [], {}, False, ""):
            put(f"  {name}: {value}")
    for receipt in job.receipt_paths():
        put(f"Receipt: {receipt}")
    if job.result.exists():
        put(f"Result: {job.result}")
    if job.log.exists():
        put(f"Log: {job.log}")
