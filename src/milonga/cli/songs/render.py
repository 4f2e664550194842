"""``milonga render``, ``mix``, ``report`` and ``replay``: a sheet becomes takes and a song."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, put, say, say_note
from milonga.cli.options import force_option, song_argument
from milonga.cli.placing import place_options
from milonga.cli.queueing import Waits, queue_options
from milonga.cli.songs.choices import (
    best_by_option,
    choose_option,
    options_option,
    seed_option,
    takes_option,
)
from milonga.runtime.words import counted, gathered

if TYPE_CHECKING:
    from milonga.songs.output.mixed import Mix
    from milonga.songs.rendering.planned import Plan


def _list_options(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from milonga.errors import MissingExtraError
    from milonga.generators.registry import GENERATORS, describe_options

    for name, known in GENERATORS.items():
        put(f"{name}: {known.summary}")
        try:
            for key, default, text in describe_options(name):
                put(f"  {name}.{key}={default}  {text}")
        except MissingExtraError as error:
            put(f"  not installed. {error.step}")
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
    "--whole",
    is_flag=True,
    help="Takes of the whole song in one; of the segments only those that --segment names.",
)
@takes_option
@seed_option
@options_option
@click.option(
    "--list-options",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_options,
    help="List the generators' settings and stop.",
)
@choose_option
@best_by_option
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@click.option("--no-report", is_flag=True, help="Skip the comparison and the report.")
@place_options
@queue_options
@json_option
def render(
    choose: dict[str, str],
    best_by: str | None,
    dry_run: bool,
    no_report: bool,
    place: dict[str, Any],
    queue: Waits | None,
    as_json: bool,
    **wanted: Any,
) -> int:
    """Render a song sheet: takes with receipts, song.wav, and a report against the baselines.

    The plan is printed and checked first. Finished takes of the same request are kept, so the
    same command goes on after an interruption.

    \b
    milonga render song.yaml --with guide --out out
    milonga render song.yaml --out out --segment 2 --takes 3
    """
    from milonga.jobs.placing import Place
    from milonga.workflows.songs import plan_song, render_plan

    plan = plan_song(**wanted, report=not no_report)
    show_plan(plan)
    if dry_run:
        if as_json:
            print_json(plan.to_dict())
        return 0
    if queue:
        from milonga.jobs.kinds import RenderWork

        work = RenderWork(
            **wanted, **place, choose=choose, best_by=best_by, report=not no_report
        )  # fmt: skip
        return queue.put(work, as_json)
    runner, note = Place(**place).runner(plan.takes)
    say_note(note)
    song = render_plan(
        plan, choose=choose, best_by=best_by, report=not no_report, progress=make_progress(),
        on=runner,
    )  # fmt: skip
    if as_json:
        print_json(song.to_dict())
    else:
        _show_mix(song.mix)
        for line in song.summary:
            say(line)
        if song.report is not None:
            put(song.report)
    return 0 if song.good else 1


@click.command()
@song_argument
@choose_option
@best_by_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the song to this file as well: .mp3, .flac, .ogg, .opus or .wav, with tags.",
)
@click.option(
    "--count-in", default=0, metavar="BARS", help="Bars of clicks before it, in that file."
)
@click.option(
    "--ring", default=0.0, metavar="SECONDS", help="Let its end ring on so long, in that file."
)
@force_option
@click.option(
    "--partial", is_flag=True, help="Exit with 0 though layers that have takes are left out."
)
@json_option
def mix(
    out: Path,
    choose: dict[str, str],
    best_by: str | None,
    output: Path | None,
    count_in: int,
    ring: float,
    force: bool,
    partial: bool,
    as_json: bool,
) -> int:
    """Build song.wav in OUT anew from its takes: layered, joined, at -14 LUFS.

    The exit status is 1 where a layer has takes and none of them can be used.

    \b
    milonga mix out --choose 18/vocals=guide-s1 -o song.mp3
    """
    from milonga.workflows.songs import mix_song

    mixed = mix_song(
        out, choose=choose, best_by=best_by, output=output, count_in=count_in, ring_s=ring,
        force=force, progress=make_progress(),
    )  # fmt: skip
    if as_json:
        print_json(mixed.to_dict())
    else:
        _show_mix(mixed)
    return 0 if mixed.complete or (partial and mixed.path) else 1


@click.command()
@song_argument
@click.option("--words", is_flag=True, help="Hear the words of takes that sing.")
@click.option("--model", default="whisper-small", show_default=True, help="Hears the words.")
@json_option
def report(out: Path, words: bool, model: str, as_json: bool) -> int:
    """Write the report of the song in OUT anew, from its takes and baselines as they are now.

    With --words, a recogniser says on each take that sings which words are heard; later reports
    show that, too.

    \b
    milonga report out
    milonga report out --words
    """
    from milonga.workflows.songs import write_report

    page = write_report(out, words=model if words else None, progress=make_progress())
    if as_json:
        print_json({"report": str(page)})
    else:
        put(page)
    return 0


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--take", metavar="N/ROLE", help="Of a mix, the take to make again: 18/vocals.")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the new rendering as this file.",
)
@json_option
def replay(file: Path, take: str | None, out: Path | None, as_json: bool) -> int:
    """Render a take again from its receipt and compare the samples.

    FILE is the receipt (the .json beside the take), the take, a copy of it as WAV, FLAC, OGG, Opus
    or MP3, or a mix: sound files carry receipts in their tags.

    Says identical, close (with the difference in dB) or different; exit status 1 when different.

    \b
    milonga replay out/takes/07-digital-bandoneon/guide-s0.json
    milonga replay song.mp3 --take 18/vocals
    """
    from milonga.workflows.songs import receipt_path
    from milonga.workflows.songs import replay as render_again

    result = render_again(file, take=take, out=out, progress=make_progress())
    if as_json:
        paths = {"receipt": str(receipt_path(file)), "out": str(out) if out else None}
        print_json({**paths, **result.to_dict()})
    else:
        made = result.receipt
        detail = f" ({result.detail})" if result.detail else ""
        put(f"{made.generator}, seed {made.seed_used}: {result.verdict}{detail}")
        for change in result.changes:
            say(f"  {change}")
    return 1 if result.verdict == "different" else 0


def show_plan(plan: Plan) -> None:
    """Print the takes of a plan, and its notes, for people."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from milonga.songs.rendering.planned import HEADINGS

    title = f"{plan.sheet.title}: {counted(len(plan.takes), 'take')}"
    table = Table(title=Text(title), title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if heading in ("", "length", "tempo") else "left")
    for row in plan.rows():
        table.add_row(*map(Text, row))
    Console(stderr=True, highlight=False).print(table)
    for note in gathered(plan.notes):
        say_note(note)
    say(plan.summary)


def _show_mix(mixed: Mix) -> None:
    for note in gathered(mixed.notes):
        say_note(note)
    say(mixed.summary)
    for line in mixed.contents:
        say(line)
    for path in filter(None, (mixed.path, mixed.written)):
        put(path)
