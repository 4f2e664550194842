"""A sound model's file: a tensor file of the network, its latents and a header.

A file may come from a stranger: nothing of it runs, and whatever isn't as this module writes it is
refused. The header is read without torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from milonga.errors import AudioError, ModelFileError
from milonga.runtime.record import first_error
from milonga.runtime.tensor_file import TensorFormat
from milonga.runtime.words import CONTROL
from milonga.sounds.mel_spec import MEL_SPEC
from milonga.sounds.model.architecture import Architecture
from milonga.sounds.model.header import FORMAT, VERSION, ModelHeader

if TYPE_CHECKING:
    import torch

_FILE = TensorFormat(
    FORMAT,
    "sound model",
    ModelFileError,
    version=VERSION,
    repair="Copy or download it again, or train it anew.",
    origin="Sound models are made by milonga sound train.",
    missing="milonga sound list shows your models.",
)
_MOST_TENSORS = 10_000


def save(path: Path, header: ModelHeader, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a model, whole or not at all; equal arguments give equal bytes.

    Raises:
        ModelFileError: a tensor or an entry of the header could not be read again.
        OutputError: it can't be written.
        MissingExtraError: safetensors isn't installed.
    """
    values = _printable(header.model_dump(mode="json"))
    # What could not be read again must not replace what is there.
    _header(path, values)
    _check_values(path, tensors)
    _FILE.save(path, values, tensors)


def load(path: Path) -> tuple[ModelHeader, dict[str, torch.Tensor]]:
    """Read a model onto the processor.

    Raises:
        ModelFileError: it isn't there, is damaged, hostile, no sound model, or of another
            version; says which.
        MissingExtraError: torch or safetensors isn't installed.
    """
    values, tensors = _FILE.load(path)
    header = _header(path, values)
    _check_values(path, tensors)
    _check_shapes(path, header, tensors)
    return header, tensors


def read_header(path: Path) -> ModelHeader:
    """Read the header alone, without the tensors and without torch.

    Raises:
        ModelFileError: as ``load``, as far as the header and the length of the file tell.
    """
    return _header(path, _FILE.read_head(path).header)


def sound_hash(path: Path) -> str:
    """SHA-256 of all that decides how a model sounds; name, tags and notes don't.

    Raises:
        ModelFileError: as ``read_header``.
    """
    head = _FILE.read_head(path)
    _header(path, head.header)
    kept = {name: head.header[name] for name in ("mel_spec", "architecture", "controls")}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    digest.update(json.dumps(head.layout, sort_keys=True).encode())
    with open(path, "rb") as handle:
        handle.seek(head.data_start)
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _header(path: Path, values: dict[str, Any]) -> ModelHeader:
    if _printable(values) != values:
        raise _FILE.damaged(path, "its header holds control characters")
    try:
        header = ModelHeader.model_validate(values)
        if names := MEL_SPEC.differences(header.spec):
            raise _FILE.damaged(
                path, f"its mel differs from that of version 1 in {', '.join(names)}"
            )
        Architecture.from_dict(header.architecture)
    except ValidationError as error:
        field, message = first_error(error)
        raise _FILE.damaged(path, f"{_short(field)} in its header: {message}") from error
    except AudioError as error:
        raise _FILE.damaged(path, f"mel_spec in its header: {error.message}") from error
    except ModelFileError as error:
        raise _FILE.damaged(path, error.message) from error
    return header


def _check_shapes(path: Path, header: ModelHeader, tensors: Mapping[str, torch.Tensor]) -> None:
    """Check the tensors against the network that the architecture describes."""
    import torch

    from milonga.sounds.model.network import SoundNet

    shape = Architecture.from_dict(header.architecture)
    # What the residual blocks alone need: nothing is allocated that the file doesn't hold.
    least = sum(
        6 * width**2 * count for width, count in zip(shape.widths, shape.blocks, strict=True)
    )
    if least > sum(tensor.numel() for tensor in tensors.values()):
        raise _FILE.damaged(path, "its architecture is larger than its tensors")
    with torch.random.fork_rng(devices=[]):
        expected = SoundNet(shape).state_dict()
    for name, tensor in expected.items():
        found = tensors.get(name)
        if found is None or found.shape != tensor.shape or found.dtype != tensor.dtype:
            raise _FILE.damaged(path, f"tensor {_short(name)} is not what its architecture says")


def _check_values(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    import torch

    if not 0 < len(tensors) <= _MOST_TENSORS:
        raise _FILE.damaged(path, f"it holds {len(tensors)} tensors")
    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.float32, torch.float16, torch.int64):
            raise _FILE.damaged(path, f"tensor {_short(name)} has an unknown type")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise _FILE.damaged(path, f"tensor {_short(name)} holds NaN or infinite values")


def _printable(value: Any) -> Any:
    """Plain values without characters that could take over a terminal; line ends stay."""
    if isinstance(value, str):
        return CONTROL.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_printable(key): _printable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_printable(entry) for entry in value]
    return value


def _short(value: object) -> str:
    text = _printable(str(value))
    return repr(text if len(text) <= 60 else text[:57] + "...")
