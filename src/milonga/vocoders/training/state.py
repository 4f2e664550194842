"""The state of a vocoder's training on disk: one safetensors file, whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from milonga.errors import MissingExtraError, VocoderError
from milonga.runtime.files import atomic_path, sweep_parts

FILE = "checkpoint.safetensors"
_KEY = "milonga-vocoder-training"
_VERSION = 1


def save(folder: Path, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Writes a checkpoint; the one before stays until this one is whole.

    Raises:
        OutputError: the folder can't be written, or the disk is full.
    """
    from safetensors.torch import save_file

    text = json.dumps({**state, "version": _VERSION}, allow_nan=False)
    flat = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_path(folder / FILE) as temporary:
        save_file(flat, temporary, {_KEY: text})


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """The last checkpoint, None where there is none; leftovers of killed writers are removed.

    Raises:
        VocoderError: it is damaged or of another version.
        MissingExtraError: safetensors isn't installed.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ModuleNotFoundError as error:
        raise MissingExtraError("Training a vocoder", "sounds") from error
    path = folder / FILE
    if folder.is_dir():
        sweep_parts(folder)
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            state = json.loads((file.metadata() or {})[_KEY])
            if state["version"] != _VERSION:
                raise ValueError(f"version {state['version']}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, str(error)) from error
    return state, tensors


def damaged(path: Path, why: str) -> VocoderError:
    """The error of a checkpoint that can't be used."""
    first = (why.strip() or "no reason given").splitlines()[0].rstrip(".")
    return VocoderError(
        f"The checkpoint of the vocoder's training can't be used ({first}).",
        where=path,
        step="Start the training anew (--again on the command line).",
    )


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
    """What an optimizer remembers of each parameter."""
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
