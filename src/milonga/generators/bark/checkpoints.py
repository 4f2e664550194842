"""Which checkpoints are Bark's, judged without loading any."""

from __future__ import annotations

from milonga import weights
from milonga.errors import GeneratorError
from milonga.weights import LocalWeights

LIKE = "bark-small"
"""The model of the catalogue whose files others must have, too."""

KEYS = tuple(key for key in weights.CATALOGUE if key.startswith("bark"))

_USE = f"Use one of: {', '.join(KEYS)}."


def refusal(name: str) -> GeneratorError | None:
    """Why a model can't be meant, as far as its name tells."""
    if name in weights.CATALOGUE and name not in KEYS:
        return GeneratorError(f"{name} is not a Bark model.", step=_USE)
    return None


def check(local: LocalWeights) -> None:
    """Whether files that are here are Bark's.

    Raises:
        GeneratorError: they are of another model.
        DamagedFileError: their configuration can't be read.
    """
    found = weights.load_json(local.folder / "config.json").get("model_type")
    if found != "bark":
        raise GeneratorError(
            f"{local.source.name} is not a Bark model: its config.json says {found!r}.",
            where=local.folder,
            step=_USE,
        )


def find(name: str) -> LocalWeights | None:
    """The model's files if they are on this machine, checked.

    Raises:
        MilongaError: it can't be meant, is of another kind, or damaged.
    """
    error = refusal(name)
    if error is not None:
        raise error
    local = weights.locate(name, like=LIKE)
    if local is not None:
        check(local)
    return local
