"""What ``milonga doctor`` asks: small checks that each say what they found.

A part of milonga adds its own by writing a function ``Context -> Iterable[Finding]`` and naming it
in ``milonga.workflows.doctor.CHECKS``. A check looks; it changes nothing, and uses the network
only where ``context.network`` allows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        check: the name of the check.
        status: ``problem`` stops what was asked about, ``warning`` may stop something.
        message: what was found.
        step: what mends it.
    """

    check: str
    status: Status
    message: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What the user asked about.

    Attributes:
        keys: models of the catalogue; empty for a general look.
        network: whether a check may use the network.
        cache_dir: the cache named on the command line.
    """

    keys: tuple[str, ...] = ()
    network: bool = False
    cache_dir: Path | None = None
