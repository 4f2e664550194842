"""``milonga listen``: blind listening tests, made and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from milonga.cli.common import json_option, make_progress, print_table, put, say, show
from milonga.runtime.words import counted


@click.group()
def listen() -> None:
    """Make a blind listening test, and read what listeners answered."""


@listen.command()
@click.argument(
    "recordings", metavar="OUT|RECORDING...", nargs=-1, required=True, type=click.Path()
)
@click.option(
    "--test",
    "kind",
    type=click.Choice(["ab", "abx", "mushra"]),
    default="ab",
    help="ab: which is better. abx: can they be told apart. mushra: how close to the reference.",
)
@click.option("-o", "--out", required=True, type=click.Path(file_okay=False), help="A new folder.")
@click.option("--reference", default="", help="Of mushra: 'baseline', or a recording's name.")
@click.option("--seconds", type=click.FloatRange(0.5), help="Use only the first seconds of each.")
@click.option("--repeats", type=click.IntRange(1, 100), help="Times that each pair is asked.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the order of everything.")
@click.option("--title", default="", help="Shown to listeners.")
@json_option
def make(recordings: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Make a page for blind listening, without names.

    It opens from the disk. OUT is the folder of a rendered song: its baselines and takes are
    compared segment by segment. Else give recordings of one thing, or folders that hold
    recordings of the same names.

    \b
    milonga listen make out -o blind
    milonga listen make a.wav b.wav --test abx -o blind
    """
    from milonga.workflows.judging.listening import make_listening_test

    out = options.pop("out")
    made = make_listening_test(recordings, out, progress=make_progress(), **options)

    def text() -> None:
        put(f"{counted(len(made.key.trials), 'question')}: {made.page}")
        say(f"Give listeners the folder {made.page.parent}; it tells no names.")
        say(f"Keep {Path(out) / 'key.json'}. To read the answers: milonga listen read ANSWERS...")

    show(made, as_json, text)
    return 0


@listen.command()
@click.argument("answers", metavar="ANSWERS...", nargs=-1, required=True, type=click.Path())
@click.option("--key", type=click.Path(), help="The test's folder, if it isn't beside the answers.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="An SVG to write.")
@json_option
def read(answers: tuple[str, ...], key: str | None, picture: Path | None, as_json: bool) -> int:
    """Read what listeners answered, with intervals.

    What the answers are too few for is not said.

    \b
    milonga listen read answers-1.json answers-2.json --key blind
    """
    from milonga.workflows.judging.listening import read_listening_test, write_listening_picture

    result = read_listening_test(answers, key=key)
    if picture is not None:
        write_listening_picture(result, picture)

    def text() -> None:
        for left in result.screened:
            say(f"{left.listener} is left out: {left.reason}.")
        if result.ratings:
            rows = [(name, f"{i.value:.0f}", f"{i.low:.0f} to {i.high:.0f}")
                    for name, i in result.ratings.items()]  # fmt: skip
            print_table(("condition", "rating", "interval"), rows, right=("rating",))
        for pair in result.pairs:
            share = f" {pair.share.value:.0%}, {pair.share.low:.0%} to {pair.share.high:.0%}; " \
                if pair.share else " "  # fmt: skip
            p = "" if pair.p is None else f"p = {pair.p:.3f}, "
            put(f"{pair.first} / {pair.second}:{share}{p}{pair.answers} answers. {pair.verdict}")

    show(result, as_json, text)
    return 0
