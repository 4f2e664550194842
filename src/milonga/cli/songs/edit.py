"""``milonga edit``: takes made from other takes or recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from milonga.cli.common import json_option, make_progress, print_json, put, say
from milonga.cli.options import song_argument
from milonga.cli.queueing import Waits, queue_options
from milonga.cli.songs.choices import options_option, seed_option, takes_option
from milonga.cli.songs.render import show_plan

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
@song_argument
@click.argument("segment")
@click.pass_context
def edit(ctx: click.Context, out: Path, segment: str) -> None:
    """Make a take from another one, or from any recording.

    OUT is the folder of a rendered song. SEGMENT is a segment's number, with the role where it has
    several layers (18/vocals), or "whole" for takes of the whole song. The edit starts from the
    take in the mix, unless --take or --source says otherwise, and lies beside it.

    \b
    milonga edit out 18 repaint --from 12 --to 15.5 --line "3=We dance with the moon"
    milonga edit out 18 extend --by 8
    milonga edit out 18 cover --style "slow tango" --strength 0.6
    milonga edit out 18 stems --track vocals --track drums
    """
    ctx.obj = (out, segment)


def read_lines(pairs: Iterable[str]) -> dict[int, str]:
    """Read ``N=TEXT`` pairs, as ``{3: "We dance with the moon"}``.

    Raises:
        click.BadParameter: another form.
    """
    lines = {}
    for pair in pairs:
        number, equals, text = pair.partition("=")
        if not (equals and number.strip().isdecimal()):
            raise click.BadParameter(f'{pair!r} is not N=TEXT, as in "3=We dance with the moon"')
        lines[int(number)] = text
    return lines


def read_lyrics(text: str | None) -> str | None:
    """Return a lyric; ``@FILE`` is the text of a file."""
    if text is None or not text.startswith("@"):
        return text
    from milonga.songs.sheet.text_file import read_source

    return read_source(Path(text[1:]))


_WORDS = (
    click.option(
        "--lyrics",
        metavar="TEXT|@FILE",
        callback=lambda ctx, param, text: read_lyrics(text),
        help="The whole lyric, instead of the source's.",
    ),
    click.option(
        "--line",
        "lines",
        multiple=True,
        metavar="N=TEXT",
        callback=lambda ctx, param, pairs: read_lines(pairs),
        help="Other words in the Nth sung line of the lyric; may be repeated.",
    ),
    *(
        click.option(f"--{name}", metavar="TEXT", help=f"The {name}, instead of the source's.")
        for name in ("style", "mood", "voice", "negative")
    ),
)  # fmt: skip
_FROM = (
    click.option("--take", metavar="NAME", help="Start from this take instead of that in the mix."),
    click.option("--source", type=_FILE, help="Start from this recording instead of a take."),
    click.option("--with", "generator", metavar="GENERATOR", help="Edit with this generator."),
)
_HOW: tuple[Callable[..., Any], ...] = (
    takes_option,
    seed_option,
    options_option,
    click.option(
        "--choose", is_flag=True, help="Use the edit in the mix from now on, and build it anew."
    ),
    click.option(
        "--report/--no-report",
        default=None,
        help="Write the report anew, with source and edit side by side.  [default: where there is "
        "one]",
    ),
    click.option("--dry-run", is_flag=True, help="Print the plan and stop."),
    queue_options,
    json_option,
)
_TRACK = click.option(
    "--track",
    "tracks",
    multiple=True,
    metavar="INSTRUMENT",
    help="Such as vocals or drums; may be repeated.",
)


def _task(
    name: str, *own: Callable[..., Any], words: bool = True
) -> Callable[[Callable[..., int]], click.Command]:
    """Make a command of the group: its own options, then those of all edits."""

    def decorate(function: Callable[..., int]) -> click.Command:
        for option in reversed((*own, *(_WORDS if words else ()), *_FROM, *_HOW)):
            function = option(function)
        return edit.command(name)(click.pass_obj(function))

    return decorate


@_task(
    "repaint",
    click.option(
        "--from", "start", type=float, metavar="S", help="Start of the range, in seconds."
    ),
    click.option("--to", "end", type=float, metavar="S", help="End of the range, in seconds."),
)
def repaint(place: tuple[Path, str], **wanted: Any) -> int:
    """Make a range anew; every sample outside of it stays as it is.

    \b
    milonga edit out 18 repaint --from 12 --to 15.5 --line "3=We dance with the moon"
    """
    return _edit(place, "repaint", wanted)


@_task(
    "extend",
    click.option("--by", type=float, required=True, metavar="S", help="Seconds to add."),
    click.option("--before", is_flag=True, help="Add them before the start, not after the end."),
)
def extend(place: tuple[Path, str], **wanted: Any) -> int:
    """Go on after the end, or begin before the start.

    The source stays as it is.

    \b
    milonga edit out 18 extend --by 8
    """
    return _edit(place, "extend", wanted)


@_task(
    "cover",
    click.option(
        "--strength",
        type=float,
        metavar="0-1",
        help="Share of the source to keep.  [default: 0.6]",
    ),
    click.option("--reference", type=_FILE, help="A recording whose timbre the cover gets."),
)
def cover(place: tuple[Path, str], **wanted: Any) -> int:
    """Play the source in another style.

    \b
    milonga edit out 18 cover --style "slow tango" --strength 0.6
    """
    return _edit(place, "cover", wanted)


@_task("stems", _TRACK, words=False)
def stems(place: tuple[Path, str], **wanted: Any) -> int:
    """Take single instruments out, one file each.

    Without --track all that the model knows.

    \b
    milonga edit out 18 stems --track vocals --track drums
    """
    return _edit(place, "extract", wanted)


@_task("lego", _TRACK)
def lego(place: tuple[Path, str], **wanted: Any) -> int:
    """Make an instrument that fits to the source, one file each.

    \b
    milonga edit out 18 lego --track strings
    """
    return _edit(place, "lego", wanted)


@_task("complete", _TRACK)
def complete(place: tuple[Path, str], **wanted: Any) -> int:
    """Add to the source what it lacks.

    The instruments of --track, or any.

    \b
    milonga edit out 18 complete --track drums
    """
    return _edit(place, "complete", wanted)


def _edit(place: tuple[Path, str], task: Any, wanted: dict[str, Any]) -> int:
    from milonga.workflows.edits import make_edits, plan_edit

    choose, report, dry_run, as_json = (
        wanted.pop(name) for name in ("choose", "report", "dry_run", "as_json")
    )
    queue: Waits | None = wanted.pop("queue")
    planned = plan_edit(*place, task, **wanted)
    show_plan(planned.plan)
    if dry_run:
        if as_json:
            print_json(planned)
        return 0
    if queue:
        from milonga.jobs.kinds import EditWork

        work = EditWork(out=place[0], segment=place[1], task=task, choose=choose, report=report,
                        wanted=wanted)  # fmt: skip
        return queue.put(work, as_json)
    done = make_edits(planned, choose=choose, report=report, progress=make_progress())
    if as_json:
        print_json(done)
    else:
        for path in (*done.paths, *filter(None, (done.song, done.report))):
            put(path)
        for note in done.notes:
            say(f"note: {note}")
    return 0 if done.good else 1
