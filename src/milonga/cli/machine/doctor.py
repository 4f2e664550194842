"""``milonga doctor``: what would stop the work, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from milonga.cli.common import json_option, print_json, put
from milonga.cli.machine.weights import cache_option, offline_option

if TYPE_CHECKING:
    from milonga.runtime.health import HealthFinding

_STYLE = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@cache_option
@offline_option
@json_option
def doctor(keys: tuple[str, ...], cache_dir: Path | None, offline: bool, as_json: bool) -> int:
    """Find what would stop the work, and how to fix it; for the models KEY, or in general.

    Looks at libraries, devices, memory, disk, the model cache, tokens and access. The exit status
    is 1 if there is a problem.

    \b
    milonga doctor
    milonga doctor stable-audio
    """
    from milonga.workflows.doctor import doctor as examine

    findings = examine(keys, offline=offline, cache_dir=cache_dir)
    problems = sum(finding.status == "problem" for finding in findings)
    warnings = sum(finding.status == "warning" for finding in findings)
    if as_json:
        worst = "problem" if problems else "warning" if warnings else "ok"
        print_json({"status": worst, "findings": [finding.to_dict() for finding in findings]})
    else:
        _show(findings)
        put(f"\n{_count(problems, 'problem')}, {_count(warnings, 'warning')}.")
    return 1 if problems else 0


def _show(findings: list[HealthFinding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        mark = click.style(f"{finding.status:8}", fg=_STYLE[finding.status])
        put(f" {finding.check:{width}}  {finding.message}", mark=mark)
        if finding.step:
            indent = " " * (width + 11)
            put("\n".join(indent + line.strip() for line in finding.step.splitlines()))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
