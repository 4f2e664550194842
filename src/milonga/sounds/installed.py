"""Whether the libraries that sound models need are here, without importing them."""

from __future__ import annotations

from milonga.errors import require_extra


def require_libraries(what: str) -> None:
    """Refuse to begin where they are missing.

    Args:
        what: needs them, as a sentence begins.

    Raises:
        MissingExtraError: one of them isn't installed.
    """
    require_extra(what, "sounds", ("torch", "safetensors"))
