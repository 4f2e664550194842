"""What ``milonga doctor`` asks about models: the cache, its disk, what is here, access."""

from __future__ import annotations

from collections.abc import Iterator

from milonga.errors import AccessError, WeightsError
from milonga.runtime.checks import Context, Finding
from milonga.runtime.config import Config, load_config
from milonga.runtime.files import free_space
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.weights import settings
from milonga.weights.cache import disk
from milonga.weights.cache.layout import RepoCache
from milonga.weights.catalogue import CATALOGUE
from milonga.weights.hub.client import Hub
from milonga.weights.hub.retries import Retry
from milonga.weights.hub.tokens import find_token
from milonga.weights.inventory import Row, row_of
from milonga.weights.sources import find_source

_LOW_DISK = 2_000_000_000


def cache(context: Context) -> Iterator[Finding]:
    """Whether models can be written where they would go."""
    config = load_config()
    choice = settings.choose_cache(context.cache_dir, config.weights)
    repos = [row.source.repo for row in _rows(context, config) if row.source.repo]
    for repo in repos or ["milonga/doctor"]:
        fault = disk.write_fault(RepoCache(choice.root, repo))
        if fault is None:
            continue
        fallback = None if context.cache_dir else config.weights.fallback_cache_dir
        if fallback and disk.write_fault(RepoCache(fallback.absolute(), repo)) is None:
            yield Finding(
                "cache", "warning", f"{fault}; {fallback} is used, as the configuration allows"
            )
            return
        error = disk.unwritable(choice, fault)
        yield Finding("cache", "problem", f"{choice.root}: {error.message}", error.step or "")
        return
    yield Finding("cache", "ok", f"{choice.root} can be written (named by {choice.named_by})")


def disk_space(context: Context) -> Iterator[Finding]:
    """Free disk, against what is still to be downloaded."""
    config = load_config()
    root = settings.choose_cache(context.cache_dir, config.weights).root
    free = free_space(root)
    if free is None:
        return
    missing = [row for row in _rows(context, config) if row.status in ("missing", "partial")]
    need = 0
    if context.keys:
        sizes = (row.source.entry.size if row.source.entry else 0 for row in missing)
        need = sum(sizes) - sum(row.on_disk for row in missing)
    text = f"{size_text(free)} free for models"
    if need > free:
        yield Finding(
            "disk",
            "problem",
            f"{text}, and {', '.join(row.source.name for row in missing)} still take "
            f"{size_text(need)}",
            "Free some space (milonga weights list shows what models take), or set HF_HOME to a "
            "folder on another disk.",
        )
    elif free < _LOW_DISK:
        yield Finding("disk", "warning", text, "Free some space before downloading or rendering.")
    else:
        yield Finding("disk", "ok", text)


def models(context: Context) -> Iterator[Finding]:
    """What of the models in question is here."""
    rows = _rows(context, load_config())
    if not context.keys:
        ready = [row.source.name for row in rows if row.status in ("ready", "found", "folder")]
        yield Finding("models", "ok", f"here: {', '.join(ready) or 'none yet'}")
        rows = [row for row in rows if row.status in ("damaged", "partial")]
    for row in rows:
        yield _state_of(row, context)


def access(context: Context) -> Iterator[Finding]:
    """The token, and whether it opens the gated models; without showing it."""
    config = load_config()
    rows = [row for row in _rows(context, config) if row.source.entry and row.source.repo]
    gated = [row for row in rows if row.source.entry and row.source.entry.gated]
    to_get = [row for row in gated if row.status not in ("ready", "found", "folder")]
    token = find_token()
    if token is None:
        names = ", ".join(row.source.name for row in gated)
        wanted = bool(context.keys and to_get)
        yield Finding(
            "access",
            "problem" if wanted else "ok",
            f"there is no access token; {names or 'none of these'} needs one",
            "Run: hf auth login" if wanted else "",
        )
    else:
        yield Finding("access", "ok", f"an access token comes from {token.origin}")
    if not context.network:
        if gated:
            yield Finding("access", "ok", "not asked of the hub: the network is switched off")
        return
    if not rows:
        return
    with Hub(Progress(), Retry(attempts=1), token, connect_s=3.0) as hub:
        for row in to_get if context.keys or token else []:
            yield _ask(hub, row, asked_for=bool(context.keys))


def _ask(hub: Hub, row: Row, *, asked_for: bool) -> Finding:
    name, source = row.source.name, row.source
    try:
        hub.check_access(source.repo, source.files.needed[0][0], source.revision)
    except AccessError as error:
        status = "problem" if asked_for else "warning"
        return Finding("access", "problem" if status == "problem" else "warning",
                       f"{name}: {error.message}", error.step or "")  # fmt: skip
    except WeightsError as error:
        return Finding("access", "warning", f"{name}: {error.message}", error.step or "")
    return Finding("access", "ok", f"{name}: the hub grants access")


def _state_of(row: Row, context: Context) -> Finding:
    name, get = row.source.name, f"Run: {row.source.get_command}"
    if row.status in ("ready", "found", "folder"):
        return Finding("models", "ok", f"{name}: {row.folder}")
    if row.status == "damaged":
        return Finding(
            "models",
            "problem",
            f"{name} is damaged: {row.folder}",
            f"Run: milonga weights verify {name} --repair",
        )
    if row.source.folder is not None:
        return Finding(
            "models",
            "problem",
            f"{name}: the folder {row.source.folder} is not there",
            "Correct its name in the configuration.",
        )
    if row.status == "partial":
        text = f"{name} is here in part ({size_text(row.on_disk)})"
    else:
        text = f"{name} is not here"
    if not context.network and context.keys:
        return Finding("models", "problem", f"{text}, and the network is switched off", get)
    return Finding("models", "warning" if context.keys else "ok", text, get)


def _rows(context: Context, config: Config) -> list[Row]:
    return [
        row_of(find_source(key, config), config, context.cache_dir)
        for key in context.keys or CATALOGUE
    ]
