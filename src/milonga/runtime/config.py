"""The configuration file: what the user decided once for every run.

::

    [weights]
    cache_dir = "/data/huggingface/hub"          # instead of the Hugging Face cache
    fallback_cache_dir = "~/huggingface/hub"     # taken when the cache can't be written

    [weights.sources.bigvgan]                    # another copy of a model
    folder = "~/models/bigvgan"                  # or: repo = "me/bigvgan", revision = "v2"

    [sounds]
    history_mb = 500                             # kept of what sound models played; 0: nothing
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from milonga.errors import ConfigError
from milonga.runtime.places import config_file


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Where a model comes from instead of the catalogue's repository.

    Attributes:
        repo: another repository, ``owner/name``.
        revision: a branch, tag or commit.
        folder: files that are on this machine already; excludes the others.
    """

    repo: str | None = None
    revision: str | None = None
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class WeightsConfig:
    """The section ``[weights]``.

    Attributes:
        cache_dir: used where neither an option nor the environment names a cache.
        fallback_cache_dir: taken, with a message, when the cache can't be written.
        sources: by catalogue key.
    """

    cache_dir: Path | None = None
    fallback_cache_dir: Path | None = None
    sources: dict[str, SourceConfig] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SoundsConfig:
    """The section ``[sounds]``.

    Attributes:
        history_mb: what the history of all sound models may hold, in MB; 0 turns it off.
    """

    history_mb: float = 500.0


@dataclass(frozen=True, slots=True)
class Config:
    """Everything in the file."""

    weights: WeightsConfig = field(default_factory=WeightsConfig)
    sounds: SoundsConfig = field(default_factory=SoundsConfig)


def load_config(path: Path | None = None) -> Config:
    """Reads the configuration; without a file, the defaults.

    Raises:
        ConfigError: the file can't be read, isn't TOML, or holds a wrong name or value.
    """
    path = path or config_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Can't read the configuration: {error}.",
            where=path,
            step="Mend the file, or remove it.",
        ) from error
    import tomllib

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"This is not TOML: {error}.", where=path, step="Mend that line, or remove the file."
        ) from error
    return _Reader(path).config(document)


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def config(self, document: dict[str, Any]) -> Config:
        self._known(document, "", ("weights", "sounds"))
        weights = self._table(document, "weights")
        self._known(weights, "weights", ("cache_dir", "fallback_cache_dir", "sources"))
        sounds = self._table(document, "sounds")
        self._known(sounds, "sounds", ("history_mb",))
        sources = self._table(weights, "sources", "weights.")
        return Config(
            WeightsConfig(
                cache_dir=self._folder(weights, "cache_dir", "weights."),
                fallback_cache_dir=self._folder(weights, "fallback_cache_dir", "weights."),
                sources={key: self._source(sources, key) for key in sources},
            ),
            SoundsConfig(history_mb=self._size(sounds, "history_mb", 500.0)),
        )

    def _source(self, sources: dict[str, Any], key: str) -> SourceConfig:
        place = f"weights.sources.{key}"
        table = self._table(sources, key, "weights.sources.")
        self._known(table, place, ("repo", "revision", "folder"))
        source = SourceConfig(
            repo=self._text(table, "repo", f"{place}."),
            revision=self._text(table, "revision", f"{place}."),
            folder=self._folder(table, "folder", f"{place}."),
        )
        if source.folder is not None and (source.repo or source.revision):
            raise self._error(
                f"{place} names both a folder and a repository.", "Keep one of the two."
            )
        return source

    def _known(self, table: dict[str, Any], place: str, known: tuple[str, ...]) -> None:
        for name in table:
            if name not in known:
                inside = f" in [{place}]" if place else ""
                raise self._error(
                    f"There is no setting {name!r}{inside}.", f"Known: {', '.join(known)}."
                )

    def _table(self, parent: dict[str, Any], name: str, place: str = "") -> dict[str, Any]:
        value = parent.get(name, {})
        if not isinstance(value, dict):
            raise self._error(f"{place}{name} must be a table.", f"Write [{place}{name}].")
        return value

    def _text(self, table: dict[str, Any], name: str, place: str) -> str | None:
        value = table.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self._error(f"{place}{name} must be text in quotes.", "Correct that value.")
        return value.strip()

    def _size(self, table: dict[str, Any], name: str, usual: float) -> float:
        value = table.get(name, usual)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
            raise self._error(f"{name} must be a number from 0.", "Correct that value.")
        return float(value)

    def _folder(self, table: dict[str, Any], name: str, place: str) -> Path | None:
        text = self._text(table, name, place)
        return None if text is None else Path(text).expanduser()

    def _error(self, message: str, step: str) -> ConfigError:
        return ConfigError(message, where=self._path, step=step)
