"""``milonga sound history``: what was played."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, make_progress, print_json, print_table, put, say, show
from milonga.cli.main import LazyGroup
from milonga.cli.sounds.options import export_fields, export_options, out_option
from milonga.runtime.words import size_text

if TYPE_CHECKING:
    from milonga.sounds.library.history_entry import HistoryItem

_HERE = "sounds.history"
_NUMBER = click.IntRange(1)
_numbers_argument = click.argument(
    "numbers", metavar="NUMBER...", nargs=-1, type=_NUMBER, required=True
)


class _History(LazyGroup):
    """A group whose command may be left out: then it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self._lazy and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


history = _History(
    "history",
    help="What was played: milonga sound history [MODEL] lists it.\n\n"
    "Every sound of play and blend is kept with its settings and a picture, up to history_mb of "
    "the configuration (500 MB); the oldest go first.",
    lazy={
        "list": (f"{_HERE}:list_", "Show what was played."),
        "replay": (_HERE, "Play a number again, and say whether it is the same."),
        "compare": (_HERE, "Show two numbers side by side, as a page."),
        "use": (_HERE, "Let the next training of a model learn from a number."),
        "pin": (_HERE, "Keep a number whatever room it takes."),
        "unpin": (_HERE, "Let a number go when room is needed."),
        "prune": (_HERE, "Take away the oldest."),
    },
)


@click.command("list")
@click.argument("model", required=False)
@click.option("-n", "count", type=click.IntRange(1), help="Only the last so many.")
@json_option
def list_(model: str | None, count: int | None, as_json: bool) -> None:
    """Show what was played, the newest last; of one MODEL only if it is named.

    \b
    milonga sound history list rain -n 10
    """
    from milonga.sounds.library.history import History

    found = History().entries(model)
    found = found if count is None else found[-count:]
    if as_json:
        print_json(found)
        return
    if not found:
        say("Nothing yet. Every milonga sound play is kept here.")
        return
    headings = ("number", "played", "model", "seconds", "settings", "size", "")
    print_table(headings, map(_cells, found), right=("number", "seconds", "size"), no_wrap="played")
    say(f"{size_text(sum(kept.size for kept in found))} in {found[0].folder.parent.parent.parent}")


def _cells(kept: HistoryItem) -> tuple[str, ...]:
    marks = ["pinned"] * kept.pinned + ["settings only"] * (kept.sound is None)
    return (
        str(kept.number),
        kept.entry.created[:16].replace("T", " "),
        kept.title,
        f"{kept.entry.seconds:.1f}",
        kept.settings_text,
        size_text(kept.size),
        ", ".join(marks),
    )


@click.command()
@click.argument("number", type=_NUMBER)
@out_option("Also write it.")
@click.option("--kept", is_flag=True, help="Take the sound that was kept; play nothing.")
@export_options
@json_option
def replay(
    number: int, out: Path | None, kept: bool, force: bool, as_json: bool, **values: Any
) -> int:
    """Play NUMBER again, and say whether it is the same; the exit status is 1 if not.

    With -o it is written, exported as it was then or as you say now.

    \b
    milonga sound history replay 12 -o again.wav
    """
    from milonga.workflows.history import replay_sound

    if kept and out is None:
        raise click.UsageError("Give a file with -o.")
    again = replay_sound(
        number,
        out,
        kept=kept,
        export_settings=export_fields(values),
        force=force,
        progress=make_progress(),
    )
    for note in () if as_json else again.notes:
        say(note)
    if as_json or out is not None:
        show(again, as_json, lambda: put(out))
    return 1 if again.same is False else 0


@click.command()
@click.argument("first", type=_NUMBER)
@click.argument("others", metavar="SECOND...", nargs=-1, type=_NUMBER, required=True)
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path, file_okay=False),
    help="The page's folder, by default compare-FIRST-SECOND here.",
)
@json_option
def compare(first: int, others: tuple[int, ...], out: Path | None, as_json: bool) -> None:
    """Show FIRST and SECOND side by side: a page with players at one level, pictures and figures.

    A sound that has gone for room is played again.

    \b
    milonga sound history compare 12 15 -o page
    """
    from milonga.workflows.history import compare_history

    if not set(others) - {first}:
        raise click.UsageError("Give two different numbers.")
    compared = compare_history((first, *others), out, progress=make_progress())
    show(compared, as_json, lambda: put(compared.page))


@click.command()
@_numbers_argument
@click.option("--for", "model", required=True, metavar="MODEL", help="A model of your library.")
@json_option
def use(numbers: tuple[int, ...], model: str, as_json: bool) -> None:
    """Let the next training of MODEL learn from these sounds, too.

    They are marked as generated: a model is never tested on them, and info and receipts tell.

    \b
    milonga sound history use 12 --for rain
    """
    from milonga.sounds.library.generated import use as chosen

    added = chosen(numbers, model)
    if as_json:
        print_json({"model": model, "files": [str(path) for path in added]})
        return
    for path in added:
        put(path)
    say(f"The next training of {model!r} learns from them:")
    say(f"  milonga sound train --name {model!r} --add {str(added[0].parent)!r}")


@click.command()
@_numbers_argument
def pin(numbers: tuple[int, ...]) -> None:
    """Keep numbers whatever room they take.

    \b
    milonga sound history pin 12
    """
    _pin(numbers, True)


@click.command()
@_numbers_argument
def unpin(numbers: tuple[int, ...]) -> None:
    """Let numbers go when room is needed.

    \b
    milonga sound history unpin 12
    """
    _pin(numbers, False)


def _pin(numbers: tuple[int, ...], pinned: bool) -> None:
    from milonga.sounds.library.history import History

    history = History()
    for number in numbers:
        history.pin(number, pinned)
        say(f"{number} is {'pinned' if pinned else 'no longer pinned'}.")


@click.command()
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Only the newest N stay.")
@click.option("--max-mb", type=click.FloatRange(0), metavar="MB", help="So much may stay.")
@json_option
def prune(keep: int | None, max_mb: float | None, as_json: bool) -> None:
    """Take away the oldest: sounds first, then entries. What is pinned stays.

    Without an option, down to history_mb of the configuration.

    \b
    milonga sound history prune
    """
    from milonga.sounds.library.history import History

    pruned = History().prune(None if max_mb is None else max_mb * 1e6, keep)
    if as_json:
        print_json({"sounds": list(pruned.sounds), "entries": list(pruned.entries)})
        return
    say(f"Took away {len(pruned.entries)} entries, and the sounds of {len(pruned.sounds)} others.")
