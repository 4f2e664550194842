"""Takes of one condition: those that differ only in their seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from milonga.analysis.comparing.model import Candidate

_SEEDED = re.compile(r"(.+)-s\d+(?:\.\d+)?")
_LEAST_TAKES = 3


def conditions(candidates: Sequence[Candidate]) -> dict[str, list[Candidate]]:
    """Group takes that differ only in their seed: ``NAME-s0.wav``, ``NAME-s1.wav`` of a folder.

    Takes that the checks found broken are left out, and so are groups under three.
    """
    groups: dict[tuple[str, str], list[Candidate]] = {}
    for candidate in candidates:
        path = Path(candidate.path)
        seeded = _SEEDED.fullmatch(path.stem)
        if seeded and candidate.common is not None and not candidate.broken:
            groups.setdefault((str(path.parent), seeded[1]), []).append(candidate)
    kept = {key: found for key, found in groups.items() if len(found) >= _LEAST_TAKES}
    folders = {folder for folder, _ in kept}
    return {
        name if len(folders) == 1 else str(Path(folder, name)): found
        for (folder, name), found in kept.items()
    }
