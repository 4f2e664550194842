"""``--queue``, ``--priority`` and ``--after``: a command's work goes into the queue."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from milonga.cli.common import put, say, show

if TYPE_CHECKING:
    from milonga.jobs.kinds import Work

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Waits:
    """A wish to put work into the queue.

    Attributes:
        priority: higher ones go first.
        after: jobs that must be done before.
    """

    priority: int
    after: tuple[int, ...]

    def put(self, work: Work, as_json: bool) -> int:
        """Queue work and print its number; returns the exit status."""
        from milonga.jobs.submitting import submit

        job = submit(work, priority=self.priority, after=self.after)
        show(job, as_json, lambda: put(job.id))
        say(f"Job {job.id} waits: {job.title}. To work on the queue: milonga jobs run")
        return 0


def queue_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add the options to a command, which gets them as ``queue``, None where it isn't asked for."""

    @functools.wraps(function)
    def queued(*args: Any, queue: bool, priority: int, after: tuple[int, ...], **values: Any) -> R:
        return function(*args, queue=Waits(priority, after) if queue else None, **values)

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
        queued = option(queued)
    return queued
