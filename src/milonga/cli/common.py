"""What the commands share: ``--json``, progress, tables."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from milonga.runtime.files import dump_json
from milonga.runtime.progress import LineProgress, Progress

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """Adds ``--json`` as the argument ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document on standard output."
    )(function)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(dump_json(value), nl=False)


def say(text: str = "") -> None:
    """A line for people, on standard error, so that ``--json`` stays clean."""
    click.echo(text, err=True)


def make_progress() -> Progress:
    """A bar on a terminal, plain lines elsewhere; both on standard error."""
    if sys.stderr.isatty():
        from milonga.runtime.bar import BarProgress

        return BarProgress()
    return LineProgress()
