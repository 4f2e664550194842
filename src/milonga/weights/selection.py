"""The choice of files that are needed of a repository.

Repositories often hold the same weights several times over (``.bin``, ``.safetensors``, the
original training checkpoint), so a need is a list of alternatives of which the first that is there
is taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

_SHARD = re.compile(r"(?P<stem>.*)-(?P<index>\d{5})-of-(?P<count>\d{5})(?P<suffix>\..*)")


@dataclass(frozen=True, slots=True)
class Files:
    """The files that are needed of a repository.

    Attributes:
        needed: per need, the alternatives in order of preference. An alternative is one pattern,
            or several with a space between them, of which the first must match a file.
        wanted: patterns of files that are taken where they are there.

    In a pattern, ``*`` matches any characters, ``/`` too.
    """

    needed: tuple[tuple[str, ...], ...]
    wanted: tuple[str, ...] = ()

    def choose(self, names: Collection[str]) -> list[str]:
        """Choose the files to have, of all the ``names`` in a repository; sorted."""
        chosen: set[str] = set()
        for need in self.needed:
            patterns = self._alternative(need, names)
            if patterns:
                chosen.update(_matching(patterns, names))
        chosen.update(_matching(self.wanted, names))
        return sorted(chosen)

    def lacking(self, names: Collection[str]) -> list[str]:
        """List what is missing, in words: needs without a file, missing parts of a series."""
        found = set(names)
        lacking = [
            " or ".join(alternative.split()[0] for alternative in need)
            for need in self.needed
            if not self._alternative(need, found)
        ]
        for name in sorted(found):
            if series := _SHARD.fullmatch(name):
                stem, count, suffix = series["stem"], series["count"], series["suffix"]
                lacking.extend(
                    part
                    for index in range(1, int(count) + 1)
                    if (part := f"{stem}-{index:05d}-of-{count}{suffix}") not in found
                    and part not in lacking
                )
        return lacking

    @staticmethod
    def _alternative(need: tuple[str, ...], names: Collection[str]) -> list[str]:
        for alternative in need:
            patterns = alternative.split()
            if _matching(patterns[:1], names):
                return patterns
        return []


ANY = Files(
    needed=(("*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt"),),
    wanted=("*.json", "*.txt", "*.model", "LICENSE*"),
)
"""For a repository that the catalogue doesn't know: its weights in the safest form, and texts."""


def _matching(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    patterns = tuple(patterns)
    return {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}
