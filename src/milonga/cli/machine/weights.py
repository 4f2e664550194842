"""``milonga weights``: models' files, listed, downloaded, verified, removed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from milonga.cli.common import json_option, make_progress, print_json, say

if TYPE_CHECKING:
    from milonga.weights import LocalWeights
    from milonga.weights.inventory import Row
    from milonga.weights.verify import Verification

F = TypeVar("F", bound=Callable[..., Any])

_STATUS = {
    "ready": "ready",
    "partial": "partial: weights get goes on with it",
    "damaged": "damaged: weights verify --repair mends it",
    "found": "here, by another tool",
    "folder": "a folder of yours",
    "missing": "not here",
}


def cache_option(function: F) -> F:
    """Adds ``--cache-dir`` as the argument ``cache_dir``."""
    return click.option(
        "--cache-dir",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Use this cache instead of the Hugging Face cache.",
    )(function)


def offline_option(function: F) -> F:
    """Adds ``--offline`` as the argument ``offline``."""
    return click.option(
        "--offline", is_flag=True, help="Never use the network (as HF_HUB_OFFLINE=1)."
    )(function)


@click.group()
def weights() -> None:
    """List, download, verify and remove the files of models.

    They live in the Hugging Face cache, where other tools find them, too. A KEY is a name that
    'milonga weights list' shows, or a repository (owner/name, owner/name@revision).
    """


@weights.command("list")
@cache_option
@json_option
def list_(cache_dir: Path | None, as_json: bool) -> None:
    """Show every model: size, licence, whether it is here."""
    from milonga.weights.inventory import inventory

    rows = inventory(cache_dir)
    if as_json:
        print_json([_row_json(row) for row in rows])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("key", "here", "of", "licence", "commercial use", "gated", "state"):
        table.add_column(
            name, justify="right" if name in ("here", "of") else "left", no_wrap=name == "key"
        )
    for row in rows:
        table.add_row(*_cells(row))
    Console(highlight=False, soft_wrap=True).print(table)
    total = sum(row.on_disk for row in rows if row.status != "folder")
    from milonga.runtime.words import size_text

    say(f"\n{size_text(total)} here in all.")


@weights.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--revision", metavar="NAME", help="A branch, tag or commit instead of main.")
@click.option("--update", is_flag=True, help="Move to the newest commit of the revision.")
@cache_option
@offline_option
@json_option
def get(
    keys: tuple[str, ...],
    revision: str | None,
    update: bool,
    cache_dir: Path | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Download models ahead of time. A download that stopped goes on where it was."""
    if update and offline:
        raise click.UsageError("--update needs the network; leave out --offline.")
    from milonga.weights import Options, ensure, locate

    options = Options(cache_dir, offline, update)
    done = []
    for key in keys:
        before = locate(key, revision=revision, cache_dir=cache_dir)
        found = ensure(key, options, revision=revision, progress=make_progress())
        changed = before is None or before.commit != found.commit
        done.append({**_weights_json(found), "downloaded": changed})
        if not as_json:
            word = "is ready" if changed else "was here already"
            say(f"{key} {word}: {found.folder}")
    if as_json:
        print_json(done)


@weights.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--revision", metavar="NAME", help="A branch, tag or commit instead of main.")
@click.option("--repair", is_flag=True, help="Download anew what is wrong, and that alone.")
@cache_option
@offline_option
@json_option
def verify(
    keys: tuple[str, ...],
    revision: str | None,
    repair: bool,
    cache_dir: Path | None,
    offline: bool,
    as_json: bool,
) -> int:
    """Compare every byte with what was downloaded; all models that are here, or the KEYs.

    Needs no network, unless something is to be repaired. The exit status is 1 if anything is wrong.
    """
    from milonga.weights import Options
    from milonga.weights.inventory import inventory
    from milonga.weights.verify import verify as verify_one

    options = Options(cache_dir, offline)
    if not keys:
        there = ("ready", "damaged", "found", "folder")
        keys = tuple(row.source.name for row in inventory(cache_dir) if row.status in there)
    results = []
    for key in keys:
        result = verify_one(
            key, options, revision=revision, repair=repair, progress=make_progress()
        )
        results.append(result)
        if not as_json:
            _show(result)
    if as_json:
        print_json([_verification_json(result) for result in results])
    elif not results:
        say("Nothing is here to verify.")
    return 1 if any(result.faults for result in results) else 0


