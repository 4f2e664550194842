"""The user's own sounds: models learnt from a few recordings, and playing them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Corpus": "milonga.sounds.corpus",
    "MelStore": "milonga.sounds.store",
}

__all__ = ["Corpus", "MelStore"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'milonga.sounds' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
