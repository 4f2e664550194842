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

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.errors import ConfigError
from milonga.runtime.files import read_refusal
from milonga.runtime.places import config_file, expanded

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# Plain dataclasses: pydantic, which checks a file that is there, takes longer to import than
# everything else that a cached model needs.
_STRICT = {
    "extra": "forbid",
    "strict": True,
    "str_strip_whitespace": True,
    "str_min_length": 1,
    "allow_inf_nan": False,
}


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """The place of a model's files, instead of the catalogue's repository.

    Attributes:
        repo: another repository, ``owner/name``.
        revision: a branch, tag or commit.
        folder: files that are on this machine already; excludes the others.
    """

    __pydantic_config__ = _STRICT

    repo: str | None = None
    revision: str | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.folder is not None and (self.repo or self.revision):
            raise ValueError("names both a folder and a repository")
        _expand(self, "folder")


@dataclass(frozen=True, slots=True)
class WeightsConfig:
    """The section ``[weights]``.

    Attributes:
        cache_dir: used where neither an option nor the environment names a cache.
        fallback_cache_dir: taken, with a message, when the cache can't be written.
        sources: by catalogue key.
    """

    __pydantic_config__ = _STRICT

    cache_dir: Path | None = None
    fallback_cache_dir: Path | None = None
    sources: dict[str, SourceConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _expand(self, "cache_dir", "fallback_cache_dir")


@dataclass(frozen=True, slots=True)
class SoundsConfig:
    """The section ``[sounds]``.

    Attributes:
        history_mb: the limit of the history of all sound models, in MB; 0 turns it off.
    """

    __pydantic_config__ = _STRICT

    history_mb: float = 500.0

    def __post_init__(self) -> None:
        if not 0 <= self.history_mb < 1e9:
            raise ValueError("needs a number from 0 as history_mb")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything in the file."""

    __pydantic_config__ = _STRICT

    weights: WeightsConfig = field(default_factory=WeightsConfig)
    sounds: SoundsConfig = field(default_factory=SoundsConfig)


def load_config(path: str | Path | None = None) -> Config:
    """Read the configuration; without a file, return the defaults.

    Raises:
        ConfigError: the file can't be read, isn't TOML, or holds a wrong name or value.
    """
    path = Path(path) if path is not None else config_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except OSError as error:
        message, step = read_refusal(error, "The configuration")
        raise ConfigError(message, where=path, step=step) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"Can't read the configuration: {error}.",
            where=path,
            step="Correct the file, or remove it.",
        ) from error
    import tomllib

    from pydantic import TypeAdapter, ValidationError

    try:
        # As JSON, since a strict model takes no text for a path otherwise. A date becomes a list,
        # which no setting takes.
        document = json.dumps(tomllib.loads(text), default=lambda value: [str(value)])
    except (ValueError, RecursionError) as error:
        fault = "it is nested too deep" if isinstance(error, RecursionError) else error
        raise ConfigError(
            f"This is not TOML: {fault}.",
            where=path,
            step="Correct that line, or remove the file.",
        ) from error
    try:
        return TypeAdapter(Config).validate_json(document)
    except ValidationError as error:
        message, step = _explain(error.errors(include_url=False)[0])
        raise ConfigError(message, where=path, step=step) from error


def _explain(fault: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong, and how to fix it."""
    names = [str(name) for name in fault["loc"]]
    place, kind = ".".join(names), fault["type"]
    if kind == "unexpected_keyword_argument":
        inside = f" in [{'.'.join(names[:-1])}]" if names[1:] else ""
        tables = {"": Config, "weights": WeightsConfig, "sounds": SoundsConfig}
        table = tables.get(".".join(names[:-1]), SourceConfig)
        known = ", ".join(each.name for each in fields(table))
        return f"There is no setting {names[-1]!r}{inside}.", f"Known: {known}."
    if kind in ("dataclass_type", "dict_type"):
        return f"{place} must be a table.", f"Write [{place}]."
    if kind == "value_error":
        return f"{place} {fault['msg'].removeprefix('Value error, ')}.", "Correct that."
    if kind == "json_invalid":
        return "It is nested too deep.", "Correct the file, or remove it."
    needed = "text in quotes" if kind.startswith("string") else "a number from 0"
    return f"{place} must be {needed}.", "Correct that value."


def _expand(section: object, *names: str) -> None:
    for name in names:
        folder = getattr(section, name)
        if folder is not None:
            try:
                object.__setattr__(section, name, expanded(folder))
            except ConfigError as error:
                raise ValueError(f"has no usable {name}: {error.message.rstrip('.')}") from None
