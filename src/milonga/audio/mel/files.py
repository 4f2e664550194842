"""Mel files: a NumPy archive (``.npz``) that holds the values and their ``MelSpec``."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import all_finite
from milonga.audio.mel.spec import MelSpec
from milonga.audio.reading.opening import on_disk
from milonga.audio.reading.standard_input import DASH
from milonga.errors import AudioError
from milonga.runtime.arrays import NoArrayError, read_arrays
from milonga.runtime.documents import parse_json
from milonga.runtime.files import write_bytes

_FORMAT = "milonga-mel-1"
_SUFFIXES, _MAGIC = (".npz", ".npy"), (b"PK\x03\x04", b"\x93NUMPY")


@dataclass(frozen=True, eq=False, slots=True)
class Mel:
    """Mel-spectrograms and their convention.

    Attributes:
        values: float32 ``[channels, n_mels, frames]``.
        spec: what the values mean.
        samples: length of the audio that was analysed, where known.

    Raises:
        AudioError: the values have another shape or type than the spec says, or hold NaN or
            infinite values.
    """

    values: NDArray[np.float32]
    spec: MelSpec
    samples: int | None = None

    def __post_init__(self) -> None:
        values = self.values
        if values.dtype != np.float32:
            raise AudioError(f"Mel values are {values.dtype}, not float32.")
        if values.ndim != 3 or values.shape[1] != self.spec.n_mels or not values.shape[0]:
            raise AudioError(
                f"Mel values of shape {values.shape} aren't "
                f"[channels, {self.spec.n_mels} bands, frames]."
            )
        if not all_finite(values):
            raise AudioError("Mel values hold NaN or infinite values.")
        if self.samples is not None and not (type(self.samples) is int and self.samples >= 0):
            raise AudioError(f"Mel values can't be of {str(self.samples)[:20]} samples.")


def write_mel(path: str | os.PathLike[str], mel: Mel) -> None:
    """Write a mel file, whole or not at all.

    Raises:
        OutputError: it can't be written.
    """
    header = {"format": _FORMAT, "spec": mel.spec.to_dict(), "samples": mel.samples}
    buffer = io.BytesIO()
    np.savez(buffer, mel=mel.values, header=np.array(json.dumps(header)))
    write_bytes(path, buffer.getvalue())


def is_mel(path: str | os.PathLike[str]) -> bool:
    """Tell a mel file from a recording: by its suffix, or what comes through standard input (-)."""
    if Path(path) != DASH:
        return Path(path).suffix.lower() in _SUFFIXES
    with open(on_disk(path), "rb") as handle:
        return handle.read(6).startswith(_MAGIC)


def read_mel(path: str | os.PathLike[str], spec: MelSpec | None = None) -> Mel:
    """Read a mel file.

    Args:
        path: ``.npz`` as ``write_mel`` makes it, or a bare array ``.npy`` of
            ``[n_mels, frames]`` or ``[channels, n_mels, frames]``; ``-`` is standard input.
        spec: the convention of a bare array; one of a ``.npz`` must agree with it.

    Raises:
        AudioError: it can't be read, is no mel file, carries no spec or another one.
    """
    path = Path(path)
    try:
        loaded = read_arrays(on_disk(path), ("mel", "header"))
        if isinstance(loaded, np.ndarray):
            return _bare(loaded, spec)
        header = parse_json(str(loaded["header"]))
        if header["format"] != _FORMAT:
            raise AudioError(f"It has the unknown format {str(header['format'])[:40]!r}.")
        mel = Mel(loaded["mel"], MelSpec.from_dict(header["spec"]), header["samples"])
    except FileNotFoundError:
        raise AudioError("There is no such file.", where=path) from None
    except AudioError as error:
        raise AudioError(error.message, where=path, step=error.step) from None
    except (NoArrayError, ValueError, KeyError, TypeError) as error:
        lacks = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise AudioError(
            f"This is not a mel file that milonga wrote ({lacks}).",
            where=path,
            step="Use the .npz that milonga writes, or .npy with the name of its convention.",
        ) from None
    if spec is not None and (names := spec.differences(mel.spec)):
        raise AudioError(
            f"It carries another convention than the one given: {', '.join(names)} differ.",
            where=path,
        )
    return mel


def _bare(values: NDArray[np.float32], spec: MelSpec | None) -> Mel:
    if spec is None:
        raise AudioError(
            "A bare array does not say what its numbers mean.",
            step="Name the convention of its values, for example 'tacotron-22k-80band'.",
        )
    if values.dtype.kind != "f":
        raise AudioError(f"Mel values are {values.dtype}, not floating point.")
    if values.ndim == 2:
        values = values[np.newaxis]
    return Mel(np.ascontiguousarray(values, dtype=np.float32), spec)
