"""Models that score: what a document says of the one that was used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from milonga.generators.neural.loading import hashes_of, licence_of
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    from milonga.weights import LocalWeights


def described(local: LocalWeights, model: str, progress: Progress, like: str) -> dict[str, Any]:
    """Describe a model as plain values: repository or folder, files and licence.

    Args:
        local: where it lies.
        model: what was asked for.
        progress: counts the bytes that are hashed.
        like: the model of the catalogue whose layout and licence it has.
    """
    licence = licence_of(local, model, like)
    return {
        "model": model,
        "repo": local.repo,
        "revision": local.commit,
        "files": hashes_of(local, progress),
        "licence": licence.name,
    }
