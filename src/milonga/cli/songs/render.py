"""``milonga render``: sheet to takes, song.wav and report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, say
from milonga.cli.songs.choices import choose_option, make_generator, parse_choices, parse_options
from milonga.cli.songs.mix import show_mix

if TYPE_CHECKING:
    from milonga.songs.output.folder import Mixed
    from milonga.songs.rendering.plan import Plan
    from milonga.songs.rendering.render import Outcome
    from milonga.songs.sheet.load import Sheet


def _list_options(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from milonga.errors import MissingExtraError
    from milonga.generators.registry import GENERATORS, generator_class

    for name, entry in GENERATORS.items():
        click.echo(f"{name}: {entry.summary}")
        try:
            fields = generator_class(name).Options.model_fields
        except MissingExtraError as error:
            click.echo(f"  not installed. {error.step}")
            continue
        for key, field in fields.items():
            click.echo(f"  {name}.{key}={field.default}  {field.description or ''}")
    ctx.exit(0)


@click.command()
@click.argument("sheet", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Folder for takes, song.wav and report.",
)
@click.option(
    "--with",
    "generators",
    multiple=True,
    metavar="GENERATOR",
    help="Render with this generator instead of the layers' own; may be repeated.",
)
@click.option(
    "--segment",
    "segments",
    type=int,
    multiple=True,
    metavar="N",
    help="Only this segment; may be repeated.",
)
@click.option(
    "--takes",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    metavar="K",
    help="Takes per layer and generator, with seeds S, S+1, ...",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 101),
    default=0,
    show_default=True,
    metavar="S",
    help="First seed.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="GEN.KEY=VALUE",
    help="A generator's setting; --list-options shows them.",
)
@click.option(
    "--list-options",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_options,
    help="List the generators' settings and stop.",
)
@choose_option
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--no-report", is_flag=True, help="Skip the comparison and the report.")
@json_option
def render(
    sheet: Path,
    out: Path,
    generators: tuple[str, ...],
    segments: tuple[int, ...],
    takes: int,
    seed: int,
    options: tuple[str, ...],
    choose: tuple[str, ...],
    dry_run: bool,
    no_report: bool,
    as_json: bool,
) -> int:
    """Render a song sheet: takes with receipts, song.wav, and a report against the baselines.

    The plan is printed and checked first. Finished takes of the same request are kept, so the
    same command goes on after an interruption.
    """
    from milonga.songs.output.folder import Session
    from milonga.songs.rendering.plan import Selection, make_plan, plan_rows
    from milonga.songs.rendering.receipts import findings_text
    from milonga.songs.rendering.render import iter_render
    from milonga.songs.sheet.load import load_sheet

    song = load_sheet(sheet)
    choices = parse_choices(choose)
    selection = Selection(generators, segments, takes, seed, parse_options(options))
    plan = make_plan(song, out, selection, make_generator, need_baselines=not no_report)
    show_plan(song, plan, out)
    if dry_run:
        if as_json:
            print_json({"plan": list(plan_rows(plan)), "notes": list(plan.notes)})
        return 0
    session = Session.begin(out, song)
    session.check_choices(choices, plan.takes)
    session.choose(choices)

    progress = make_progress()
    outcomes = []
    for outcome in iter_render(plan, progress):
        outcomes.append(outcome)
        if outcome.receipt is not None and not outcome.good:
            found = findings_text(outcome.receipt.findings)
            progress.message(f"{outcome.planned.label}: {found}")
    mixed = session.mix(progress)
    page = None
    if not no_report:
        from milonga.songs.output.report import write_song_report

        page = write_song_report(session, progress, failures=outcomes)
    if as_json:
        print_json(document(outcomes, mixed, page))
    else:
        show_mix(mixed)
        show_outcomes(outcomes)
        if page is not None:
            click.echo(page)
    return 0 if mixed.path and all(outcome.good for outcome in outcomes) else 1


def show_plan(song: Sheet, plan: Plan, out: Path) -> None:
    """The plan for people, before any work."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{song.title}: {len(plan.takes)} takes", title_justify="left")
    for heading in ("", "segment", "layer", "take", "length", "tempo", "key"):
        table.add_column(heading, justify="right" if heading in ("", "length", "tempo") else "left")
    before = None
    for take in plan.takes:
        again = take.segment == before
        about = "" if take.generator.length == "exact" else "~"
        table.add_row(
            "" if again else str(take.segment),
            "" if again else take.segment_name,
            take.request.role,
            take.name,
            f"{about}{take.request.seconds:g} s",
            f"{take.request.tempo:g}",
            take.request.key,
        )
        before = take.segment
    Console(stderr=True, highlight=False).print(table)
    for note in plan.notes:
        say(f"note: {note}")
    work = "" if plan.estimate_s is None else f", about {max(1, plan.estimate_s):.0f} s of work"
    say(f"{plan.seconds:g} s of audio{work}, {plan.bytes_needed / 1e6:.0f} MB, into {out}")


def show_outcomes(outcomes: Sequence[Outcome]) -> None:
    """How many takes came out well, and which didn't."""
    from milonga.songs.rendering.receipts import findings_text

    kept = sum(outcome.status == "kept" for outcome in outcomes)
    bad = [outcome for outcome in outcomes if not outcome.good]
    say(
        f"Takes: {len(outcomes) - len(bad)} good ({kept} of them kept from before), {len(bad)} not."
    )
    for outcome in bad:
        why = outcome.error or findings_text(outcome.receipt.findings if outcome.receipt else ())
        say(f"  {outcome.planned.label}: {why}")


def document(outcomes: Sequence[Outcome], mixed: Mixed, page: Path | None) -> dict[str, Any]:
    """The result as plain values."""
    takes = [
        {
            "segment": outcome.planned.segment,
            "role": outcome.planned.request.role,
            "path": str(outcome.planned.sound_path),
            "receipt": str(outcome.planned.receipt_path),
            "status": outcome.status,
            "findings": [
                finding.model_dump(mode="json")
                for finding in (outcome.receipt.findings if outcome.receipt else ())
            ],
            "error": outcome.error or None,
        }
        for outcome in outcomes
    ]
    return {"takes": takes, **mixed.document(), "report": str(page) if page else None}
