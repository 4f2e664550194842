"""The state of a training on disk: one safetensors file, whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga.errors import SoundError
from milonga.runtime.files import sweep_parts, write_bytes
from milonga.sounds.folder import CHECKPOINT

if TYPE_CHECKING:
    import torch

_FORMAT = 1
_KEY = "milonga"


def save(folder: Path, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """Writes a checkpoint; the one before stays until this one is whole.

    Args:
        folder: of the training.
        state: JSON values.
        tensors: everything else.

    Raises:
        OutputError: the folder can't be written, or the disk is full.
    """
    from safetensors.torch import save as pack

    header = json.dumps({**state, "format": _FORMAT}, allow_nan=False)
    flat = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # safetensors' own writer would leave a temporary file of its own when killed.
    write_bytes(folder / CHECKPOINT, pack(flat, {_KEY: header}))


def load(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]] | None:
    """The last checkpoint, or None where there is none; leftovers of killed writers are removed.

    Raises:
        SoundError: it is damaged or of another version.
    """
    from safetensors import SafetensorError, safe_open

    if folder.is_dir():
        sweep_parts(folder)
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            state = json.loads((file.metadata() or {})[_KEY])
            if state["format"] != _FORMAT:
                raise ValueError(f"version {state['format']}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise SoundError(
            f"The training's checkpoint can't be read ({str(error).splitlines()[0]}).",
            where=path,
            step="Remove this file to start the training anew.",
        ) from error
    return state, tensors
