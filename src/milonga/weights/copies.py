"""The int8 copies that engines made of models' weights, for when a model is removed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from milonga.runtime.places import copies_folder, copy_stem

_NAME = re.compile(r"(?P<stem>.*-(?P<part>[a-z]+))-[0-9a-f]{16}\.safetensors")


def copies_of(names: Iterable[str]) -> list[Path]:
    """List the copies of a model.

    Args:
        names: that the user may have called it by.
    """
    names, found = set(names), []
    for path in sorted(copies_folder().glob("*.safetensors")):
        match = _NAME.fullmatch(path.name)
        if match and any(match["stem"] == copy_stem(f"{one} {match['part']}") for one in names):
            found.append(path)
    return found
