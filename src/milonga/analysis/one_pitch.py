"""The network that hears one pitch at a time: SwiftF0 (Nieradzik 2025, MIT), from its wheel."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from milonga.errors import needs_extra


@lru_cache(maxsize=1)
def pitch_detector(what: str) -> Any:
    """Return the detector, on one thread; it is safe to use from several.

    Args:
        what: the work that needs it, for the error.

    Raises:
        MissingExtraError: the extra 'scores' isn't installed.
    """
    with needs_extra(what, "scores"):
        from swift_f0 import SwiftF0

        return SwiftF0(threads=1)
