"""``milonga study``: many takes by plan, and what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from milonga.cli.common import json_option, make_progress, put, say, say_first, say_note, show
from milonga.cli.placing import place_options
from milonga.cli.queueing import Waits, queue_options
from milonga.runtime.words import counted, time_text


@click.command()
@click.argument("file", metavar="FILE.yaml", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the plan and its cost; render nothing.")
@place_options
@queue_options
@json_option
def study(
    file: Path,
    out: Path,
    dry_run: bool,
    place: dict[str, Any],
    queue: Waits | None,
    as_json: bool,
) -> int:
    """Render a study (segments x conditions x seeds), measure it, and say what it shows.

    An interrupted study goes on with the same command: finished takes are kept.

    \b
    milonga study study.yaml --out results
    """
    from milonga.jobs.placing import Place
    from milonga.workflows.judging.study import plan_study, run_study

    plan = plan_study(file, out)
    time = "" if plan.estimate_s is None else f", about {time_text(max(1.0, plan.estimate_s))}"
    count = counted(len(plan.plans), "condition")
    say(f"{count}, {counted(plan.takes, 'take')}{time} of work, into {out}")
    say_first(plan.notes, 12, "  ")
    if dry_run:
        show(plan, as_json, lambda: None)
        return 0
    if queue:
        from milonga.jobs.kinds import StudyWork

        work = StudyWork(file=file, out=out, **place)
        return queue.put(work, as_json)
    runner, note = Place(**place).runner(plan.all_takes)
    say_note(note)
    found = run_study(plan, progress=make_progress(), on=runner)

    def printed() -> None:
        for each in found.summary.differences:
            between = each.difference
            p = "" if each.p is None else f", p = {each.p:.3f}"
            figures = f"{between.value:.3g} ({between.low:.3g} to {between.high:.3g}{p})"
            put(f"{each.figure}: {each.first} less {each.second} {figures}. {each.verdict}")
        put(f"Page: {found.page}")
        put(f"Table: {found.table}")

    show(found, as_json, printed)
    say_first([f"Failed: {line}" for line in found.failed], 10)
    return 1 if found.failed else 0
