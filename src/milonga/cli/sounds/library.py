"""``milonga sound list|info|search|add|rename|delete``: the library of sound models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from milonga.cli.common import json_option, print_json, say

if TYPE_CHECKING:
    from milonga.sounds.library.library import SavedModel
    from milonga.sounds.model.file import ModelHeader


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show the models of the library: corpus, date, controls, size, tags."""
    from milonga.sounds.library.library import Library

    library = Library()
    entries = library.models()
    if not entries and not as_json:
        say(f"No models yet in {library.folder}.")
        say("  Train one: milonga sound train FOLDER --name NAME")
        return
    _show(entries, as_json)


@click.command()
@click.argument("words", nargs=-1, required=True)
@json_option
def search(words: tuple[str, ...], as_json: bool) -> int:
    """Find models by words in their names, tags, notes and recordings; all must be there."""
    from milonga.sounds.library.library import Library

    entries = Library().search(words)
    if not entries and not as_json:
        say("No model has all these words.")
        return 1
    _show(entries, as_json)
    return 0


@click.command()
@click.argument("model")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Add a tag; repeat for several.")
@click.option("--untag", "untags", multiple=True, metavar="TAG", help="Take a tag away.")
@click.option("--note", metavar="TEXT", help="Replace the notes; empty removes them.")
@click.option("--licence", metavar="TEXT", help="The terms of the recordings it learnt from.")
@json_option
def info(
    model: str,
    tags: tuple[str, ...],
    untags: tuple[str, ...],
    note: str | None,
    licence: str | None,
    as_json: bool,
) -> None:
    """Show all about a model; with the options, change its tags, notes and licence.

    MODEL is a name, or a file: looking into a stranger's file is safe.
    """
    from milonga.sounds.library.library import Library
    from milonga.sounds.model.file import read_header, sound_hash

    library = Library()
    path = library.model_path(model)
    header = read_header(path)
    if tags or untags or note is not None or licence is not None:
        if path.parent.parent != library.folder:
            raise click.UsageError("Tags and notes are for models of the library: sound add FILE.")
        kept = [tag for tag in (*header.tags, *tags) if tag not in untags]
        library.annotate(path.parent.name, tags=kept, notes=note, licence=licence)
        header = read_header(path)
    document = {
        "path": str(path),
        "size": path.stat().st_size,
        "sound_sha256": sound_hash(path),
        **header.model_dump(mode="json"),
    }
    if as_json:
        print_json(document)
    else:
        _describe(document, header)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="By default the name that it carries.")
@json_option
def add(file: Path, name: str | None, as_json: bool) -> None:
    """Copy a model's file, for example one that somebody gave you, into the library.

    The file is checked as a whole before: nothing of it can run.
    """
    from milonga.sounds.library.library import Library

    entry = Library().add(file, name)
    _report(entry, f"Added {entry.name!r}. Play it: milonga sound play {entry.name!r}", as_json)


@click.command()
@click.argument("name")
@click.argument("new")
@json_option
def rename(name: str, new: str, as_json: bool) -> None:
    """Give a model another name; its training, presets and history go along."""
    from milonga.sounds.library.library import Library

    entry = Library().rename(name, new)
    _report(entry, f"{name!r} is {entry.name!r} now.", as_json)


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
def delete(name: str, yes: bool, as_json: bool) -> None:
    """Delete a model with its training, presets and history. Your recordings stay."""
    from milonga.sounds.library.library import Library

    library = Library()
    entry = library.model(name)
    if not yes:
        about = "" if entry.header is None else f", {_corpus_text(entry.header)}"
        click.confirm(f"Delete {entry.name!r}{about}, for good?", abort=True, err=True)
    _report(library.delete(entry.name), f"Deleted {entry.name!r}.", as_json)


