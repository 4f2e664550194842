"""``--queue``, ``--priority`` and ``--after``: a command's work goes into the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from milonga.cli.common import put, say, show

if TYPE_CHECKING:
    from milonga.jobs.kinds import Work

F = TypeVar("F", bound=Callable[..., Any])


def queue_options(function: F) -> F:
    """Add the options to a command, which gets ``queue``, ``priority`` and ``after``."""
    for option in (
        click.option(
            "--after", type=int, multiple=True, metavar="JOB",
            help="With --queue: only when that job is done; may be repeated.",
        ),
        click.option(
            "--priority", type=int, default=0, metavar="N",
            help="With --queue: higher ones go first.",
        ),
        click.option(
            "--queue", is_flag=True,
            help="Put this into the queue and return; milonga jobs run works on it.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def put_in_queue(work: Work, priority: int, after: tuple[int, ...], as_json: bool) -> int:
    """Queue work and print its number; returns the exit status."""
    from milonga.jobs.submitting import submit

    job = submit(work, priority=priority, after=after)
    show(job, as_json, lambda: put(job.id))
    say(f"Job {job.id} waits: {job.title}. To work on the queue: milonga jobs run")
    return 0
