"""Health checks of the models for ``milonga doctor``: cache, disk, files, access."""

from __future__ import annotations

from collections.abc import Iterator

from milonga.errors import AccessError, WeightsError
from milonga.runtime.config import Config, load_config
from milonga.runtime.files import free_space
from milonga.runtime.health import HealthContext, HealthFinding, ok, problem, warning
from milonga.runtime.progress import Progress
from milonga.runtime.words import size_text
from milonga.weights import settings
from milonga.weights.cache import disk
from milonga.weights.cache.layout import RepoCache
from milonga.weights.catalogue import CATALOGUE
from milonga.weights.hub import network as connection
from milonga.weights.hub.client import Hub
from milonga.weights.hub.retries import Retry
from milonga.weights.hub.tokens import find_token
from milonga.weights.inventory import InventoryRow, row_of
from milonga.weights.sources import find_source

_LOW_DISK = 2_000_000_000


def cache(context: HealthContext) -> Iterator[HealthFinding]:
    """Check that models can be written to the cache."""
    config = load_config()
    choice = settings.choose_cache(context.cache_dir, config.weights)
    repos = [row.source.repo for row in _rows(context, config) if row.source.repo]
    for repo in repos or ["milonga/doctor"]:
        fault = disk.write_fault(RepoCache(choice.root, repo))
        if fault is None:
            continue
        fallback = None if context.cache_dir else config.weights.fallback_cache_dir
        if fallback and disk.write_fault(RepoCache(fallback.absolute(), repo)) is None:
            yield warning(f"{fault}; {fallback} is used, as the configuration allows")
        else:
            error = disk.unwritable(choice, fault)
            yield problem(f"{choice.root}: {error.message}", error.step or "")
        return
    yield ok(f"{choice.root} can be written (named by {choice.named_by})")


def disk_space(context: HealthContext) -> Iterator[HealthFinding]:
    """Check the free disk against what is still to be downloaded."""
    config = load_config()
    free = free_space(settings.choose_cache(context.cache_dir, config.weights).root)
    if free is None:
        return
    need, missing = 0, []
    if context.keys:
        missing = [row for row in _rows(context, config) if row.status in ("missing", "partial")]
        sizes = (row.source.known.size if row.source.known else 0 for row in missing)
        need = sum(sizes) - sum(row.on_disk for row in missing)
    text = f"{size_text(free)} free for models"
    if need > free:
        yield problem(
            f"{text}, and {', '.join(row.source.name for row in missing)} still take "
            f"{size_text(need)}",
            "Free some space (milonga weights list shows what models take), or set HF_HOME to a "
            "folder on another disk.",
        )
    elif free < _LOW_DISK:
        yield warning(text, "Free some space before downloading or rendering.")
    else:
        yield ok(text)


def models(context: HealthContext) -> Iterator[HealthFinding]:
    """Check which of the models in question are here."""
    rows = _rows(context, load_config())
    if not context.keys:
        ready = [row.source.name for row in rows if row.here]
        yield ok(f"here: {', '.join(ready) or 'none yet'}")
        rows = [row for row in rows if row.status in ("damaged", "partial")]
    for row in rows:
        yield _state_of(row, context)


def network(context: HealthContext) -> Iterator[HealthFinding]:
    """Check the variables of proxies and certificates, and that the proxies answer."""
    found = list(connection.faults())
    for fault in found:
        finding = problem if context.network else warning
        yield finding(fault.message, fault.step or "")
    dead = list(connection.dead_proxies()) if context.network else []
    for proxy in dead:
        yield warning(
            f"nothing answers at the proxy of {proxy}", "Start it, or unset that variable."
        )
    if not found and not dead:
        used = connection.proxy_of(connection.endpoint())
        yield ok(f"the hub is reached through {used}" if used else "no proxy is set")


def access(context: HealthContext) -> Iterator[HealthFinding]:
    """Check the token, and that it opens the gated models; without showing it."""
    rows = [row for row in _rows(context, load_config()) if row.source.known and row.source.repo]
    gated = [row for row in rows if row.source.known and row.source.known.gated]
    to_get = [row for row in gated if not row.here]
    token = find_token()
    if token is not None:
        yield ok(f"an access token comes from {token.origin}")
    else:
        names = ", ".join(row.source.name for row in gated)
        text = f"there is no access token; needed for {names or 'none of these'}"
        yield problem(text, "Run: hf auth login") if context.keys and to_get else ok(text)
    if not context.network:
        if gated:
            yield ok("not asked of the hub: the network is switched off")
        return
    if not rows or any(connection.faults()):
        return
    with Hub(Progress(), Retry(attempts=1), token, connect_s=3.0) as hub:
        for row in to_get if context.keys or token else []:
            yield _ask(hub, row, asked_for=bool(context.keys))


def _ask(hub: Hub, row: InventoryRow, *, asked_for: bool) -> HealthFinding:
    name, source = row.source.name, row.source
    try:
        hub.check_access(source.repo, source.files.needed[0][0], source.revision)
    except WeightsError as error:
        finding = problem if asked_for and isinstance(error, AccessError) else warning
        return finding(f"{name}: {error.message}", error.step or "")
    return ok(f"{name}: the hub grants access")


def _state_of(row: InventoryRow, context: HealthContext) -> HealthFinding:
    name = row.source.name
    if row.here:
        return ok(f"{name}: {row.folder}")
    if row.status == "damaged":
        return problem(
            f"{name} is damaged: {row.folder}", f"Run: milonga weights verify {name} --repair"
        )
    if row.source.folder is not None:
        return problem(
            f"{name}: the folder {row.source.folder} is not there",
            "Correct its name in the configuration.",
        )
    text, step = f"{name} is not here", f"Run: {row.source.get_command}"
    if row.status == "partial":
        text = f"{name} is here in part ({size_text(row.on_disk)})"
    if not context.keys:
        return ok(text, step)
    if not context.network:
        return problem(f"{text}, and the network is switched off", step)
    return warning(text, step)


def _rows(context: HealthContext, config: Config) -> list[InventoryRow]:
    return [
        row_of(find_source(key, config), config, context.cache_dir)
        for key in context.keys or CATALOGUE
    ]
