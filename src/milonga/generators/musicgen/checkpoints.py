"""Which checkpoints are MusicGen's, judged without loading any."""

from __future__ import annotations

from milonga import weights
from milonga.errors import GeneratorError, MilongaError
from milonga.weights import LocalWeights

LIKE = "musicgen-small"
"""The model of the catalogue whose files others must have, too."""

KEYS = tuple(key for key in weights.CATALOGUE if key.startswith("musicgen"))

_MELODY = (
    "{name} is a melody checkpoint. These take a recording as their guide, through a part that "
    "needs torchaudio, which milonga doesn't use; milonga renders from text alone."
)
_USE = f"Use one of: {', '.join(KEYS)}."


def refusal(name: str) -> GeneratorError | None:
    """Why a model can't be meant, as far as its name tells."""
    if "melody" in name.lower() and name not in KEYS:
        return GeneratorError(_MELODY.format(name=name), step=_USE)
    if name in weights.CATALOGUE and name not in KEYS:
        return GeneratorError(f"{name} is not a MusicGen model.", step=_USE)
    return None


def check(local: LocalWeights) -> None:
    """Whether files that are here are MusicGen's.

    Raises:
        GeneratorError: they are of another model.
        DamagedFileError: their configuration can't be read.
    """
    name = local.source.name
    found = weights.load_json(local.folder / "config.json").get("model_type")
    if found == "musicgen_melody":
        raise GeneratorError(_MELODY.format(name=name), where=local.folder, step=_USE)
    if found != "musicgen":
        raise GeneratorError(
            f"{name} is not a MusicGen model: its config.json says {found!r}.",
            where=local.folder,
            step=_USE,
        )


def find(name: str) -> LocalWeights | None:
    """The model's files if they are on this machine, checked.

    Raises:
        MilongaError: it can't be meant, is of another kind, or damaged.
    """
    error: MilongaError | None = refusal(name)
    if error is not None:
        raise error
    local = weights.locate(name, like=LIKE)
    if local is not None:
        check(local)
    return local
