"""Names of models: folders on any file system."""

from __future__ import annotations

import unicodedata

from milonga.errors import SoundError

_LONGEST_NAME = 80
_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)))
)


def check_name(name: str) -> None:
    """Check that a name can be a folder on every platform.

    Raises:
        SoundError: says what is wrong with it.
    """
    stem = name.split(".")[0].strip().lower()
    if not name.strip():
        wrong = "it is empty"
    elif bad := sorted({c for c in name if c in _FORBIDDEN or unicodedata.category(c)[0] == "C"}):
        wrong = f"it holds {' '.join(map(repr, bad))}"
    elif name != name.strip() or name.startswith(".") or name.endswith("."):
        wrong = "it begins or ends with a space or a dot"
    elif stem in _RESERVED:
        wrong = "Windows keeps it for a device"
    elif name.lower().endswith(".safetensors"):
        wrong = "it looks like a file"
    elif len(name.encode()) > _LONGEST_NAME:
        wrong = f"it is longer than {_LONGEST_NAME} bytes"
    else:
        return
    raise SoundError(
        f"{name!r} can't be the name of a model: {wrong}.",
        step="Use letters, digits, spaces, hyphens and the like.",
    )


def same_name(text: str) -> str:
    """Reduce a name to what equal names share: some file systems ignore case and composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
