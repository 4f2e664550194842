"""A generator from published files: ``config.json`` and one checkpoint."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.errors import VocoderError
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.weights.loading import load_checkpoint, load_json

if TYPE_CHECKING:
    import torch

    from milonga.vocoders.bigvgan.generator import BigVGANGenerator

CHECKPOINTS = ("bigvgan_generator.safetensors", "bigvgan_generator.pt", "model.safetensors")
"""Names of checkpoints within a folder, the first that is there is taken."""

_SHOWN = 4


def load_generator(folder: str | os.PathLike[str]) -> BigVGANGenerator:
    """The generator in a folder, on the CPU, ready to run.

    Raises:
        VocoderError: there is no checkpoint, the config describes no generator, or the weights
            are of another one.
        DamagedFileError: a file is missing or can't be read.
        UnsafeFileError: the checkpoint wants to run code.
    """
    from milonga.vocoders.bigvgan.generator import BigVGANGenerator

    folder = Path(folder)
    config = read_config(folder / "config.json")
    path = _checkpoint(folder)
    held = _read_weights(path)
    generator = BigVGANGenerator.empty(config)
    expected = {name: tuple(value.shape) for name, value in generator.state_dict().items()}
    try:
        # Shapes alone first: nothing is computed of weights that don't fit.
        shapes = fold_weight_norm({name: value.to("meta") for name, value in held.items()})
        _check_shapes(expected, {name: tuple(w.shape) for name, w in shapes.items()})
        weights = fold_weight_norm(held)
    except VocoderError as error:
        raise VocoderError(error.message, where=path, step=error.step) from None
    return generator.holding(weights)


def read_config(path: Path) -> BigVGANConfig:
    """Read ``config.json``.

    Raises:
        DamagedFileError: it is missing or no JSON object.
        VocoderError: it describes no generator.
    """
    try:
        return BigVGANConfig.from_dict(load_json(path))
    except VocoderError as error:
        raise VocoderError(error.message, where=path) from None


def fold_weight_norm(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Plain weights from those of either form of torch's weight normalisation.

    ``w = g v / |v|``, the norm over all axes but the first. Constant filters, which the
    published files repeat for every activation, are left out.

    Raises:
        VocoderError: one of the two is missing, or their shapes don't go together.
    """
    renamed = {
        re.sub(r"\.parametrizations\.weight\.original([01])$", _old_name, name): value.float()
        for name, value in weights.items()
        if not name.endswith(".filter")
    }
    plain = {}
    for name, value in renamed.items():
        if name.endswith(".weight_v"):
            stem = name.removesuffix("_v")
            size = renamed.get(f"{stem}_g")
            if size is None or size.shape != (*value.shape[:1], *[1] * (value.ndim - 1)):
                there = "missing" if size is None else f"of shape {list(size.shape)}"
                raise VocoderError(
                    f"{name} ({list(value.shape)}) can't be used: {stem}_g is {there}.",
                    step="The checkpoint is not whole. Take it anew from its owner.",
                )
            length = value.norm(dim=tuple(range(1, value.ndim)), keepdim=True)
            plain[stem] = size * (value / length)
        elif not name.endswith(".weight_g"):
            plain[name] = value
    return plain


def _old_name(match: re.Match[str]) -> str:
    return ".weight_g" if match[1] == "0" else ".weight_v"


def _checkpoint(folder: Path) -> Path:
    for name in CHECKPOINTS:
        if (folder / name).is_file():
            return folder / name
    raise VocoderError(
        "There is no checkpoint in this folder.",
        where=folder,
        step=f"It should be named {' or '.join(CHECKPOINTS[:2])}.",
    )


def _read_weights(path: Path) -> dict[str, torch.Tensor]:
    import torch

    loaded = load_checkpoint(path)
    if isinstance(loaded, dict) and isinstance(loaded.get("generator"), dict):
        loaded = loaded["generator"]
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str)
        and isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not (value.is_quantized or value.is_complex())
        for name, value in loaded.items()
    ):
        raise VocoderError("The checkpoint holds no generator.", where=path)
    return dict(loaded)


def _check_shapes(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    other = [
        f"{name} is {list(found[name])}, not {list(shape)}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    parts = [
        f"{what}: {', '.join(names[:_SHOWN])}"
        + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        for what, names in (("missing", missing), ("unknown", extra), ("wrong shape", other))
        if names
    ]
    if parts:
        raise VocoderError(
            f"The weights don't fit the config; {'; '.join(parts)}.",
            step="Take config.json and checkpoint from the same model.",
        )
