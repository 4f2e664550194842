"""Reading weights so that no file can run code.

Pickled checkpoints may call any function on loading; torch's restricted unpickler allows tensors
and plain containers alone. Versions of torch before 2.6 could be tricked out of that restriction
(CVE-2025-32434), so they are refused.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html#weights-only
"""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga._installed import install_command
from milonga.errors import (
    DamagedFileError,
    UnsafeFileError,
    WeightsError,
    needs_extra,
)
from milonga.runtime.documents import parse_json
from milonga.runtime.memory import raise_if_short

if TYPE_CHECKING:
    import numpy as np

_NAMED = re.compile(r"GLOBAL ([\w.]+)|class ([\w.]+)|[Uu]nsupported (?:global|class|operand)")
_OLDEST_TORCH = (2, 6)


def load_checkpoint(path: str | os.PathLike[str]) -> Any:
    """Read tensors onto the processor.

    Args:
        path: ``.safetensors``, or a checkpoint of ``torch.save`` under any name.

    Returns:
        For safetensors a dict of tensors by name; otherwise the saved object: tensors in dicts,
        lists and the like. Where the format allows, tensors are read from the disk as they are
        used (memory-mapped), so the file must stay as it is meanwhile.

    Raises:
        UnsafeFileError: reading it would need to run code of the file's choosing.
        DamagedFileError: it isn't there, or is truncated, or no checkpoint.
        MissingExtraError: torch or safetensors isn't installed.
    """
    path = Path(path)
    if not path.is_file():
        raise DamagedFileError(
            "This file is not there.",
            where=path,
            step="milonga weights list shows what is on this machine.",
        )
    refuse_placeholder(path)
    if path.suffix == ".safetensors":
        return _load_safetensors(path)
    return _load_pickle(path)


def refuse_placeholder(path: Path) -> None:
    """Refuse what stands in the place of weights that did not arrive.

    Raises:
        DamagedFileError: it is the pointer that git leaves without Git LFS, or a web page.
    """
    try:
        with path.open("rb") as handle:
            start = handle.read(64).lstrip().lower()
    except OSError:
        return
    if start.startswith(b"version https://git-lfs"):
        raise DamagedFileError(
            "This is a pointer of Git LFS; the file itself was not fetched.",
            where=path,
            step="Run in its folder: git lfs install && git lfs pull",
        )
    if start.startswith((b"<!doctype html", b"<html")):
        raise DamagedFileError(
            "This is a web page, perhaps of a login; the file itself was not fetched.",
            where=path,
            step="Download it again, with milonga weights get or from its owner's page.",
        )


def load_json(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a model's configuration.

    Raises:
        DamagedFileError: it isn't there, or holds no JSON object.
    """
    path = Path(path)
    try:
        document = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise_if_short(error)
        raise _damaged(path, f"This is no JSON file: {error}.") from error
    if not isinstance(document, dict):
        raise _damaged(path, "This holds no JSON object.")
    return document


def load_array(path: str | os.PathLike[str]) -> np.ndarray[Any, np.dtype[Any]]:
    """Read a ``.npy`` array; one that holds pickled objects is refused.

    Raises:
        UnsafeFileError: it holds Python objects.
        DamagedFileError: it isn't there, or no array.
    """
    from milonga.runtime.arrays import HoldsObjectsError, NoArrayError, read_arrays

    path = Path(path)
    try:
        array = read_arrays(path, ())
    except HoldsObjectsError as error:
        raise _unsafe(path, "") from error
    except (NoArrayError, FileNotFoundError) as error:
        raise _damaged(path, f"This array can't be read: {error}.") from error
    if isinstance(array, dict):
        raise _damaged(path, "This is a collection of arrays, not one.")
    return array


def _load_safetensors(path: Path) -> Any:
    with needs_extra("Loading a model", "models"):
        from safetensors.torch import load_file
    try:
        return load_file(path, device="cpu")
    except Exception as error:
        raise_if_short(error)
        raise _damaged(path, f"This is no whole safetensors file: {error}.") from error


def _load_pickle(path: Path) -> Any:
    with needs_extra("Loading a model", "models"):
        import torch
    version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
    if version < _OLDEST_TORCH:
        raise WeightsError(
            f"torch {torch.__version__} can be tricked into running code when it loads a file.",
            where=path,
            step=f"Run: {install_command('models', upgrade=True)}",
        )
    # Only the zip format (torch 1.6 and later) can be memory-mapped.
    mapped = zipfile.is_zipfile(path)
    try:
        with warnings.catch_warnings():
            # Of newer pickle protocols: what can't be read raises, the rest is no news.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            return torch.load(str(path), map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        # Text and noise are refused, too, as operations that the unpickler doesn't know.
        found = _NAMED.search(str(error))
        if found and (mapped or _starts_as_pickle(path)):
            raise _unsafe(path, found[1] or found[2] or "") from error
        raise _damaged(path, "This is no checkpoint that torch knows.") from error
    except Exception as error:
        # Of damage, torch, pickle, struct and zipfile each raise errors of their own.
        raise_if_short(error)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise _damaged(path, f"This checkpoint can't be read: {reason.rstrip('.')}.") from error


def _starts_as_pickle(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(1) == pickle.PROTO


def _unsafe(path: Path, name: str) -> UnsafeFileError:
    what = f" (it asks for {name})" if name else ""
    return UnsafeFileError(
        f"Reading this file would mean letting it run code{what}. It was not read, and nothing "
        "of it ran.",
        where=path,
        step="Don't use it. Take the model from its owner's repository: milonga weights verify "
        "--repair fetches a file anew that is not what was downloaded. A checkpoint of your own "
        "is safe as .safetensors.",
    )


def _damaged(path: Path, message: str) -> DamagedFileError:
    return DamagedFileError(
        message,
        where=path,
        step="milonga weights verify finds what is wrong, with --repair it fetches that anew.",
    )
