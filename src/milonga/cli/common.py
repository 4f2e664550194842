"""Parts that the commands share: ``--json``, progress, interrupts."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType
from typing import Any

import click

from milonga.runtime.files import dump_json
from milonga.runtime.progress import LineProgress, Progress

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)
_RUNNING: weakref.WeakSet[Progress] = weakref.WeakSet()
_PIPE_COLUMNS = 160
"""Width of a table where there is no terminal."""


def print_json(value: Any) -> None:
    """Print plain values, an object with ``to_dict``, or a list of such as one JSON document."""
    if isinstance(value, (list, tuple)):
        value = [_plain(each) for each in value]
    click.echo(dump_json(_plain(value)), nl=False)


def _plain(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else value


def show(value: Any, as_json: bool, text: Callable[[], object]) -> None:
    """Print a result: with ``--json`` as a document, else by ``text``."""
    if as_json:
        print_json(value)
    else:
        text()


def say(text: str = "") -> None:
    """Print a line for people on standard error, so that ``--json`` stays clean."""
    click.echo(text, err=True)


def say_first(lines: Sequence[str], most: int, indent: str = "") -> None:
    """Print the first lines of a list on standard error, and how many more there are."""
    for line in lines[:most]:
        say(indent + line)
    if len(lines) > most:
        say(f"{indent}and {len(lines) - most} more (--json lists all)")


def say_error(text: object) -> None:
    """Print what failed on standard error."""
    say(f"{click.style('error:', fg='red', bold=True)} {text}")


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    no_wrap: str | None = None,
    soft_wrap: bool = False,
) -> None:
    """Print a table without rules on standard output.

    Args:
        headings: of the columns.
        rows: cells in Rich's markup.
        right: headings of the columns that are aligned to the right.
        no_wrap: heading of a column that is never broken.
        soft_wrap: lines may be longer than the terminal is wide.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in headings:
        # Folded rather than cut: half a name can't be typed.
        table.add_column(
            name,
            justify="right" if name in right else "left",
            no_wrap=name == no_wrap,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, soft_wrap=soft_wrap)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_COLUMNS
    console.print(table)


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
