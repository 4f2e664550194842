"""Checks of the health of machine and installation, for ``milonga doctor``.

A part of milonga adds its own by writing a function ``HealthContext -> Iterable[HealthFinding]``
and naming it in ``milonga.workflows.doctor.CHECKS``. A check changes nothing, and uses the network
only where ``context.network`` allows it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """One line of the report.

    Attributes:
        status: ``problem`` stops what was asked about, ``warning`` may stop something.
        message: what was found.
        step: how to fix it.
        check: the name of the check; ``doctor`` fills it in.
    """

    status: Status
    message: str
    step: str = ""
    check: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class HealthContext:
    """The subject of the checks.

    Attributes:
        keys: models of the catalogue; empty for a general look.
        network: a check may use the network.
        cache_dir: the cache named on the command line.
    """

    keys: tuple[str, ...] = ()
    network: bool = False
    cache_dir: Path | None = None


def ok(message: str, step: str = "") -> HealthFinding:
    """Return a finding that all is well."""
    return HealthFinding("ok", message, step)


def warning(message: str, step: str = "") -> HealthFinding:
    """Return a finding that may stop something."""
    return HealthFinding("warning", message, step)


def problem(message: str, step: str = "") -> HealthFinding:
    """Return a finding that stops what was asked about."""
    return HealthFinding("problem", message, step)
