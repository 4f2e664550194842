"""The environment's settings of the hub and its cache, read when they are needed.

``huggingface_hub`` reads the same variables once, when it is imported; a program that sets them
later would be ignored, so milonga reads them itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from milonga.runtime.config import WeightsConfig
from milonga.runtime.places import expanded

_TRUE = {"1", "ON", "YES", "TRUE"}
Folder = str | os.PathLike[str]
HUB = "https://huggingface.co"


@dataclass(frozen=True, slots=True)
class CacheChoice:
    """The cache folder, and what named it."""

    root: Path
    named_by: str


def is_set(name: str) -> bool:
    """Tell if a variable holds one of the values that the hub's client takes for yes."""
    return os.environ.get(name, "").upper() in _TRUE


def is_offline() -> bool:
    """Tell if the environment forbids the network (``HF_HUB_OFFLINE``)."""
    return is_set("HF_HUB_OFFLINE") or is_set("TRANSFORMERS_OFFLINE")


_ASKS: ContextVar[bool] = ContextVar("asks", default=True)


@contextmanager
def no_questions() -> Iterator[None]:
    """Keep plans made in the block from asking the hub whether it would give a model."""
    token = _ASKS.set(False)
    try:
        yield
    finally:
        _ASKS.reset(token)


def may_ask() -> bool:
    """Tell if a plan may ask the hub."""
    return _ASKS.get()


def read_timeout() -> float:
    """Return the seconds without a byte after which a connection counts as broken
    (``HF_HUB_DOWNLOAD_TIMEOUT``)."""
    try:
        return max(1.0, float(os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "")))
    except ValueError:
        return 15.0


def hf_home() -> Path:
    """Return the Hugging Face folder: ``HF_HOME`` or the platform's usual one."""
    if named := os.environ.get("HF_HOME"):
        return _path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~", ".cache"))
    return _path(base) / "huggingface"


def choose_cache(option: Folder | None, config: WeightsConfig) -> CacheChoice:
    """Choose the cache folder: the option, else the environment, else the configuration, else the
    Hugging Face cache that every tool shares."""
    if option is not None:
        return CacheChoice(expanded(option).absolute(), "--cache-dir")
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(name):
            return CacheChoice(_path(value), name)
    if os.environ.get("HF_HOME"):
        return CacheChoice(hf_home() / "hub", "HF_HOME")
    if config.cache_dir is not None:
        return CacheChoice(config.cache_dir.absolute(), "cache_dir in the configuration")
    return CacheChoice(hf_home() / "hub", "the default")


def quiet_libraries() -> None:
    """Keep the Hugging Face libraries from sending figures about their use.

    They read this variable when they are imported, so call it before importing one.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def _path(text: str) -> Path:
    return expanded(os.path.expandvars(text)).absolute()
