"""From what a user names to where its files come from."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from milonga.errors import UnknownNameError, WeightsError
from milonga.runtime.config import Config
from milonga.weights.cache.layout import REPO
from milonga.weights.catalogue import CATALOGUE, Entry
from milonga.weights.selection import ANY, Files

MAIN = "main"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's files come from.

    Attributes:
        name: what the user calls it.
        files: what is needed of it.
        repo: ``owner/name`` on the hub; empty for a folder.
        revision: branch, tag or commit.
        folder: files on this machine that milonga only reads.
        entry: the catalogue's, where it is one of its models.
    """

    name: str
    files: Files
    repo: str = ""
    revision: str = MAIN
    folder: Path | None = None
    entry: Entry | None = None

    @property
    def get_command(self) -> str:
        """The command that downloads it."""
        revision = f" --revision {self.revision}" if self.revision != MAIN else ""
        return f"milonga weights get {self.name}{revision}"


def find_source(
    name: str, config: Config, *, like: str | None = None, revision: str | None = None
) -> Source:
    """Where ``name`` comes from.

    Args:
        name: a key of the catalogue; a folder (``./mine``, ``/models/mine``); or a repository
            (``owner/name``, ``owner/name@revision``).
        config: it may point a key elsewhere.
        like: the key of the model that a folder or an unknown repository stands in for: the same
            files are needed of it.
        revision: overrides every other.

    Raises:
        UnknownNameError: it is none of these.
        WeightsError: a revision was asked of a folder.
    """
    source = _find(name, config, like)
    if revision is None:
        return source
    if source.folder is not None:
        raise WeightsError(
            f"{name} is a folder on this machine and has no revisions.",
            where=source.folder,
            step="Leave the revision out, or name a repository.",
        )
    return dataclasses.replace(source, revision=revision)


def _find(name: str, config: Config, like: str | None) -> Source:
    if name in CATALOGUE:
        return _of_catalogue(CATALOGUE[name], config)
    files = CATALOGUE[like].files if like in CATALOGUE else ANY
    if _looks_like_a_path(name):
        return Source(name, files, folder=Path(name).expanduser().absolute())
    repo, _, revision = name.partition("@")
    if "/" in repo and REPO.fullmatch(repo):
        known = next((entry for entry in CATALOGUE.values() if entry.repo == repo), None)
        return Source(name, known.files if known else files, repo, revision or MAIN, entry=known)
    if Path(name).is_dir():
        return Source(name, files, folder=Path(name).absolute())
    raise UnknownNameError("model", name, CATALOGUE)


def _of_catalogue(entry: Entry, config: Config) -> Source:
    elsewhere = config.weights.sources.get(entry.key)
    if elsewhere is None:
        return Source(entry.key, entry.files, entry.repo, entry=entry)
    if elsewhere.folder is not None:
        return Source(entry.key, entry.files, folder=elsewhere.folder.absolute(), entry=entry)
    repo = elsewhere.repo or entry.repo
    if not ("/" in repo and REPO.fullmatch(repo)):
        raise WeightsError(
            f"The configuration names {repo!r} for {entry.key}, which is no repository.",
            step="Write it as owner/name.",
        )
    return Source(entry.key, entry.files, repo, elsewhere.revision or MAIN, entry=entry)


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "~", os.sep)) or Path(name).is_absolute() or "\\" in name
