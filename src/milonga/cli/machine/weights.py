"""``milonga weights``: list, download, verify and remove the files of models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from milonga.cli.common import json_option, make_progress, print_json, print_table, put, say, show
from milonga.cli.main import LazyGroup
from milonga.runtime.words import size_text

if TYPE_CHECKING:
    from milonga.weights import InventoryRow, Verification

_STATUS = {
    "ready": "ready",
    "partial": "partial: weights get goes on with it",
    "damaged": "damaged: weights verify --repair fixes it",
    "found": "here, by another tool",
    "folder": "a folder of yours",
    "missing": "not here",
}

cache_option = click.option(
    "--cache-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Use this cache instead of the Hugging Face cache.",
)
offline_option = click.option(
    "--offline", is_flag=True, help="Never use the network (as HF_HUB_OFFLINE=1)."
)
_revision_option = click.option(
    "--revision", metavar="NAME", help="A branch, tag or commit instead of main."
)


@click.group(cls=LazyGroup)
def weights() -> None:
    """List, download, verify and remove the files of models.

    They live in the Hugging Face cache, where other tools find them, too. A KEY is a name that
    'milonga weights list' shows, or a repository (owner/name, owner/name@revision).
    """


@weights.command("list")
@cache_option
@json_option
def list_(cache_dir: Path | None, as_json: bool) -> None:
    """Show every model: size, licence, state on this machine.

    \b
    milonga weights list
    """
    from milonga.weights import list_weights

    rows = list_weights(cache_dir)
    if as_json:
        print_json(rows)
        return
    headings = ("key", "here", "of", "licence", "commercial use", "gated", "state")
    right = ("here", "of")
    print_table(headings, map(_cells, rows), right=right, no_wrap="key", soft_wrap=True)
    total = sum(row.on_disk for row in rows if row.status != "folder")
    say(f"\n{size_text(total)} here in all.")


@weights.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@_revision_option
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
    """Download models ahead of time. A download that stopped goes on where it was.

    \b
    milonga weights get musicgen-small
    """
    if update and offline:
        raise click.UsageError("--update needs the network; leave out --offline.")
    from milonga.weights import WeightsOptions, ensure, locate

    options = WeightsOptions(cache_dir, offline, update)
    done = []
    for key in keys:
        before = locate(key, revision=revision, cache_dir=cache_dir)
        found = ensure(key, options, revision=revision, progress=make_progress())
        changed = before is None or before.commit != found.commit
        done.append({**found.to_dict(), "downloaded": changed})
        if not as_json:
            say(f"{key} {'is ready' if changed else 'was here already'}: {found.folder}")
    if as_json:
        print_json(done)


@weights.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@_revision_option
@click.option("--repair", is_flag=True, help="Download wrong files anew, and only those.")
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
    """Compare every byte with what was downloaded.

    All models that are here, or the KEYs. Needs no network, unless something is to be repaired.
    The exit status is 1 if anything is wrong.

    \b
    milonga weights verify --repair
    """
    from milonga.weights import WeightsOptions, list_weights, verify_weights

    options = WeightsOptions(cache_dir, offline)
    if not keys:
        rows = list_weights(cache_dir)
        keys = tuple(row.source.name for row in rows if row.here or row.status == "damaged")
    results = []
    for key in keys:
        result = verify_weights(
            key, options, revision=revision, repair=repair, progress=make_progress()
        )
        results.append(result)
        if not as_json:
            _show(result)
    if as_json:
        print_json(results)
    elif not results:
        say("Nothing is here to verify.")
    return 1 if any(result.faults for result in results) else 0


@weights.command()
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@cache_option
@json_option
def remove(keys: tuple[str, ...], yes: bool, cache_dir: Path | None, as_json: bool) -> None:
    """Remove models' files, in every revision.

    The int8 copies that milonga made of them go along. Files that another model or tool needs stay.

    \b
    milonga weights remove musicgen-small
    """
    from milonga.weights.inventory import copies_to_remove, remove_weights

    if not yes:
        if as_json:
            raise click.UsageError("--json needs --yes: nobody can be asked.")
        copies = [path for key in keys for path in copies_to_remove(key)]
        also = ""
        if copies:
            size = size_text(sum(path.stat().st_size for path in copies))
            also = f" and {len(copies)} int8 cop{'y' if len(copies) == 1 else 'ies'} ({size})"
        click.confirm(f"Remove {', '.join(keys)}{also}?", abort=True, err=True)

    done = []
    for key in keys:
        freed = remove_weights(key, cache_dir=cache_dir, progress=make_progress())
        done.append({"key": key, "freed": freed})
        if not as_json:
            say(f"Removed {key}: {size_text(freed)} are free again.")
    if as_json:
        print_json(done)


@weights.command()
@click.argument("key")
@_revision_option
@cache_option
@json_option
def path(key: str, revision: str | None, cache_dir: Path | None, as_json: bool) -> None:
    """Print the folder with a model's files. Never downloads.

    \b
    milonga weights path bark-small
    """
    from milonga.errors import NotDownloadedError
    from milonga.weights import WeightsOptions, ensure

    options = WeightsOptions(cache_dir, offline=True)
    try:
        found = ensure(key, options, revision=revision, progress=make_progress())
    except NotDownloadedError as error:
        raise NotDownloadedError(
            f"{key} is not on this machine, or not whole.", step=f"Run: milonga weights get {key}"
        ) from error
    show(found, as_json, lambda: put(found.folder))


def _cells(row: InventoryRow) -> list[str]:
    known, state = row.source.known, _STATUS[row.status]
    if known and row.source.repo not in ("", known.repo):
        state += f" (from {row.source.repo})"
    return [
        row.source.name,
        size_text(row.on_disk) if row.on_disk else "-",
        size_text(known.size) if known else "",
        known.terms if known else "see its page",
        known.commercial_use if known else "",
        "gated" if known and known.gated else "",
        state,
    ]


def _show(result: Verification) -> None:
    name, count, faults = result.source.name, len(result.files), result.faults
    if faults:
        put(f"{name}: {len(faults)} of {count} files are wrong")
        for file in faults:
            put(f"  {file.path}: {file.state}{f' ({file.detail})' if file.detail else ''}")
        say(f"To fix it: milonga weights verify {name} --repair")
    elif any(file.state == "unchecked" for file in result.files):
        put(f"{name}: all {count} files are there; nothing to compare them with")
    else:
        put(f"{name}: all {count} files are what was downloaded")
