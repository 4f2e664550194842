"""A model's files, downloaded at the first use and found ever after."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from milonga.errors import CacheError, DownloadError, NotDownloadedError, WeightsError
from milonga.runtime.config import Config, load_config
from milonga.runtime.progress import Progress
from milonga.runtime.words import numbered
from milonga.weights import local, settings
from milonga.weights.cache import disk, records
from milonga.weights.cache.layout import RepoCache, is_safe, safe_path
from milonga.weights.cache.records import DownloadRecord
from milonga.weights.fetching import Fetcher
from milonga.weights.hub.answers import RemoteFile
from milonga.weights.hub.client import Hub
from milonga.weights.hub.retries import Retry
from milonga.weights.hub.tokens import find_token
from milonga.weights.local import LocalWeights
from milonga.weights.peers import PeerContents, files_of, known_peers
from milonga.weights.selection import Files
from milonga.weights.settings import Folder
from milonga.weights.sources import ModelSource, find_source


@dataclass(frozen=True, slots=True)
class WeightsOptions:
    """Settings of a search for weights.

    Attributes:
        cache_dir: instead of the Hugging Face cache.
        offline: never use the network.
        update: move to the newest commit of the revision.
        retry: the patience of a download.
    """

    cache_dir: Folder | None = None
    offline: bool = False
    update: bool = False
    retry: Retry = field(default_factory=Retry)


def ensure_weights(
    key: Folder,
    *,
    like: str | None = None,
    revision: str | None = None,
    cache_dir: Folder | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Return the folder with a model's files, downloaded first if they aren't on this machine.

    Once they are there, no connection is opened, and the same commit is used until an update is
    asked for.

    Args:
        key: a model of the catalogue, a repository (``owner/name@revision``), or a folder.
        like: for a repository or folder, the key of the model that it stands in for.
        revision: a branch, tag or commit instead of ``main``.
        cache_dir: instead of the Hugging Face cache.
        offline: never use the network (as ``HF_HUB_OFFLINE=1``).
        progress: shows bytes; its ``cancel`` stops the download, which goes on next time.

    Raises:
        UnknownNameError: no such model.
        NotDownloadedError: offline, and the files aren't here.
        AccessError: the hub wants a token, an accepted licence, or another token.
        CacheError: the cache can't be written, or its disk is too full.
        DownloadError: the network or the hub failed, or sent something wrong.
        Cancelled: the user stopped it.
    """
    options = WeightsOptions(cache_dir, offline)
    return ensure(key, options, like=like, revision=revision, progress=progress).folder


