"""The state of a training on disk: one tensor file, whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga.errors import SoundError
from milonga.runtime.files import sweep_parts
from milonga.runtime.tensor_file import TensorFormat
from milonga.sounds.folder import CHECKPOINT

if TYPE_CHECKING:
    import torch

_FILE = TensorFormat(
    "milonga",
    "checkpoint",
    SoundError,
    version_field="format",
    problem="The training's checkpoint can't be read",
    repair="Remove this file to start the training anew.",
)


def save(folder: Path, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Write a checkpoint; the one before stays until this one is whole.

    Args:
        folder: of the training.
        state: JSON values.
        tensors: everything else.

    Raises:
        OutputError: the folder can't be written, or the disk is full.
    """
    _FILE.save(folder / CHECKPOINT, state, tensors)


def load(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """Read the last checkpoint; None where there is none. Leftovers of killed writers go.

    Raises:
        SoundError: it is damaged or of another version.
    """
    if folder.is_dir():
        sweep_parts(folder)
    path = folder / CHECKPOINT
    return _FILE.load(path) if path.exists() else None
