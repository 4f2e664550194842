"""Parts that the commands share: ``--json``, progress, interrupts."""

from __future__ import annotations

import contextlib
import signal
import sys
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

import click

from milonga.runtime.files import dump_json
from milonga.runtime.progress import LineProgress, Progress

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)
_RUNNING: weakref.WeakSet[Progress] = weakref.WeakSet()


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    click.echo(dump_json(value), nl=False)


def say(text: str = "") -> None:
    """Print a line for people on standard error, so that ``--json`` stays clean."""
    click.echo(text, err=True)


def make_progress() -> Progress:
    """Return a bar on a terminal, plain lines elsewhere; both on standard error."""
    if sys.stderr.isatty():
        from milonga.runtime.bar import BarProgress

        progress: Progress = BarProgress()
    else:
        progress = LineProgress()
    _RUNNING.add(progress)
    return progress


def cancel_running() -> None:
    """Ask all work that shows its progress to stop at its next check."""
    for progress in list(_RUNNING):
        progress.cancel()


@contextlib.contextmanager
def stop_between_steps(progress: Progress, what: str) -> Iterator[None]:
    """Let the first Ctrl-C cancel a training after its step, so that its checkpoint is whole; a
    second one ends it at once.

    Args:
        progress: the training's.
        what: the thing that the same command goes on with.
    """

    def stop(signum: int, frame: FrameType | None) -> None:
        if progress.cancelled:
            raise KeyboardInterrupt
        progress.cancel()
        progress.message(f"Stopping. The same command goes on with {what}.")

    before = {kind: signal.signal(kind, stop) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
