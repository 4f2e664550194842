"""``milonga sound list|info|search|add|rename|delete``: the library of sound models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from milonga.cli.common import Cell, json_option, print_json, print_table, put, say, show
from milonga.cli.options import yes_option
from milonga.runtime.words import size_text, time_text

if TYPE_CHECKING:
    from milonga.sounds.library.saved_model import SavedModel
    from milonga.sounds.model.header import ModelHeader


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show the models of the library: corpus, date, controls, size, tags.

    \b
    milonga sound list
    """
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
    """Find models by words in their names, tags, notes and recordings; all must be there.

    \b
    milonga sound search rain night
    """
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

    \b
    milonga sound info rain --tag field
    """
    from milonga.sounds.library.library import Library

    library = Library()
    saved = library.find(model)
    if tags or untags or note is not None or licence is not None:
        if saved.folder.parent != library.folder:
            raise click.UsageError("Tags and notes are for models of the library: sound add FILE.")
        earlier = saved.header.tags if saved.header else ()
        kept = [tag for tag in (*earlier, *tags) if tag not in untags]
        saved = library.annotate(saved.name, tags=kept, notes=note, licence=licence)
    show(saved.details() if as_json else saved, as_json, lambda: _describe(saved))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="By default the name that it carries.")
@json_option
def add(file: Path, name: str | None, as_json: bool) -> None:
    """Copy a model's file, for example one that somebody gave you, into the library.

    The file is checked as a whole before: nothing of it can run.

    \b
    milonga sound add rain.milonga
    """
    from milonga.sounds.library.library import Library

    entry = Library().add(file, name)
    added = f"Added {entry.name!r}. Play it: milonga sound play {entry.name!r}"
    show(entry, as_json, lambda: say(added))


@click.command()
@click.argument("name")
@click.argument("new")
@json_option
def rename(name: str, new: str, as_json: bool) -> None:
    """Give a model another name; its training, presets and history go along.

    \b
    milonga sound rename rain drizzle
    """
    from milonga.sounds.library.library import Library

    entry = Library().rename(name, new)
    show(entry, as_json, lambda: say(f"{name!r} is {entry.name!r} now."))


@click.command()
@click.argument("name")
@yes_option
@json_option
def delete(name: str, yes: bool, as_json: bool) -> None:
    """Delete a model with its training, presets and history. Your recordings stay.

    \b
    milonga sound delete rain
    """
    from milonga.sounds.library.library import Library

    library = Library()
    entry = library.model(name)
    if not yes:
        about = "" if entry.header is None else f", {entry.header.corpus_text}"
        click.confirm(f"Delete {entry.name!r}{about}, for good?", abort=True, err=True)
    show(library.delete(entry.name), as_json, lambda: say(f"Deleted {entry.name!r}."))


def _show(entries: Sequence[SavedModel], as_json: bool) -> None:
    if as_json:
        print_json(entries)
        return
    headings = ("name", "learnt from", "trained", "controls", "size", "tags")
    print_table(headings, map(_cells, entries), right=("size",))


def _cells(entry: SavedModel) -> tuple[Cell, ...]:
    header = entry.header
    if header is None:
        return entry.name, (entry.problem, "yellow")
    return (
        entry.name,
        header.corpus_text,
        header.created[:10],
        ", ".join(header.enabled_controls),
        size_text(entry.size),
        ", ".join(header.tags),
    )


def _describe(saved: SavedModel) -> None:
    from milonga.sounds.model.file import sound_hash

    if (header := saved.header) is None:
        return
    rows = {
        "name": header.name,
        "file": f"{saved.model_path} ({size_text(saved.size)})",
        "trained": header.created,
        "learnt from": header.corpus_text,
        "tags": ", ".join(header.tags),
        "notes": header.notes,
        "licence": header.licence,
        "sound hash": sound_hash(saved.model_path)[:16],
    }
    for label, value in rows.items():
        if value:
            put(f"{label + ':':13}{value}")
    put("recordings:")
    # Those that it learnt from first.
    for file in sorted(header.corpus.files, key=lambda file: file.held_out)[:_SHOWN]:
        mark = " (generated, never used for validation)" if file.generated else ""
        mark += " (held out for testing, not learnt from)" if file.held_out else ""
        mark += " (by an earlier training, elsewhere)" if file.absent else ""
        put(f"  {file.seconds:7.1f} s  {file.name}{mark}")
    if len(header.corpus.files) > _SHOWN:
        put(f"  and {len(header.corpus.files) - _SHOWN} more (--json lists all)")
    _training(header)
    _controls(header)


_SHOWN = 12


def _training(header: ModelHeader) -> None:
    # A stranger's record may hold anything.
    if (record := header.record) is not None:
        time = time_text(record.seconds)
        put(f"training: {record.steps} steps in {time}; {record.verdict}")


def _controls(header: ModelHeader) -> None:
    """Show the measured effect of each control on each descriptor."""
    working = header.enabled_controls
    if not working:
        return
    put("controls, from -4 to +4: change of each descriptor in spreads; rank correlation")
    right = (*header.controls, "rank")
    rows: list[tuple[Cell, ...]] = []
    for name in working:
        effect = header.controls[name].effect
        moved = effect.moved if effect else {}
        rank = effect.spearman.get(name) if effect else None
        cells = [(_signed(moved.get(of)), "bold" if of == name else "") for of in header.controls]
        rows.append((name, *cells, "" if rank is None else f"{rank:.2f}"))
    print_table(("", *right), rows, right=right)
    for name, about in header.controls.items():
        if name not in working:
            put(f"no control {name}: {about.reason or ''}")
    for name, text in header.weak_controls.items():
        put(f"weak control {name}: {text}")


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.1f}"
