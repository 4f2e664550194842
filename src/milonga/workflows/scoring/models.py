"""Models that score: recordings with what one heard, and what a document says of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from milonga.generators.neural.loading import hashes_of, licence_of
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    from milonga.weights import LocalWeights


class _Figures(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


F = TypeVar("F", bound=_Figures)


@dataclass(frozen=True, slots=True)
class Heard(Generic[F]):
    """Recordings with the figures that a model gives them.

    Attributes:
        recordings: path and figures of each.
        listener: repository or folder of the model, files and licence.
    """

    recordings: tuple[tuple[Path, F], ...]
    listener: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        found = [{"path": str(path), **figures.to_dict()} for path, figures in self.recordings]
        return {"recordings": found, "listener": self.listener}


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
