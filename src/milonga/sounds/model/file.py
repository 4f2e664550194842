"""A sound model's file: safetensors whose metadata holds one JSON header.

A file may come from a stranger: nothing of it runs, and whatever isn't as this module writes it is
refused. The header is read without torch.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from milonga.audio.mel.spec import MelSpec
from milonga.errors import AudioError, MissingExtraError, ModelFileError
from milonga.runtime.files import write_bytes
from milonga.runtime.validation import first_error
from milonga.sounds.controls.report import ControlReport
from milonga.sounds.mel_spec import MEL_SPEC

if TYPE_CHECKING:
    import torch

    from milonga.sounds.corpus.inspection import Corpus

FORMAT: Final = "milonga-sound"
VERSION: Final = 1
"""Of the header and of the network in ``model.py``: another layout of either needs another."""
LARGEST_HEADER = 16 << 20
"""Bytes. Half a million words; a corpus of 500 recordings takes a hundredth of it."""
LARGEST_FILE = 4 << 30
_MOST_TENSORS = 10_000
_WIDTHS = {"F32": 4, "F16": 2, "I64": 8}
_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

Text = Annotated[str, Field(max_length=1_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LearntFile(_Part):
    """A recording that the model learnt from.

    Attributes:
        sha256: of its decoded samples.
        generated: whether a sound model made it.
    """

    name: Annotated[str, Field(max_length=5_000)]
    seconds: float = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    generated: bool = False


class LearntCorpus(_Part):
    """The recordings that the model learnt from: names, lengths and hashes, but no paths."""

    fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$")
    seconds: float = Field(ge=0)
    usable_seconds: float = Field(ge=0)
    files: tuple[LearntFile, ...]

    @classmethod
    def of(cls, corpus: Corpus) -> LearntCorpus:
        """What a model's file says of its corpus."""
        return cls(
            fingerprint=corpus.fingerprint,
            seconds=round(corpus.seconds, 3),
            usable_seconds=round(corpus.usable_s, 3),
            files=tuple(
                LearntFile(
                    name=file.name,
                    seconds=round(file.seconds, 3),
                    sha256=file.sha256,
                    generated=file.generated,
                )
                for file in corpus.files
            ),
        )


class ModelHeader(_Part):
    """What a model's file says of itself.

    Attributes:
        name: as its maker called it; the library may call it otherwise.
        created: date and time, ISO 8601, UTC.
        mel_spec: fields of the ``MelSpec`` it speaks.
        corpus: what it learnt from.
        architecture: what ``model.py`` needs to build it.
        training: record of the training.
        controls: by name, with measured effects.
        tags: the user's words to find it by.
        notes: the user's own.
        licence: the terms of the recordings, and so of what is made with them.
    """

    format: Literal["milonga-sound"] = FORMAT
    version: Literal[1] = VERSION
    name: Text
    created: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    mel_spec: dict[str, Any]
    corpus: LearntCorpus
    architecture: dict[str, Any]
    training: dict[str, Any] = {}
    controls: dict[str, ControlReport] = {}
    tags: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    notes: Annotated[str, Field(max_length=20_000)] = ""
    licence: Text = ""

    @property
    def spec(self) -> MelSpec:
        return MelSpec.from_dict(self.mel_spec)

    @property
    def enabled_controls(self) -> list[str]:
        """Names of the controls that work, in the model's order."""
        return [name for name, report in self.controls.items() if report.enabled]

    @property
    def corpus_text(self) -> str:
        """How much it learnt from, in words: ``12 min in 8 files``."""
        seconds, files = self.corpus.seconds, len(self.corpus.files)
        length = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
        return f"{length} in {files} file{'' if files == 1 else 's'}"


