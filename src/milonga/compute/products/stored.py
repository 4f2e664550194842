"""An int8 copy of a model's weights on the disk: rounding billions of numbers takes longer than
reading them, and the copy is half or a quarter of what they came as.

A copy is a safetensors file that begins with the hash of what it was made from and the hash of its
own tensors. It is written layer by layer, so that no more than one is in memory, and read mapped.
A copy that is damaged, or of other files, is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import torch

from milonga.compute.products.linear import Product, Rows, make_integer
from milonga.compute.products.making import LayerMaker, joined
from milonga.compute.products.quantise import quantise_weight
from milonga.errors import OutputError
from milonga.runtime.files import atomic_path
from milonga.runtime.memory import let_go
from milonga.runtime.places import copies_folder, copy_stem
from milonga.runtime.progress import Progress
from milonga.runtime.tensor_file import TensorFormat

_METHOD = "largest magnitude of a row is 127"
"""How the numbers were rounded; copies made otherwise are made anew."""
_HEAD = 1 << 20
"""Bytes kept free for the layout, which is known only at the end."""
_BLOCK = 1 << 24
_KINDS = {torch.int8: "I8", torch.float32: "F32"}

FORMAT = TensorFormat(
    key="milonga_int8",
    name="int8 copy",
    error=OutputError,
    repair="Delete it; it will be made anew.",
    largest=1 << 40,
)


def copy_file(name: str, source: str) -> Path:
    """The place of a model's copy, in the folder of the user's data: never among downloads.

    Args:
        name: of the network, such as ``ace-step transformer``.
        source: the hash of its files.
    """
    return copies_folder() / f"{copy_stem(name)}-{source[:16]}.safetensors"


class StoredLayerMaker(LayerMaker):
    """Makes int8 layers from a copy; where there is none, or no whole one, makes that, too.

    Use it within ``open_copy``.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        super().__init__("int8", progress)
        self.tensors: dict[str, torch.Tensor] | None = None
        self.writer: _Writer | None = None

    def numbers(
        self, name: str, weights: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give weights ``[N, K]`` with one input, side by side, as int8 numbers and scales.

        Args:
            name: of the product, unique in the model.
            weights: left unread where the copy has them.

        Raises:
            Cancelled: the user stopped it.
        """
        self.check()
        if self.tensors is not None and f"{name}.weight" in self.tensors:
            return self.tensors[f"{name}.weight"], self.tensors[f"{name}.scale"].clone()
        weight = weights[0] if len(weights) == 1 else torch.cat(list(weights))
        whole, scale = quantise_weight(weight)
        if self.writer is not None:
            self.writer.add(f"{name}.weight", whole)
            self.writer.add(f"{name}.scale", scale)
        return whole, scale

    def make(self, name: str, *layers: torch.nn.Linear, rows: Rows = "many") -> Product:
        known = None if self.tensors is None else self.tensors.get(f"{name}.weight")
        if known is None or self.tensors is None:
            self.check()
            weight, bias = joined(layers)
            whole, scale = quantise_weight(weight)
            if self.writer is not None:
                self.writer.add(f"{name}.weight", whole)
                self.writer.add(f"{name}.scale", scale)
            made = make_integer(whole, scale, bias, rows)
            self.count(made)
            return made
        self.check()
        bias = joined(layers, weights=False)[1]
        made = make_integer(known, self.tensors[f"{name}.scale"].clone(), bias, rows)
        if rows == "many":
            # It was packed; for few rows the file's own numbers are used.
            let_go(known.data_ptr(), known.nbytes)
        return made


@contextlib.contextmanager
def open_copy(
    path: Path, source: str, progress: Progress | None = None
) -> Iterator[StoredLayerMaker]:
    """Give a maker of int8 layers that reads the copy, or writes it as the layers are made. Where
    the disk refuses it, the layers are made without.

    Args:
        path: from ``copy_file``.
        source: hash of the files that the model was loaded from.
        progress: shows the check, and stops it.

    Raises:
        Cancelled: the user stopped it; no copy is left then.
    """
    maker = StoredLayerMaker(progress)
    maker.tensors = _read(path, source, progress)
    if maker.tensors is not None:
        yield maker
        return
    entered = made = False
    try:
        with atomic_path(path) as temporary, open(temporary, "wb") as handle:
            maker.writer = writer = _Writer(handle, source)
            entered = True
            yield maker
            made, maker.writer = True, None
            writer.finish()
    except (OSError, OutputError):
        if entered and not made:
            raise
        logging.getLogger("milonga").warning("No int8 copy at %s", path, exc_info=True)
    if not entered:
        yield maker


class _Writer:
    """A safetensors file whose tensors come one after the other."""

    def __init__(self, handle: IO[bytes], source: str) -> None:
        self._handle, self._source = handle, source
        self._hash, self._at = hashlib.sha256(), 0
        self._layout: dict[str, Any] = {}
        self._failed: OSError | None = None
        handle.write(bytes(8 + _HEAD))

    def add(self, name: str, tensor: torch.Tensor) -> None:
        """Append a tensor. A disk that is full shows in ``finish``: the layers are made first."""
        if self._failed is not None:
            return
        data = tensor.contiguous().numpy().view("u1").reshape(-1).data
        self._layout[name] = {
            "dtype": _KINDS[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [self._at, self._at + len(data)],
        }
        self._at += len(data)
        self._hash.update(data)
        try:
            self._handle.write(data)
        except OSError as error:
            self._failed = error

    def finish(self) -> None:
        """Write the head."""
        if self._failed is not None:
            raise self._failed
        ours = {
            "source": self._source,
            "method": _METHOD,
            "sha256": self._hash.hexdigest(),
            FORMAT.version_field: FORMAT.version,
        }
        layout = {"__metadata__": {FORMAT.key: json.dumps(ours)}, **self._layout}
        text = json.dumps(layout).encode()
        if len(text) > _HEAD:
            raise OSError("the layout of the int8 copy is too long")
        self._handle.seek(0)
        self._handle.write(_HEAD.to_bytes(8, "little") + text.ljust(_HEAD))
        self._handle.flush()


def _read(path: Path, source: str, progress: Progress | None) -> dict[str, torch.Tensor] | None:
    """The tensors of a copy, mapped; None without one, or if it isn't whole or of these files."""
    if not path.is_file():
        return None
    try:
        head = FORMAT.read_head(path)
        header = head.header
        if (header.get("source"), header.get("method")) != (source, _METHOD):
            return None
        found, size = hashlib.sha256(), path.stat().st_size - head.data_start
        shown = (progress or Progress()).task("Checking the int8 copy", size, "B")
        with open(path, "rb") as handle, shown as task:
            handle.seek(head.data_start)
            while block := handle.read(_BLOCK):
                found.update(block)
                task.advance(len(block))
                if progress is not None:
                    progress.check()
        if found.hexdigest() != header.get("sha256"):
            raise FORMAT.damaged(path, "its tensors are not those that were written")
        return FORMAT.load(path, mapped=True)[1]
    except (OSError, OutputError):
        logging.getLogger("milonga").warning("%s is made anew", path, exc_info=True)
        return None
