"""Tensor files: safetensors whose metadata holds one JSON header of ours.

A file may come from a stranger. Nothing of it runs; the header is bounded, strict JSON, and read
without torch; the parser of safetensors checks the layout of the tensors when they are read.

Source: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga.errors import MilongaError, needs_extra
from milonga.runtime.documents import parse_json
from milonga.runtime.files import atomic_path, read_refusal, write_bytes
from milonga.runtime.memory import raise_if_short

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_HEADER = 16 << 20
"""Bytes. Half a million words; a corpus of 500 recordings takes a hundredth of it."""
LARGEST_FILE = 4 << 30


@dataclass(frozen=True, slots=True)
class TensorHead:
    """The beginning of a tensor file.

    Attributes:
        header: ours.
        layout: type, shape and place of each tensor, as safetensors has them.
        data_start: bytes before the tensors.
    """

    header: dict[str, Any]
    layout: dict[str, Any]
    data_start: int


@dataclass(frozen=True, slots=True)
class TensorFormat:
    """A kind of tensor file, and the errors that explain a bad one.

    Attributes:
        key: of our header in the metadata.
        name: for messages: "sound model".
        error: is raised for a bad file.
        repair: how to fix a damaged one.
        version: of the header.
        version_field: its field that says so.
        problem: begins the message of a damaged file.
        origin: where such files come from.
        missing: how to find one that isn't there.
        largest: bytes of a file.
    """

    key: str
    name: str
    error: type[MilongaError]
    repair: str
    version: int = 1
    version_field: str = "version"
    problem: str = ""
    origin: str | None = None
    missing: str | None = None
    largest: int = LARGEST_FILE

    def damaged(self, path: Path, why: str) -> MilongaError:
        """The error of a file that can't be used."""
        first = (why.strip() or "no reason given").splitlines()[0].rstrip(".")
        problem = self.problem or f"This {self.name} is damaged"
        return self.error(f"{problem}: {first}.", where=path, step=self.repair)

    def unreadable(self, path: Path, fault: OSError) -> MilongaError:
        """The error of a file that the system doesn't let us read."""
        message, step = read_refusal(fault, f"This {self.name}")
        return self.error(message, where=path, step=step)

    def save(
        self,
        path: Path,
        header: dict[str, Any],
        tensors: Mapping[str, Tensor],
        *,
        streamed: bool = False,
    ) -> None:
        """Write a file, whole or not at all; equal arguments give equal bytes.

        Args:
            path: the file.
            header: plain values, without the version.
            tensors: by name.
            streamed: write large ones without a copy in memory. A kill may leave a temporary
                file behind.

        Raises:
            MilongaError: the header holds NaN or is too long to be read again.
            OutputError: it can't be written.
            MissingExtraError: safetensors isn't installed.
        """
        with self._extra():
            from safetensors.torch import save, save_file
        values = {**header, self.version_field: self.version}
        try:
            text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            raise self.damaged(path, f"its header can't be written ({error})") from error
        if 2 * len(text.encode()) > LARGEST_HEADER:
            raise self.damaged(path, "its header would be too long")
        flat = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
        if streamed:
            with atomic_path(path) as temporary:
                save_file(flat, temporary, {self.key: text})
        else:
            write_bytes(path, save(flat, {self.key: text}))

    def load(self, path: Path, *, mapped: bool = False) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Read a file: its header, and its tensors on the processor.

        Args:
            path: the file.
            mapped: leave the tensors on the disk until they are used.

        Raises:
            MilongaError: the one of this format; says what is wrong with the file.
            MissingExtraError: torch or safetensors isn't installed.
        """
        with self._extra():
            from safetensors import SafetensorError
            from safetensors.torch import load, load_file
        header = self.read_head(path).header
        try:
            return header, load_file(path) if mapped else load(Path(path).read_bytes())
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise_if_short(error)
            raise self.damaged(path, str(error)) from error

    def read_head(self, path: Path) -> TensorHead:
        """Read the beginning alone, without torch.

        Raises:
            MilongaError: the one of this format, as far as the header and the length of the file
                tell.
        """
        try:
            with open(path, "rb") as handle:
                size = os.fstat(handle.fileno()).st_size
                length = self._length(path, handle.read(8), size)
                block = handle.read(length)
        except FileNotFoundError:
            raise self.error(
                f"There is no such {self.name}.", where=path, step=self.missing
            ) from None
        except OSError as error:
            raise_if_short(error)
            raise self.unreadable(path, error) from error
        try:
            layout = _json(block)
            text = (layout.pop("__metadata__", None) or {}).get(self.key)
            end = max((int(entry["data_offsets"][1]) for entry in layout.values()), default=0)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as e:
            raise self.damaged(path, "its beginning is not that of a safetensors file") from e
        if not isinstance(text, str):
            raise self.error(
                f"This is a safetensors file, but no {self.name} of milonga.",
                where=path,
                step=self.origin,
            )
        if end != size - 8 - length:
            raise self.damaged(path, f"it holds {size - 8 - length} bytes of tensors, not {end}")
        try:
            header = _json(text)
        except ValueError as error:
            raise self.damaged(path, "its header can't be read") from error
        self._check_version(path, header)
        return TensorHead(header, layout, 8 + length)

    def _length(self, path: Path, head: bytes, size: int) -> int:
        """The length of the header."""
        if len(head) < 8:
            raise self.damaged(path, f"it holds {size} bytes")
        (length,) = struct.unpack("<Q", head)
        if length > LARGEST_HEADER or size > self.largest:
            # Read as a length, the first bytes of those formats are far beyond any.
            if head[:2] == b"PK" or head[:1] == b"\x80":
                raise self.error(
                    "This is a checkpoint that could run code (a pickle or a zip archive), no "
                    f"{self.name}. It was not read.",
                    where=path,
                    step="Ask for a .safetensors file.",
                )
            raise self.error(
                f"This is no {self.name}, or one whose beginning is damaged.",
                where=path,
                step=self.repair,
            )
        if 8 + length > size:
            raise self.damaged(path, "it ends within its header")
        return int(length)

    def _check_version(self, path: Path, header: dict[str, Any]) -> None:
        found = header.get(self.version_field)
        if type(found) is int and found == self.version:
            return
        newer = isinstance(found, int) and found > self.version
        raise self.error(
            f"It has the format version {repr(found)[:20]}; this milonga reads version "
            f"{self.version}.",
            where=path,
            step="Update milonga." if newer else "Ask its maker for it in a current version.",
        )

    def _extra(self) -> AbstractContextManager[None]:
        return needs_extra(f"A {self.name}", "sounds")


def _json(text: str | bytes) -> dict[str, Any]:
    """An object of strict JSON: no NaN, no entry twice."""

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("an entry is there twice")
        return found

    value = parse_json(text, parse_constant=refuse, object_pairs_hook=unique)
    if not isinstance(value, dict):
        raise ValueError("this is no JSON object")
    return value
