"""``milonga song``: start, check, import and export song sheets."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, print_json, put, say
from milonga.cli.main import LazyGroup
from milonga.cli.options import force_option
from milonga.cli.songs.choices import options_option
from milonga.runtime.words import counted, gathered

if TYPE_CHECKING:
    from rich.text import Text

    from milonga.songs.markdown.import_ import Imported
    from milonga.workflows.sheets import LayerPrompts

_PATH = click.Path(path_type=Path)


@click.group(cls=LazyGroup)
def song() -> None:
    """Start, check, import and export song sheets.

    A song sheet is a YAML file: the song and its segments.
    """


@song.command()
@click.argument("path", type=_PATH)
@click.option("--title", default="My first song", show_default=True, help="The song's title.")
@force_option
def new(path: Path, title: str, force: bool) -> None:
    """Write a commented sheet to start from.

    \b
    milonga song new song.yaml --title "My waltz"
    """
    from milonga.workflows.sheets import new_sheet

    new_sheet(path, title=title, force=force)
    say(f"Wrote {path}.")
    say(f"  What it will render: milonga song check {shlex.quote(str(path))}")
    say(f"  Render it:           milonga render {shlex.quote(str(path))} --out out")


@song.command()
@click.argument("sheet", type=_PATH)
@click.option(
    "--with",
    "generators",
    multiple=True,
    metavar="GENERATOR",
    help="Check for this generator instead of the layers' own, and show the texts that it reads; "
    "may be repeated.",
)
@options_option
@json_option
def check(
    sheet: Path, generators: tuple[str, ...], options: dict[str, dict[str, Any]], as_json: bool
) -> None:
    """Show what a sheet will render, and what would be refused.

    \b
    milonga song check song.yaml
    milonga song check song.yaml --with bark
    """
    from milonga.workflows.sheets import check_sheet

    found = check_sheet(sheet, generators=generators, options=options)
    if as_json:
        print_json(found.to_dict())
    elif found.prompts is not None:
        _show_prompts(found.prompts)
    elif found.overview is not None:
        _show_overview(found.overview)
    if found.error is not None:
        raise found.error


@song.command("import")
@click.argument("markdown", type=_PATH, metavar="FILE")
@click.option("-o", "--output", type=_PATH, help="The sheet to write; standard output without it.")
@click.option("--song", default=1, help="Which one of a file that holds several songs.")
@force_option
@json_option
def import_(markdown: Path, output: Path | None, song: int, force: bool, as_json: bool) -> None:
    """Make a sheet from lyrics or prompts.

    Markdown, plain text with sections or stanzas, LRC, SRT, ChordPro and JSON are read. Lines that
    have no place in a sheet are listed, and stand at its end as comments.

    \b
    milonga song import lyrics.txt -o song.yaml
    milonga song import album.md --song 2 -o hallway.yaml
    """
    from milonga.workflows.sheets import import_sheet

    imported = import_sheet(markdown, output, song=song, force=force)
    if as_json:
        print_json({"path": output and str(output), **imported.to_dict()})
        return
    if output is None:
        click.echo(imported.to_yaml(), nl=False)
    _show_import(imported, output)


@song.command()
@click.argument("sheet", type=_PATH)
@click.option("-o", "--output", type=_PATH, help="The file to write; standard output without it.")
@force_option
def export(sheet: Path, output: Path | None, force: bool) -> None:
    """Write a sheet as Markdown, which song import reads back.

    \b
    milonga song export song.yaml -o song.md
    """
    from milonga.workflows.sheets import export_sheet

    text = export_sheet(sheet, output, force=force)
    if output is None:
        click.echo(text, nl=False)
    else:
        say(f"Wrote {output}.")


def _show_import(imported: Imported, output: Path | None) -> None:
    sheet = imported.sheet
    if imported.guesses:
        say("Guessed:")
    for number, guess in imported.guesses:
        where = "song" if number is None else f"segment {number}"
        line = f"line {guess.line}, " if guess.line else ""
        say(f"  {line}{where}, {guess.field}: {guess.text}")
    if imported.unplaced:
        say("Not placed:")
    for left in imported.unplaced:
        say(f"  line {left.line}: {left.text}" + (f"  ({left.reason})" if left.reason else ""))
    if output is not None:
        count = counted(len(sheet.segments), "segment")
        say(f"Wrote {output}: {count}, {_clock(sheet.seconds)}.")
        say(f"  What it will render: milonga song check {shlex.quote(str(output))}")


def _show_prompts(prompts: tuple[LayerPrompts, ...]) -> None:
    if not prompts:
        say("No layer of this sheet is for these generators.")
    for index, layer in enumerate(prompts):
        if index:
            put()
        place = f"{layer.segment} {layer.name}" if layer.segment else layer.name
        put(f"{place}, {layer.role}, {layer.generator}")
        count = len(layer.prompts)
        for number, prompt in enumerate(layer.prompts, 1):
            if count > 1:
                put(f"  part {number} of {count}:")
            for line in prompt.splitlines():
                put(f"    {line}")
        if not count:
            put("    (reads no text)")
        for note in layer.notes:
            put(f"  - {note}")
        for problem in layer.problems:
            where = f"{problem.where}: " if problem.where else ""
            put(f"  ! {where}{problem.message} {problem.step}".rstrip())


def _show_overview(found: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(
        markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else 118
    )
    totals = found["totals"]
    by = f", {found['artist']}" if found["artist"] else ""
    console.print(Text(f"{found['title']}{by}", style="bold"))
    console.print(
        f"{counted(totals['segments'], 'segment')}, {counted(totals['layers'], 'layer')}, "
        f"{_clock(totals['seconds'])}; {counted(totals['lines'], 'line')} with "
        f"{counted(totals['words'], 'word')}, {counted(totals['directions'], 'stage direction')}"
    )
    table = Table(
        "No", "Segment", "Section", "Seconds", "Bars", "BPM", "Key", "Layer", "Generators"
    )
    for segment in found["segments"]:
        table.add_section()
        cells = [str(segment["number"]), segment["name"], segment["section"],
                 f"{segment['seconds']:g}", _bars(segment),
                 f"{segment['tempo']:g}", segment["key"]]  # fmt: skip
        for layer in segment["layers"]:
            gain = f" {layer['gain_db']:+g} dB" if layer["gain_db"] else ""
            table.add_row(*map(Text, cells), Text(layer["role"] + gain), _generators(layer))
            cells = [""] * len(cells)
    if whole := found["whole"]:
        table.add_section()
        table.add_row("", "The whole song", "", f"{whole['seconds']:g}", "", f"{whole['tempo']:g}",
                      whole["key"], "song", _generators(whole))  # fmt: skip
    console.print(table)
    for segment in found["segments"]:
        lines = [line for line in _lyrics(segment) if line.plain]
        if lines:
            console.print(Text(f"{segment['number']} {segment['name']}", style="bold"))
        for line in lines:
            console.print(Text("  ") + line)
    if found["notes"]:
        console.print(Text("Notes", style="bold"))
    for note in gathered(found["notes"]):
        console.print(Text(f"  - {note}"))


def _bars(segment: Mapping[str, Any]) -> str:
    metre = "" if segment["time"] == "4/4" else f" of {segment['time']}"
    return f"{segment['bars']:.3g}{metre}"


def _generators(layer: Mapping[str, Any]) -> Text:
    """Name the generators of a layer; those that this version lacks in brackets."""
    from rich.text import Text

    return Text(", ").join(
        Text(g["name"]) if g["available"] else Text(f"({g['name']})", style="dim")
        for g in layer["generators"]
    )


def _lyrics(segment: Mapping[str, Any]) -> Iterator[Text]:
    """Yield the lines of each layer that has its own, once each."""
    from rich.text import Text

    seen: list[Any] = []
    for layer in segment["layers"]:
        if layer["lyrics"] in seen:
            continue
        seen.append(layer["lyrics"])
        for line in layer["lyrics"]:
            directions = " ".join(f"[{d}]" for d in line["directions"])
            gap = " " if line["text"] and directions else ""
            yield Text(line["text"] + gap) + Text(directions, style="dim")


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