def ensure_bigvgan_weights(
    *,
    cache_dir: Folder | None = None,
    offline: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Return the vocoder's folder, with ``config.json`` and ``bigvgan_generator.pt``, as
    ``ensure_weights`` does."""
    return ensure_weights("bigvgan", cache_dir=cache_dir, offline=offline, progress=progress)


def locate(
    key: Folder,
    *,
    like: str | None = None,
    revision: str | None = None,
    cache_dir: Folder | None = None,
) -> LocalWeights | None:
    """Return the weights if a complete download is on this machine; None otherwise.

    Opens no connection and reads no weights. Hashes of what another tool downloaded aren't known.
    """
    config = load_config()
    source = find_source(key, config, like=like, revision=revision)
    if source.folder is not None:
        return local.from_folder(source)
    caches = [RepoCache(root, source.repo) for root in roots(cache_dir, config)]
    for cache in caches:
        if record := local.find(source, cache):
            return local.from_record(source, cache, record)
    for cache in caches:
        if records.load(cache, source.revision, source.files) is not None:
            # Our own, and damaged: what other tools left is not looked at.
            continue
        for commit, _ in local.leftovers(source, cache, any_commit=settings.is_offline()):
            return LocalWeights(source, cache.snapshot(commit), commit, {})
    return None


def ensure(
    name: Folder,
    options: WeightsOptions | None = None,
    *,
    like: str | None = None,
    revision: str | None = None,
    files: Files | None = None,
    progress: Progress | None = None,
) -> LocalWeights:
    """Do as ``ensure_weights``; return all that is known of the files: commit, sizes, hashes.

    ``files`` asks for other files of the same model than the catalogue names, such as a voice;
    they are taken from the commit that is here already.
    """
    settings.quiet_libraries()
    config = load_config()
    source = find_source(name, config, like=like, revision=revision)
    if files is not None:
        source = replace(source, files=files)
    if source.folder is not None:
        return local.from_folder(source)
    return EnsureRun(source, options or WeightsOptions(), config, progress or Progress()).run()


def roots(option: Folder | None, config: Config) -> list[Path]:
    """Return the caches to look in: the chosen one, and the one that is taken when that can't be
    written."""
    roots = [settings.choose_cache(option, config.weights).root]
    if option is None and config.weights.fallback_cache_dir is not None:
        roots.append(config.weights.fallback_cache_dir.absolute())
    return roots


class EnsureRun:
    """One call of ``ensure``: looks, asks, downloads, records."""

    def __init__(
        self, source: ModelSource, options: WeightsOptions, config: Config, progress: Progress
    ) -> None:
        self._source, self._options = source, options
        self._config, self._progress = config, progress
        self._offline = options.offline or settings.is_offline()

    def run(self) -> LocalWeights:
        """Find the weights or download them."""
        caches = [
            RepoCache(root, self._source.repo)
            for root in roots(self._options.cache_dir, self._config)
        ]
        if not self._options.update:
            for cache in caches:
                record = local.find(self._source, cache) or self._adopt(cache, self._offline)
                if record is not None:
                    return local.from_record(self._source, cache, record)
        if (brought := self._of_peers(caches)) is not None:
            return local.from_record(self._source, *brought)
        if self._offline:
            raise self._not_downloaded(caches)
        try:
            cache = self._writable(caches)
        except CacheError as error:
            return self._unchecked(caches, error)
        with cache.lock(Waiting(self._progress, self._source.name)):
            # Another process may have brought them while this one waited.
            found = None if self._options.update else local.find(self._source, cache)
            if found is None:
                with Hub(self._progress, self._options.retry, find_token(renew=True)) as hub:
                    try:
                        commit, files = self._listed(hub, cache)
                    except WeightsError as error:
                        return self._unchecked(caches, error)
                    found = self._download(hub, cache, commit, files)
        return local.from_record(self._source, cache, found)

    def _of_peers(self, caches: list[RepoCache]) -> tuple[RepoCache, DownloadRecord] | None:
        """Bring the files from another machine that has them."""
        source = self._source
        if self._options.update or not known_peers():
            return None
        try:
            cache = self._writable(caches)
            with cache.lock(Waiting(self._progress, source.name)):
                # Another process may have brought them while this one waited.
                found = local.find(source, cache)
                for peer in known_peers() if found is None else ():
                    offer = peer.offer(source.repo, source.revision, source.files)
                    if offer is None:
                        continue
                    self._progress.message(f"{source.name} comes from {peer.name}.")
                    contents = PeerContents(peer, offer)
                    fetcher = Fetcher(contents, cache, source, offer.commit, _PATIENCE,
                                      self._progress)  # fmt: skip
                    found = replace(fetcher.run(files_of(offer)), checked=offer.checked)
                    records.save(cache, found, source.files)
                    cache.remember(source.revision, offer.commit)
                    break
        except WeightsError as error:
            self._progress.message(f"{source.name}: {error.message}")
            return None
        return None if found is None else (cache, found)

    def _unchecked(self, caches: list[RepoCache], error: WeightsError) -> LocalWeights:
        """Use what another tool left here where the hub can't be asked; else raise ``error``."""
        if not self._options.update:
            for cache in caches:
                if record := self._adopt(cache, unchecked=True):
                    self._progress.message(f"note: {error.note}")
                    return local.from_record(self._source, cache, record)
        raise error

    def _adopt(self, cache: RepoCache, unchecked: bool) -> DownloadRecord | None:
        source = self._source
        for commit, paths in local.leftovers(source, cache, any_commit=unchecked):
            found = local.adopt(source, cache, commit, paths, self._progress, unchecked=unchecked)
            if found is not None:
                return found
        return None

    def _writable(self, caches: list[RepoCache]) -> RepoCache:
        fault = disk.write_fault(caches[0])
        if fault is None:
            return caches[0]
        for cache in caches[1:]:
            if disk.write_fault(cache) is None:
                self._progress.message(
                    f"The model cache can't be written ({fault}); using {cache.root}, as the "
                    "configuration allows."
                )
                return cache
        choice = settings.choose_cache(self._options.cache_dir, self._config.weights)
        raise disk.unwritable(choice, fault)

    def _not_downloaded(self, caches: list[RepoCache]) -> NotDownloadedError:
        source, cache = self._source, caches[0]
        if any(records.load(each, source.revision, source.files) for each in caches):
            return NotDownloadedError(
                f"{source.name} is damaged here, and the network is switched off.",
                step=numbered(
                    [
                        f"See what is wrong: milonga weights verify {source.name}",
                        f"With a network: milonga weights verify {source.name} --repair",
                    ]
                ),
            )
        return NotDownloadedError(
            f"{source.name} is not on this machine, and the network is switched off.",
            step=numbered(
                [
                    f"On a machine with a network, run: {source.get_command}",
                    f"Copy the folder {cache.folder.name} from that machine's cache (milonga "
                    f"weights path {source.name} prints where it is) into {cache.root}",
                    "Or allow the network here: leave out --offline, and unset HF_HUB_OFFLINE.",
                ]
            ),
        )

    def _listed(self, hub: Hub, cache: RepoCache) -> tuple[str, list[RemoteFile]]:
        """The commit to have, and the files of it."""
        commit = None
        if not self._options.update:
            commit = records.pinned_commit(cache, self._source.revision)
        commit = commit or hub.commit(self._source.repo, self._source.revision)
        return commit, self._choose(hub.files(self._source.repo, commit))

    def _download(
        self, hub: Hub, cache: RepoCache, commit: str, files: list[RemoteFile]
    ) -> DownloadRecord:
        source, retry = self._source, self._options.retry
        record = Fetcher(hub, cache, source, commit, retry, self._progress).run(files)
        records.save(cache, record, source.files)
        cache.remember(source.revision, commit)
        return record

    def _choose(self, listed: list[RemoteFile]) -> list[RemoteFile]:
        names = {file.path: file for file in listed}
        chosen = self._source.files.choose(list(names))
        if lacking := self._source.files.lacking(chosen):
            raise DownloadError(
                f"This repository lacks {', '.join(lacking[:5])}, which {self._source.name} needs.",
                where=self._source.repo,
                step="Use another repository or revision.",
            )
        needed = replace(self._source.files, wanted=()).choose(list(names))
        for path in [path for path in chosen if not is_safe(path)]:
            # What is merely good to have may be named as only some systems allow; who would leave
            # the folder is refused.
            safe_path(path if path in needed else re.sub(r'[:*?"<>|]', "_", path))
            chosen.remove(path)
        return [names[path] for path in chosen]


class Waiting:
    """A wait for another process, which is announced each minute and can be cancelled."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name, self._told = progress, name, -math.inf

    def __call__(self, holder: str) -> None:
        if time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            self._progress.message(
                f"Another process is downloading {self._name}; waiting for it ({holder}). If it is "
                "gone, as after a crash on another computer, stop this and remove the lock."
            )
        self._progress.check()


_PATIENCE = Retry(attempts=2)
"""With another machine, since there is the hub."""
_TELL_EVERY_S = 60.0
