"""``milonga doctor``: what would stop the work, before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import click

from milonga.cli.common import json_option, print_json
from milonga.cli.machine.weights import cache_option, offline_option
from milonga.errors import MilongaError
from milonga.runtime.checks import Context, Finding

CHECKS: dict[str, str] = {
    "python": "milonga.workflows.health:python",
    "libraries": "milonga.workflows.health:libraries",
    "configuration": "milonga.workflows.health:configuration",
    "data folder": "milonga.workflows.health:data_folder",
    "audio formats": "milonga.workflows.health:audio_formats",
    "devices": "milonga.workflows.health:devices",
    "vocoder": "milonga.vocoders.checks:vocoder_kernels",
    "memory": "milonga.workflows.health:memory",
    "cache": "milonga.weights.checks:cache",
    "disk": "milonga.weights.checks:disk_space",
    "models": "milonga.weights.checks:models",
    "access": "milonga.weights.checks:access",
}
"""Name of a check -> its function ``Context -> Iterable[Finding]``, imported when it runs.
A part of milonga adds a line here for what it needs to work."""

_STYLE = {"ok": "green", "warning": "yellow", "problem": "red"}


def examine(context: Context) -> list[Finding]:
    """Runs every check; one that fails itself is a problem, too."""
    findings: list[Finding] = []
    for name, place in CHECKS.items():
        module, _, attribute = place.partition(":")
        check: Callable[[Context], Iterable[Finding]] = getattr(import_module(module), attribute)
        try:
            findings.extend(check(context))
        except MilongaError as error:
            text = f"{error.where}: {error.message}" if error.where else error.message
            findings.append(Finding(name, "problem", text, error.step or ""))
    return findings


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@cache_option
@offline_option
@json_option
def doctor(keys: tuple[str, ...], cache_dir: Path | None, offline: bool, as_json: bool) -> int:
    """Find what would stop the work, and how to mend it; for the models KEY, or in general.

    Looks at libraries, devices, memory, disk, the model cache, tokens and access. The exit status
    is 1 if there is a problem.
    """
    from milonga.weights.catalogue import entry
    from milonga.weights.settings import is_offline

    for key in keys:
        entry(key)
    context = Context(keys, not (offline or is_offline()), cache_dir)
    findings = examine(context)
    problems = sum(finding.status == "problem" for finding in findings)
    warnings = sum(finding.status == "warning" for finding in findings)
    worst = "problem" if problems else "warning" if warnings else "ok"
    if as_json:
        print_json({"status": worst, "findings": [asdict(finding) for finding in findings]})
    else:
        _show(findings)
        click.echo(f"\n{_count(problems, 'problem')}, {_count(warnings, 'warning')}.")
    return 1 if problems else 0


def _show(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        mark = click.style(f"{finding.status:8}", fg=_STYLE[finding.status])
        click.echo(f"{mark} {finding.check:{width}}  {finding.message}")
        if finding.step:
            indent = " " * (width + 11)
            click.echo("\n".join(indent + line.strip() for line in finding.step.splitlines()))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