def _show(entries: Sequence[SavedModel], as_json: bool) -> None:
    if as_json:
        print_json([_document(entry) for entry in entries])
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from milonga.runtime.words import size_text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "learnt from", "trained", "controls", "size", "tags"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for entry in entries:
        header = entry.header
        if header is None:
            table.add_row(escape(entry.name), f"[yellow]{escape(entry.problem)}[/]")
            continue
        table.add_row(
            escape(entry.name),
            _corpus_text(header),
            header.created[:10],
            escape(", ".join(enabled_controls(header))),
            size_text(entry.size),
            escape(", ".join(header.tags)),
        )
    Console(highlight=False).print(table)


def _document(entry: SavedModel) -> dict[str, Any]:
    header = entry.header
    document: dict[str, Any] = {
        "name": entry.name,
        "path": str(entry.model_path),
        "problem": entry.problem or None,
        "in_training": entry.in_training,
    }
    if header is not None:
        document |= {
            "created": header.created,
            "files": len(header.corpus.files),
            "seconds": header.corpus.seconds,
            "controls": enabled_controls(header),
            "size": entry.size,
            "tags": list(header.tags),
            "notes": header.notes,
            "licence": header.licence,
        }
    return document


def enabled_controls(header: ModelHeader) -> list[str]:
    """Names of the controls that work, in the model's order."""
    return [name for name, about in header.controls.items() if about.enabled]


def _report(entry: SavedModel, text: str, as_json: bool) -> None:
    if as_json:
        print_json(_document(entry))
    else:
        say(text)


def _corpus_text(header: ModelHeader) -> str:
    seconds, files = header.corpus.seconds, len(header.corpus.files)
    length = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    return f"{length} in {files} file{'' if files == 1 else 's'}"


def _describe(document: dict[str, Any], header: ModelHeader) -> None:
    from milonga.runtime.words import size_text

    rows = {
        "name": header.name,
        "file": f"{document['path']} ({size_text(document['size'])})",
        "trained": header.created,
        "learnt from": _corpus_text(header),
        "tags": ", ".join(header.tags),
        "notes": header.notes,
        "licence": header.licence,
        "sound hash": document["sound_sha256"][:16],
    }
    for label, value in rows.items():
        if value:
            click.echo(f"{label + ':':13}{value}")
    click.echo("recordings:")
    for file in header.corpus.files[:_SHOWN]:
        mark = " (generated, never used for validation)" if file.generated else ""
        click.echo(f"  {file.seconds:7.1f} s  {file.name}{mark}")
    if len(header.corpus.files) > _SHOWN:
        click.echo(f"  and {len(header.corpus.files) - _SHOWN} more (--json lists all)")
    _training(header)
    _controls(header)


_SHOWN = 12


def _training(header: ModelHeader) -> None:
    record = header.training
    keys = ("error", "error_of_constant", "steps", "seconds")
    # A stranger's record may hold anything.
    numbers = [float(v) for v in map(record.get, keys) if isinstance(v, (int, float))]
    if len(numbers) < len(keys) or not numbers[1]:
        return
    error, constant, steps, seconds = numbers
    held = "held-out" if record.get("held_out") else "training"
    click.echo(
        f"training: {steps:.0f} steps in {seconds / 60:.1f} min, "
        f"{held} error {error:.2f} nats, {error / constant:.0%} of a constant's"
    )


def _controls(header: ModelHeader) -> None:
    """What each control does to each descriptor, as measured after the training."""
    from rich.console import Console
    from rich.table import Table

    working = enabled_controls(header)
    if not working:
        return
    click.echo("controls, from -4 to +4: change of each descriptor in spreads; rank correlation")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for heading in (*header.controls, "rank"):
        table.add_column(heading, justify="right")
    for name in working:
        effect = header.controls[name].effect
        moved = effect.moved if effect else {}
        rank = effect.spearman.get(name) if effect else None
        cells = [
            f"[bold]{_signed(moved.get(of))}[/]" if of == name else _signed(moved.get(of))
            for of in header.controls
        ]
        table.add_row(name, *cells, "" if rank is None else f"{rank:.2f}")
    Console(highlight=False).print(table)
    for name, about in header.controls.items():
        if name not in working:
            click.echo(f"no control {name}: {about.reason or ''}")


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"
