"""Parts that the commands share: ``--json``, progress, interrupts."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from milonga.runtime.files import dump_json
from milonga.runtime.progress import LineProgress, Progress
from milonga.runtime.terminal import use_utf8
from milonga.runtime.words import printable

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
)
_RUNNING: weakref.WeakSet[Progress] = weakref.WeakSet()
Cell = str | tuple[str, str]
"""A cell of a table: its text, or text and style."""
_PIPE_COLUMNS = 160
"""Width of a table where there is no terminal."""


def print_json(value: Any) -> None:
    """Print plain values, an object with ``to_dict``, or a list of such as one JSON document."""
    if isinstance(value, (list, tuple)):
        value = [_plain(each) for each in value]
    use_utf8()
    click.echo(dump_json(_plain(value)), nl=False)


def _plain(value: Any) -> Any:
    return value.to_dict() if hasattr(value, "to_dict") else value


def show(value: Any, as_json: bool, text: Callable[[], object]) -> None:
    """Print a result: with ``--json`` as a document, else by ``text``."""
    if as_json:
        print_json(value)
    else:
        text()


def put(text: object = "", *, mark: str = "") -> None:
    """Print a line on standard output; what would steer a terminal is escaped.

    Args:
        text: the line.
        mark: printed before it as it is, with its colours.
    """
    click.echo(mark + printable(text))


def say(text: object = "", *, mark: str = "") -> None:
    """Print a line for people on standard error, so that ``--json`` stays clean."""
    click.echo(mark + printable(text), err=True)


def say_note(text: str) -> None:
    """Print a note of a plan on standard error, where there is one."""
    if text:
        say(f"note: {text}")


def say_first(lines: Sequence[str], most: int, indent: str = "") -> None:
    """Print the first lines of a list on standard error, and how many more there are."""
    for line in lines[:most]:
        say(indent + line)
    if len(lines) > most:
        say(f"{indent}and {len(lines) - most} more (--json lists all)")


def say_error(text: object) -> None:
    """Print what failed on standard error."""
    say(f" {text}", mark=click.style("error:", fg="red", bold=True))


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    right: Sequence[str] = (),
    no_wrap: str | None = None,
    soft_wrap: bool = False,
) -> None:
    """Print a table without rules on standard output.

    Args:
        headings: of the columns.
        rows: cells as they are printed, or with a style of Rich's.
        right: headings of the columns that are aligned to the right.
        no_wrap: heading of a column that is never broken.
        soft_wrap: lines may be longer than the terminal is wide.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in headings:
        # Folded rather than cut: half a name can't be typed.
        table.add_column(
            Text(printable(name)),
            justify="right" if name in right else "left",
            no_wrap=name == no_wrap,
            overflow="fold",
        )
    for row in rows:
        styled = ((cell, "") if isinstance(cell, str) else cell for cell in row)
        table.add_row(*(Text(printable(text), style) for text, style in styled))
    console = Console(highlight=False, soft_wrap=soft_wrap)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_COLUMNS
    console.print(table)


def make_progress() -> Progress:
    """Return a bar on a terminal, plain lines elsewhere; both on standard error."""
    if sys.stderr.isatty():
        from milonga.runtime.terminal import BarProgress

        progress: Progress = BarProgress()
    else:
        progress = LineProgress()
    _RUNNING.add(progress)
    return progress


def cancel_running() -> None:
    """Ask all work that shows its progress to stop at its next check."""
    for progress in list(_RUNNING):
        progress.cancel()
