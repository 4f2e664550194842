"""A model's files, downloaded at the first use and found ever after."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from milonga.errors import DownloadError, NotDownloadedError
from milonga.runtime.config import Config, load_config
from milonga.runtime.progress import Progress
from milonga.runtime.words import numbered
from milonga.weights import local, settings
from milonga.weights.cache import disk, records
from milonga.weights.cache.layout import RepoCache
from milonga.weights.cache.records import DownloadRecord
from milonga.weights.fetching import Fetcher
from milonga.weights.hub.answers import RemoteFile
from milonga.weights.hub.client import Hub
from milonga.weights.hub.retries import Retry
from milonga.weights.hub.tokens import find_token
from milonga.weights.local import LocalWeights
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

    Opens no connection and reads no weights.
    """
    config = load_config()
    source = find_source(key, config, like=like, revision=revision)
    if source.folder is not None:
        return local.from_folder(source)
    for root in roots(cache_dir, config):
        cache = RepoCache(root, source.repo)
        if record := local.find(source, cache):
            return local.from_record(source, cache, record)
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
                if found := local.find(self._source, cache) or self._adopt(cache):
                    return local.from_record(self._source, cache, found)
        if self._offline:
            raise self._not_downloaded(caches)
        cache = self._writable(caches)
        with cache.lock(Waiting(self._progress, self._source.name)):
            # Another process may have brought them while this one waited.
            found = None if self._options.update else local.find(self._source, cache)
            record = found or self._download(cache)
        return local.from_record(self._source, cache, record)

    def _adopt(self, cache: RepoCache) -> DownloadRecord | None:
        there = local.leftover(self._source, cache)
        if there is None:
            return None
        commit, paths = there
        return local.adopt(
            self._source, cache, commit, paths, self._progress, unchecked=self._offline
        )

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

    def _download(self, cache: RepoCache) -> DownloadRecord:
        source, retry = self._source, self._options.retry
        with Hub(self._progress, retry, find_token(renew=True)) as hub:
            commit = None
            if not self._options.update:
                commit = records.pinned_commit(cache, source.revision)
            commit = commit or hub.commit(source.repo, source.revision)
            files = self._choose(hub.files(source.repo, commit))
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
        return [names[path] for path in chosen]


class Waiting:
    """A wait for another process, which is announced once and can be cancelled."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name, self._told = progress, name, False

    def __call__(self) -> None:
        if not self._told:
            self._told = True
            self._progress.message(f"Another process is downloading {self._name}; waiting for it.")
        self._progress.check()
