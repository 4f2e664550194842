"""The place of a model's files, found from what a user names."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

from milonga.errors import DownloadError, UnknownNameError, WeightsError
from milonga.runtime.config import Config
from milonga.weights.cache.layout import REPO, safe_path
from milonga.weights.catalogue import CATALOGUE, KnownModel
from milonga.weights.selection import ANY, Files

MAIN = "main"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The place that a model's files come from.

    Attributes:
        name: the user's name for it.
        files: the files that are needed of it.
        repo: ``owner/name`` on the hub; empty for a folder.
        revision: branch, tag or commit.
        folder: files on this machine that milonga only reads.
        known: the model of the catalogue, where it is one.
    """

    name: str
    files: Files
    repo: str = ""
    revision: str = MAIN
    folder: Path | None = None
    known: KnownModel | None = None

    @property
    def get_command(self) -> str:
        """The command that downloads it."""
        revision = f" --revision {self.revision}" if self.revision != MAIN else ""
        return f"milonga weights get {self.name}{revision}"


def find_source(
    name: str | os.PathLike[str],
    config: Config,
    *,
    like: str | None = None,
    revision: str | None = None,
) -> ModelSource:
    """Find the place that ``name`` means.

    Args:
        name: a key of the catalogue; a folder (``./mine``, ``/models/mine``); or a repository
            (``owner/name``, ``owner/name@revision``).
        config: it may point a key elsewhere.
        like: the key of the model that a folder or an unknown repository stands in for: the same
            files are needed of it.
        revision: overrides every other.

    Raises:
        UnknownNameError: it is none of these.
        WeightsError: a revision was asked of a folder, or can't be one.
    """
    source = _find(name, config, like)
    revision = revision if revision is not None else source.revision
    if source.folder is not None and revision != MAIN:
        raise WeightsError(
            f"{source.name} is a folder on this machine and has no revisions.",
            where=source.folder,
            step="Leave the revision out, or name a repository.",
        )
    try:
        safe_path(revision)
    except DownloadError as error:
        raise WeightsError(
            f"{revision!r} can't be a revision.",
            where=source.name,
            step="Give a branch, a tag or a commit.",
        ) from error
    return dataclasses.replace(source, revision=revision)


def _find(given: str | os.PathLike[str], config: Config, like: str | None) -> ModelSource:
    name = os.fspath(given)
    if name in CATALOGUE:
        return _of_catalogue(CATALOGUE[name], config)
    files = CATALOGUE[like].files if like in CATALOGUE else ANY
    repo, _, revision = name.partition("@")
    try:
        if not isinstance(given, str) or _looks_like_a_path(name):
            return ModelSource(name, files, folder=Path(name).expanduser().absolute())
        if "/" in repo and REPO.fullmatch(repo):
            known = next((model for model in CATALOGUE.values() if model.repo == repo), None)
            files = known.files if known else files
            return ModelSource(name, files, repo, revision or MAIN, known=known)
        if name and Path(name).is_dir():
            return ModelSource(name, files, folder=Path(name).absolute())
    except (OSError, RuntimeError) as error:
        # A home folder of nobody, or a name that is too long.
        raise WeightsError(f"The folder {name!r} can't be used: {error}.") from error
    raise UnknownNameError("model", name, CATALOGUE)


def _of_catalogue(known: KnownModel, config: Config) -> ModelSource:
    elsewhere = config.weights.sources.get(known.key)
    if elsewhere is None:
        return ModelSource(known.key, known.files, known.repo, known=known)
    if elsewhere.folder is not None:
        return ModelSource(known.key, known.files, folder=elsewhere.folder.absolute(), known=known)
    repo = elsewhere.repo or known.repo
    if not ("/" in repo and REPO.fullmatch(repo)):
        raise WeightsError(
            f"The configuration names {repo!r} for {known.key}, which is no repository.",
            step="Write it as owner/name.",
        )
    return ModelSource(known.key, known.files, repo, elsewhere.revision or MAIN, known=known)


def _looks_like_a_path(name: str) -> bool:
    return name.startswith((".", "~", os.sep)) or Path(name).is_absolute() or "\\" in name