def save(path: Path, header: ModelHeader, tensors: Mapping[str, torch.Tensor]) -> None:
    """Writes a model, whole or not at all; equal arguments give equal bytes.

    Raises:
        ModelFileError: a tensor or an entry of the header could not be read again.
        OutputError: it can't be written.
        MissingExtraError: safetensors isn't installed.
    """
    try:
        from safetensors.torch import save as pack
    except ModuleNotFoundError as error:
        raise MissingExtraError("A sound model", "sounds") from error
    values = _printable(header.model_dump(mode="json"))
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise _damaged(path, f"its header can't be written ({error})") from error
    ordered = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    _check_values(path, ordered)
    data = pack(ordered, metadata={FORMAT: text})
    # What could not be read again must not replace what is there.
    _checked(path, data[:8], data[8:], len(data))
    write_bytes(path, data)


def load(path: Path) -> tuple[ModelHeader, dict[str, torch.Tensor]]:
    """Reads a model onto the processor.

    Raises:
        ModelFileError: it isn't there, is damaged, hostile, no sound model, or of another
            version; says which.
        MissingExtraError: torch or safetensors isn't installed.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load as unpack
    except ModuleNotFoundError as error:
        raise MissingExtraError("A sound model", "sounds") from error
    header = read_header(path)
    try:
        tensors: dict[str, torch.Tensor] = unpack(Path(path).read_bytes())
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, str(error)) from error
    _check_shapes(path, header, tensors)
    _check_values(path, tensors)
    return header, tensors


def read_header(path: Path) -> ModelHeader:
    """The header alone, without the tensors and without torch.

    Raises:
        ModelFileError: as ``load``, as far as the header and the length of the file tell.
    """
    path = Path(path)
    try:
        with open(path, "rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            head = handle.read(8)
            rest = handle.read(_length(path, head, size))
    except FileNotFoundError:
        raise ModelFileError(
            "There is no such file.", where=path, step="milonga sound list shows your models."
        ) from None
    except OSError as error:
        raise ModelFileError(f"It can't be read: {error.strerror or error}.", where=path) from error
    return _checked(path, head, rest, size)


def _checked(path: Path, head: bytes, rest: bytes, size: int) -> ModelHeader:
    length = _length(path, head, size)
    layout = _parse(path, rest[:length])
    return _header(path, _check_layout(path, layout, size - 8 - length))


def sound_hash(path: Path) -> str:
    """SHA-256 of all that decides how a model sounds; name, tags and notes don't.

    Raises:
        ModelFileError: as ``read_header``.
    """
    header = read_header(path)
    kept = {"mel_spec", "architecture", "controls"}
    text = json.dumps(header.model_dump(mode="json", include=kept), sort_keys=True)
    digest = hashlib.sha256(text.encode())
    with open(path, "rb") as handle:
        (length,) = struct.unpack("<Q", handle.read(8))
        layout = json.loads(handle.read(length))
        layout.pop("__metadata__")
        digest.update(json.dumps(layout, sort_keys=True).encode())
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _length(path: Path, head: bytes, size: int) -> int:
    """How long the header is."""
    if len(head) < 8:
        raise _damaged(path, f"it holds {size} bytes")
    (length,) = struct.unpack("<Q", head)
    if length > LARGEST_HEADER or size > LARGEST_FILE:
        # Read as a length, the first bytes of those formats are far beyond any.
        if head[:2] == b"PK" or head[:1] == b"\x80":
            raise ModelFileError(
                "This is a checkpoint that could run code (a pickle or a zip archive), no sound "
                "model. It was not read.",
                where=path,
                step="Ask for the model's .safetensors file.",
            )
        raise ModelFileError(
            f"This is no sound model: {'its header' if length > LARGEST_HEADER else 'it'} is "
            "larger than any can be.",
            where=path,
            step="Sound models are made by milonga sound train.",
        )
    if 8 + length > size:
        raise _damaged(path, "it ends within its header")
    return int(length)


def _parse(path: Path, block: bytes) -> dict[str, Any]:
    try:
        layout = _json(block.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            "This is no safetensors file, or it was damaged on its way.",
            where=path,
            step="Copy or download it again.",
        ) from error
    return layout


def _json(text: str) -> dict[str, Any]:
    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("an entry is there twice")
        return found

    value = json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    if not isinstance(value, dict):
        raise ValueError("this is no JSON object")
    return value


def _check_layout(path: Path, layout: dict[str, Any], data: int) -> str:
    """Checks that the tensors fill the ``data`` bytes after the header; gives our own header."""
    layout = dict(layout)
    metadata = layout.pop("__metadata__", {})
    text = metadata.get(FORMAT) if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise ModelFileError(
            "This is a safetensors file, but no sound model of milonga.",
            where=path,
            step="Sound models are made by milonga sound train.",
        )
    if not 0 < len(layout) <= _MOST_TENSORS:
        raise _damaged(path, f"it holds {len(layout)} tensors")
    spans = []
    for name, entry in layout.items():
        try:
            width, shape = _WIDTHS[entry["dtype"]], entry["shape"]
            first, last = entry["data_offsets"]
            whole = all(type(n) is int and n >= 0 for n in (*shape, first, last))
            if not whole or last - first != width * math.prod(shape):
                raise ValueError
        except (KeyError, TypeError, ValueError):
            raise _damaged(path, f"tensor {_short(name)} has an impossible type or shape") from None
        spans.append((first, last))
    edges = [0, *(edge for span in sorted(spans) for edge in span), data]
    if any(edges[index] != edges[index + 1] for index in range(0, len(edges), 2)):
        raise _damaged(path, f"its tensors don't fill its {data} bytes of data")
    return text


def _header(path: Path, text: str) -> ModelHeader:
    try:
        values = _json(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "its header can't be read") from error
    if values.get("format") != FORMAT:
        raise _damaged(path, "its header is not that of a sound model")
    version = values.get("version")
    if version != VERSION or type(version) is not int:
        newer = isinstance(version, int) and version > VERSION
        raise ModelFileError(
            f"It has the format version {_short(version)}; this milonga reads version {VERSION}.",
            where=path,
            step="Update milonga." if newer else "Ask its maker for it in a current version.",
        )
    if _printable(values) != values:
        raise _damaged(path, "its header holds control characters")
    try:
        header = ModelHeader.model_validate(values)
        if names := MEL_SPEC.differences(header.spec):
            raise _damaged(path, f"its mel differs from that of version 1 in {', '.join(names)}")
    except ValidationError as error:
        field, message = first_error(error)
        raise _damaged(path, f"{_short(field)} in its header: {message}") from error
    except AudioError as error:
        raise _damaged(path, f"mel_spec in its header: {error.message}") from error
    return header


def _check_shapes(path: Path, header: ModelHeader, tensors: Mapping[str, torch.Tensor]) -> None:
    """Checks the tensors against the network that the architecture describes."""
    import torch

    from milonga.sounds.model.network import Architecture, SoundNet

    try:
        shape = Architecture.from_dict(header.architecture)
    except ModelFileError as error:
        raise _damaged(path, error.message) from error
    # What the residual blocks alone need: nothing is allocated that the file doesn't hold.
    least = sum(
        6 * width**2 * count for width, count in zip(shape.widths, shape.blocks, strict=True)
    )
    if least > sum(tensor.numel() for tensor in tensors.values()):
        raise _damaged(path, "its architecture is larger than its tensors")
    with torch.random.fork_rng(devices=[]):
        expected = SoundNet(shape).state_dict()
    for name, tensor in expected.items():
        found = tensors.get(name)
        if found is None or found.shape != tensor.shape or found.dtype != tensor.dtype:
            raise _damaged(path, f"tensor {_short(name)} is not what its architecture says")


def _check_values(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    import torch

    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise _damaged(path, f"tensor {_short(name)} holds NaN or infinite values")


def _printable(value: Any) -> Any:
    """Plain values without characters that could take over a terminal; line ends stay."""
    if isinstance(value, str):
        return "".join("\ufffd" if _is_control(letter) else letter for letter in value)
    if isinstance(value, dict):
        return {_printable(key): _printable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_printable(entry) for entry in value]
    return value


def _is_control(letter: str) -> bool:
    if letter in "\n\t":
        return False
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in _OVERRIDES


def _short(value: object) -> str:
    text = _printable(str(value))
    return repr(text if len(text) <= 60 else text[:57] + "...")


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(
        f"This sound model is damaged: {why.rstrip('.')}.",
        where=path,
        step="Copy or download it again, or train it anew.",
    )
