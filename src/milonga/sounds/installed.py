"""Whether the libraries that sound models need are here, without importing them."""

from __future__ import annotations

from importlib.util import find_spec

from milonga.errors import MissingExtraError


def require_libraries(what: str) -> None:
    """Refuse to begin where they are missing.

    Args:
        what: needs them, as a sentence begins.

    Raises:
        MissingExtraError: one of them isn't installed.
    """
    if not all(find_spec(library) for library in ("torch", "safetensors")):
        raise MissingExtraError(what, "sounds")
