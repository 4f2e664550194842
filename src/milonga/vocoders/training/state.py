"""The state of a vocoder's training on disk: one tensor file, whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from milonga.errors import VocoderError
from milonga.runtime.files import sweep_parts
from milonga.runtime.tensor_file import TensorFormat

FILE = "checkpoint.safetensors"
_FORMAT = TensorFormat(
    "milonga-vocoder-training",
    "checkpoint",
    VocoderError,
    problem="The checkpoint of the vocoder's training can't be used",
    repair="Start the training anew (--again on the command line).",
    largest=64 << 30,
)
damaged = _FORMAT.damaged
"""The error of a checkpoint that can't be used."""


def save(folder: Path, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a checkpoint; the one before stays until this one is whole.

    Raises:
        OutputError: the folder can't be written, or the disk is full.
    """
    _FORMAT.save(folder / FILE, state, tensors, streamed=True)


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Read the last checkpoint; None where there is none. Leftovers of killed writers go.

    Raises:
        VocoderError: it is damaged or of another version.
        MissingExtraError: safetensors isn't installed.
    """
    if folder.is_dir():
        sweep_parts(folder)
    path = folder / FILE
    return _FORMAT.load(path, mapped=True) if path.exists() else None


def module_tensors(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """The parameters of a module under ``prefix.``."""
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def load_module(prefix: str, module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """The inverse of ``module_tensors``.

    Raises:
        ValueError: names or shapes are others.
    """
    own = {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }
    try:
        module.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(f"its {prefix} is another one") from error


def optimizer_tensors(prefix: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The memory that an optimizer has of each parameter."""
    return {
        f"{prefix}.{index}.{name}": value
        for index, memory in optimizer.state_dict()["state"].items()
        for name, value in memory.items()
    }


def load_optimizer(
    prefix: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """The inverse of ``optimizer_tensors``.

    Raises:
        ValueError: it is of another number of parameters, or their shapes differ.
    """
    memory: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith(f"{prefix}."):
            index, _, field = name.removeprefix(f"{prefix}.").partition(".")
            memory.setdefault(int(index), {})[field] = value
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    # One that hasn't made a step yet remembers nothing.
    for number, fields in memory.items():
        if number >= len(parameters) or any(
            field != "step" and value.shape != parameters[number].shape
            for field, value in fields.items()
        ):
            raise ValueError(f"its {prefix} is of other parameters")
    optimizer.load_state_dict({**optimizer.state_dict(), "state": memory})
