"""``--workers`` and ``--on``: where takes are rendered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def cluster_options(function: F) -> F:
    """Add ``--on`` and its permission to a command, which gets ``on`` and ``trusting``."""
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
        function = option(function)
    return function


def place_options(function: F) -> F:
    """Add the options to a command, which gets ``workers``, ``on`` and ``trusting``."""
    return click.option(
        "--workers", type=click.IntRange(1), metavar="N",
        help="Render in N processes; by default as many as cores, memory and graphics cards "
        "allow, and one for short work.",
    )(cluster_options(function))  # fmt: skip