@weights.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@cache_option
@json_option
def remove(keys: tuple[str, ...], yes: bool, cache_dir: Path | None, as_json: bool) -> None:
    """Remove models' files, in every revision. What another model or tool needs stays."""
    if not yes:
        if as_json:
            raise click.UsageError("--json needs --yes: nobody can be asked.")
        click.confirm(f"Remove {', '.join(keys)}?", abort=True, err=True)
    from milonga.runtime.words import size_text
    from milonga.weights.inventory import remove as remove_one

    done = []
    for key in keys:
        freed = remove_one(key, cache_dir, make_progress())
        done.append({"key": key, "freed": freed})
        if not as_json:
            say(f"Removed {key}: {size_text(freed)} are free again.")
    if as_json:
        print_json(done)


@weights.command()
@click.argument("key")
@click.option("--revision", metavar="NAME", help="A branch, tag or commit instead of main.")
@cache_option
@json_option
def path(key: str, revision: str | None, cache_dir: Path | None, as_json: bool) -> None:
    """Print the folder with a model's files. Never downloads."""
    from milonga.errors import NotDownloadedError
    from milonga.weights import Options, ensure

    options = Options(cache_dir, offline=True)
    try:
        found = ensure(key, options, revision=revision, progress=make_progress())
    except NotDownloadedError as error:
        raise NotDownloadedError(
            f"{key} is not on this machine, or not whole.", step=f"Run: milonga weights get {key}"
        ) from error
    if as_json:
        print_json(_weights_json(found))
    else:
        click.echo(found.folder)


def _cells(row: Row) -> list[str]:
    from milonga.runtime.words import size_text

    entry = row.source.entry
    state = _STATUS[row.status]
    if row.source.entry and row.source.repo not in ("", row.source.entry.repo):
        state = f"{state} (from {row.source.repo})".strip()
    return [
        row.source.name,
        size_text(row.on_disk) if row.on_disk else "-",
        size_text(entry.size) if entry else "",
        entry.licence.name if entry else "see its page",
        entry.licence.commercial_use if entry else "",
        "gated" if entry and entry.gated else "",
        state,
    ]


def _row_json(row: Row) -> dict[str, Any]:
    entry, source = row.source.entry, row.source
    return {
        "key": source.name,
        "title": entry.title if entry else None,
        "repo": source.repo or None,
        "revision": source.revision if source.repo else None,
        "state": row.status,
        "size_on_disk": row.on_disk,
        "size": entry.size if entry else None,
        "licence": entry.licence.name if entry else None,
        "licence_url": entry.licence.url if entry else None,
        "commercial_use": entry.licence.commercial_use if entry else None,
        "gated": entry.gated if entry else None,
        "used_by": entry.used_by if entry else None,
        "commit": row.commit,
        "folder": str(row.folder) if row.folder else None,
    }


def _weights_json(found: LocalWeights) -> dict[str, Any]:
    return {
        "key": found.source.name,
        "repo": found.repo,
        "commit": found.commit,
        "folder": str(found.folder),
        "files": {
            path: {"size": file.size, "sha256": file.sha256} for path, file in found.files.items()
        },
    }


def _verification_json(result: Verification) -> dict[str, Any]:
    return {
        "key": result.source.name,
        "repo": result.source.repo or None,
        "commit": result.commit,
        "folder": str(result.folder),
        "ok": not result.faults,
        "files": {file.path: {"state": file.state, "detail": file.detail} for file in result.files},
    }


def _show(result: Verification) -> None:
    name, faults = result.source.name, result.faults
    unchecked = sum(file.state == "unchecked" for file in result.files)
    if not faults and unchecked:
        click.echo(f"{name}: all {len(result.files)} files are there; nothing to compare them with")
        return
    if not faults:
        click.echo(f"{name}: all {len(result.files)} files are what was downloaded")
        return
    click.echo(f"{name}: {len(faults)} of {len(result.files)} files are wrong")
    for file in faults:
        click.echo(f"  {file.path}: {file.state}{f' ({file.detail})' if file.detail else ''}")
    say(f"Mend it with: milonga weights verify {name} --repair")
