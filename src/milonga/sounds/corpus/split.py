"""The split of recordings into those to learn from and those to test on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Literal

from milonga.sounds.corpus.inspection import Corpus

SplitPart = Literal["train", "validation", "both"]
"""``both``: the end of each stretch is for validation."""

SHARE, MOST = 0.12, 0.2
"""Of the usable seconds, for validation: recordings are held out until the first is reached, and
none that would pass the second."""
LARGEST = 0.35
"""Of the usable seconds: where all are longer than that allows, the shortest is held out if it
is no more than this. One of three equal recordings is."""
FEWEST = 3
"""With fewer groups of recordings the split is in time."""
GAP_S = 0.5
"""Left out between the two in a split in time, so that one sound isn't on both sides."""
SHORTEST_S = 1.0
"""A shorter stretch isn't split in time; it is for training."""


def assign(corpus: Corpus, seed: int, earlier: Mapping[str, SplitPart]) -> dict[str, SplitPart]:
    """Assign each recording, by its hash, to a part.

    Whole recordings are held out, so that validation tells about sounds never heard; near
    duplicates go together. What a model made is for training. Recordings of an earlier training
    keep their part, since a model must not be tested on what it learnt from.

    Args:
        corpus: the recordings.
        seed: draws which are held out; independent of order and names.
        earlier: parts given before.
    """
    parts: dict[str, SplitPart] = {f.sha256: earlier[f.sha256] for f in corpus.files
                              if f.sha256 in earlier}  # fmt: skip
    # A model must not be judged by what a model made, nor by what that was made like.
    made = {file.sha256 for file in corpus.files if file.generated}
    groups = _groups(corpus)
    touched = {key for group in groups if made.intersection(group) for key in group}
    parts |= dict.fromkeys(touched.difference(parts), "train")
    parts |= dict.fromkeys(made, "train")
    groups = [group for group in groups if not touched.intersection(group)]
    if len(groups) < FEWEST and parts.keys() <= touched:
        return {f.sha256: parts.get(f.sha256, "both") for f in corpus.files}
    seconds = {file.sha256: file.usable_s for file in corpus.files}
    total = sum(value for key, value in seconds.items() if key not in touched)
    held = sum(_held(parts.get(key), seconds[key]) for key in seconds)
    for group in sorted(groups, key=lambda group: _order(seed, group)):
        new = [key for key in group if key not in parts]
        old = {parts[key] for key in group if key in parts}
        size = sum(seconds[key] for key in group)
        part: SplitPart = "train"
        if old:
            part = "validation" if old == {"validation"} else "train"
        elif held < SHARE * total and held + size <= MOST * total:
            part = "validation"
        held += sum(seconds[key] for key in new) if part == "validation" else 0.0
        parts.update(dict.fromkeys(new, part))
    if any(part != "train" for part in parts.values()):
        return parts
    fresh = [group for group in groups if not any(key in earlier for key in group)]
    shortest = min(fresh, key=lambda group: (sum(seconds[key] for key in group), group), default=())
    if 0 < sum(seconds[key] for key in shortest) <= LARGEST * total:
        return parts | dict.fromkeys(shortest, "validation")
    # What is left to train on would be too little.
    fixed = touched.union(earlier)
    return {key: part if key in fixed else "both" for key, part in parts.items()}


def parts_of(
    part: SplitPart, samples: int, rate: int
) -> Iterator[tuple[Literal["train", "validation"], int, int]]:
    """Split a piece into stretches: the part of each, its first sample and its end."""
    if part != "both":
        yield part, 0, samples
        return
    if samples < SHORTEST_S * rate:
        yield "train", 0, samples
        return
    held = round(SHARE * samples)
    gap = min(round(GAP_S * rate), round(0.1 * samples))
    yield "train", 0, samples - held - gap
    yield "validation", samples - held, samples


def _held(part: SplitPart | None, seconds: float) -> float:
    return {"validation": 1.0, "both": SHARE}.get(part or "", 0.0) * seconds


def _groups(corpus: Corpus) -> list[tuple[str, ...]]:
    keys = {file.name: file.sha256 for file in corpus.files}
    together = [tuple(keys[name] for name in group) for group in corpus.alike]
    taken = {key for group in together for key in group}
    return together + [(key,) for key in keys.values() if key not in taken]


def _order(seed: int, group: tuple[str, ...]) -> str:
    return hashlib.sha256(f"{seed} {min(group)}".encode()).hexdigest()
