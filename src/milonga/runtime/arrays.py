"""NumPy files (``.npy``, ``.npz``), which may come from a stranger: whole, or refused by one error.

NumPy and ``zipfile`` have some fifteen kinds of errors for damage, and ask for all the memory that
a header names before they look whether the numbers are there.

Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import IO, Any

from numpy.lib import format as layout
from numpy.typing import NDArray

from milonga.runtime.memory import available_memory, raise_if_short
from milonga.runtime.words import size_text

Array = NDArray[Any]


class NoArrayError(Exception):
    """A file can't be read; the text is the reason, without a full stop."""


class HoldsObjectsError(NoArrayError):
    """Reading it would let it run code."""


def read_arrays(path: str | os.PathLike[str], names: Sequence[str]) -> Array | dict[str, Array]:
    """Read the array of a ``.npy``, or those arrays of a ``.npz`` that it has of ``names``.

    Raises:
        FileNotFoundError: there is no such file.
        NoArrayError: it can't be read.
        MemoryError: memory ran out.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise NoArrayError("it is no file")
    try:
        with path.open("rb") as handle, warnings.catch_warnings():
            # Of headers that Python 2 wrote.
            warnings.simplefilter("ignore", UserWarning)
            if handle.read(2) != b"PK":
                return _read(handle, os.fstat(handle.fileno()).st_size)
            with zipfile.ZipFile(handle) as archive:
                return {name: _member(archive, name) for name in names if _has(archive, name)}
    except (FileNotFoundError, NoArrayError):
        raise
    except OSError as error:
        raise_if_short(error)
        raise NoArrayError(error.strerror or str(error)) from error
    except Exception as error:
        raise_if_short(error)
        raise NoArrayError(str(error)[:200].rstrip(".") or type(error).__name__) from error


def _has(archive: zipfile.ZipFile, name: str) -> bool:
    return f"{name}.npy" in archive.namelist()


def _member(archive: zipfile.ZipFile, name: str) -> Array:
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as handle:
        return _read(handle, info.file_size)


def _read(handle: IO[bytes], size: int) -> Array:
    handle.seek(0)
    version = layout.read_magic(handle)
    if version not in ((1, 0), (2, 0)):
        raise NoArrayError(f"it has the unknown version {version[0]}.{version[1]}")
    header = layout.read_array_header_1_0 if version == (1, 0) else layout.read_array_header_2_0
    shape, _, kind = header(handle)
    if kind.hasobject:
        raise HoldsObjectsError("it holds Python objects, which could run code")
    needed = kind.itemsize * prod(shape)
    if min(shape, default=0) < 0 or handle.tell() + needed > size:
        raise NoArrayError("it ends before its numbers do")
    if needed > (free := available_memory()):
        raise NoArrayError(f"it takes {size_text(needed)}, and {size_text(free)} are free")
    handle.seek(0)
    array: Array = layout.read_array(handle, allow_pickle=False)
    return array
