"""``milonga song``: start, check, import and export song sheets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, print_json, say
from milonga.errors import OutputError, SheetError
from milonga.runtime.files import write_text

if TYPE_CHECKING:
    from milonga.songs.markdown.import_ import Imported

_PATH = click.Path(path_type=Path)
force_option = click.option("--force", is_flag=True, help="Overwrite a file that is there.")


@click.group()
def song() -> None:
    """Start, check, import and export song sheets.

    A song sheet is a YAML file: the song and its segments.
    """


@song.command()
@click.argument("path", type=_PATH)
@click.option("--title", default="My first song", show_default=True, help="The song's title.")
@force_option
def new(path: Path, title: str, force: bool) -> None:
    """Write a commented sheet to start from."""
    from milonga.songs.sheet.load import parse_sheet
    from milonga.songs.sheet.starter import starter

    text = starter(title)
    parse_sheet(text)  # refuses a title that no sheet may have
    _write(path, text, force, sheet=True)
    say(f"Wrote {path}.")
    say(f"  What it will render: milonga song check {_quoted(path)}")
    say(f"  Render it:           milonga render {_quoted(path)} --out out")


@song.command()
@click.argument("sheet", type=_PATH)
@click.option(
    "--with",
    "generators",
    multiple=True,
    metavar="GENERATOR",
    help="Also show the texts that this generator's model will be given; may be repeated.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="GEN.KEY=VALUE",
    help="A generator's setting, as in milonga render.",
)
@json_option
def check(
    sheet: Path, generators: tuple[str, ...], options: tuple[str, ...], as_json: bool
) -> None:
    """Show what a sheet will render, or everything that is wrong with it."""
    from milonga.cli.songs.prompts import prompts_of, show_prompts
    from milonga.generators.registry import GENERATORS
    from milonga.songs.sheet.load import load_sheet
    from milonga.songs.sheet.overview import overview

    try:
        loaded = load_sheet(sheet)
    except SheetError as error:
        if as_json:
            print_json({"path": str(sheet), "problems": _problems(error)})
        raise
    document = overview(loaded, GENERATORS)
    prompts = prompts_of(loaded, generators, options)
    if as_json:
        extra = {"prompts": prompts} if generators else {}
        print_json({**document, **extra, "problems": []})
    elif generators:
        show_prompts(prompts)
    else:
        _show(document)


@song.command("import")
@click.argument("markdown", type=_PATH)
@click.option("-o", "--output", type=_PATH, help="The sheet to write; standard output without it.")
@force_option
@json_option
def import_(markdown: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """Make a sheet from the Markdown that people keep for commercial services.

    What could not be placed is listed, and stands at the end of the sheet as comments.
    """
    from milonga.songs.markdown.import_ import import_file

    imported = import_file(markdown)
    text = imported.to_yaml()
    if output is not None:
        _write(output, text, force, sheet=True)
    if as_json:
        print_json(_imported_document(imported, output))
    elif output is None:
        click.echo(text, nl=False)
    if not as_json:
        _show_import(imported, output)


@song.command()
@click.argument("sheet", type=_PATH)
@click.option("-o", "--output", type=_PATH, help="The file to write; standard output without it.")
@force_option
def export(sheet: Path, output: Path | None, force: bool) -> None:
    """Write a sheet as Markdown, which song import reads back."""
    from milonga.songs.markdown.export import export_markdown
    from milonga.songs.sheet.load import load_sheet

    text = export_markdown(load_sheet(sheet))
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text, force)
        say(f"Wrote {output}.")


def _write(path: Path, text: str, force: bool, *, sheet: bool = False) -> None:
    if sheet and path.suffix.lower() not in (".yaml", ".yml"):
        raise OutputError(
            "The name of a sheet ends in .yaml.",
            where=path,
            step=f"Write it to {path / 'song.yaml' if path.is_dir() else path.with_suffix('.yaml')}"
            " instead.",
        )
    if path.is_dir():
        raise OutputError("This is a folder.", where=path, step="Give the name of a file.")
    if path.exists() and not force:
        raise OutputError(
            "There is a file already.",
            where=path,
            step="Choose another name, or overwrite it with --force.",
        )
    write_text(path, text)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _problems(error: SheetError) -> list[dict[str, Any]]:
    return [
        {"message": p.message, "where": p.where, "line": p.line, "step": p.step}
        for p in error.problems
    ] or [{"message": error.message, "where": "", "line": None, "step": error.step or ""}]


def _imported_document(imported: Imported, output: Path | None) -> dict[str, Any]:
    return {
        "path": None if output is None else str(output),
        "sheet": imported.sheet.model_dump(mode="json", exclude_none=True),
        "unplaced": [
            {"line": left.line, "text": left.text, "reason": left.reason}
            for left in imported.unplaced
        ],
        "guesses": [
            {"segment": number, "field": guess.field, "text": guess.text, "line": guess.line}
            for number, guess in imported.guesses
        ],
    }


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
        count = len(sheet.segments)
        say(f"Wrote {output}: {count} segment{'s' * (count != 1)}, {clock(sheet.seconds)}.")
        say(f"  What it will render: milonga song check {_quoted(output)}")


def clock(seconds: float) -> str:
    """Minutes and seconds: 1:05."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _show(document: dict[str, Any]) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(
        markup=False, highlight=False, emoji=False, width=None if sys.stdout.isatty() else 110
    )
    totals = document["totals"]
    by = f", {document['artist']}" if document["artist"] else ""
    console.print(Text(f"{document['title']}{by}", style="bold"))
    console.print(
        f"{totals['segments']} segments, {totals['layers']} layers, {clock(totals['seconds'])}; "
        f"{totals['lines']} lines with {totals['words']} words, "
        f"{totals['directions']} stage directions"
    )
    table = Table("No", "Segment", "Section", "Seconds", "BPM", "Key", "Layer", "Generators")
    for segment in document["segments"]:
        table.add_section()
        cells = [str(segment["number"]), segment["name"], segment["section"],
                 f"{segment['seconds']:g}", f"{segment['tempo']:g}", segment["key"]]  # fmt: skip
        for layer in segment["layers"]:
            gain = f" {layer['gain_db']:+g} dB" if layer["gain_db"] else ""
            table.add_row(*map(Text, cells), Text(layer["role"] + gain), _generators(layer))
            cells = [""] * len(cells)
    console.print(table)
    for segment in document["segments"]:
        lines = [line for line in _lyrics(segment) if line.plain]
        if lines:
            console.print(Text(f"{segment['number']} {segment['name']}", style="bold"))
        for line in lines:
            console.print(Text("  ") + line)
    if document["notes"]:
        console.print(Text("Notes", style="bold"))
    for note in document["notes"]:
        console.print(Text(f"  - {note}"))


def _generators(layer: dict[str, Any]) -> Any:
    from rich.text import Text

    return Text(", ").join(
        Text(g["name"]) if g["available"] else Text(f"({g['name']})", style="dim")
        for g in layer["generators"]
    )


def _lyrics(segment: dict[str, Any]) -> list[Any]:
    """The lines of each layer that has its own, once each."""
    from rich.text import Text

    shown: list[Any] = []
    seen: list[Any] = []
    for layer in segment["layers"]:
        if layer["lyrics"] in seen:
            continue
        seen.append(layer["lyrics"])
        for line in layer["lyrics"]:
            directions = " ".join(f"[{d}]" for d in line["directions"])
            gap = " " if line["text"] and directions else ""
            shown.append(Text(line["text"] + gap) + Text(directions, style="dim"))
    return shown
