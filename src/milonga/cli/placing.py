"""``--workers`` and ``--on``: where takes are rendered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

R = TypeVar("R")


def cluster_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add ``--on`` and its permission to a command, which gets both, and the workers that
    ``place_options`` asks for, as ``place``: the fields of ``jobs.placing.Place``."""

    @functools.wraps(function)
    def placed(*args: Any, on: str, trusting: bool, workers: int | None = None, **values: Any) -> R:
        place = {"workers": workers, "on": on, "trusting": trusting}
        return function(*args, place=place, **values)

    for option in (
        click.option(
            "--unauthenticated-cluster", "trusting", is_flag=True,
            help="Join a cluster that asks for no token: whoever reaches it runs programs on it.",
        ),
        click.option(
            "--on", default="", metavar="ray[://HOST:PORT]",
            help="Render on a Ray cluster: one that is started on this machine, or another.",
        ),
    ):  # fmt: skip
        placed = option(placed)
    return placed


def place_options(function: Callable[..., R]) -> Callable[..., R]:
    """Add ``--workers`` and the ``cluster_options`` to a command."""
    return click.option(
        "--workers", type=click.IntRange(1), metavar="N",
        help="Render in N processes; by default as many as cores, memory and graphics cards "
        "allow, and one for short work.",
    )(cluster_options(function))  # fmt: skip
