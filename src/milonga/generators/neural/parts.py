"""The parts of a model, of which one is at work at a time."""

from __future__ import annotations

import contextlib
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from milonga import weights
from milonga.compute.products.precision import Precision
from milonga.generators.neural.loading import (
    load_tokenizer,
    loading_explained,
    quiet_transformers,
    refuse_lacking,
)
from milonga.runtime.memory import available_memory

if TYPE_CHECKING:
    import torch

    from milonga.compute.products.linear import Rows

_PLENTY = 8_000_000_000
"""Bytes that must be free beside a part that is kept: more than the largest part takes."""
_STEM = "diffusion_pytorch_model.safetensors"
_INNER = "model."
"""Before the names of a language model's tensors, except where the odds of words aren't there."""


class TakingTurns(ABC):
    """The parts of a model in memory one at a time, such as a text encoder and a decoder.

    On the processor a part is read from the disk for its turn and let go after it: its tensors are
    the file's own, mapped into memory, so that costs little and the memory needed is that of the
    largest part. Parts that kernels are packed for stay where there is memory in plenty, so that
    the next take needs no packing. For an accelerator the parts stay in the machine's memory and
    are moved.

    Args:
        folder: of the files.
        name: what the user calls the model.
        device: ``cpu``, ``cuda:0``, ``mps``.
        dtype: of the largest part.

    Attributes:
        precision: of the transformer's weights on a processor.
        packed: parts that kernels are packed for.
    """

    packed: ClassVar[frozenset[str]] = frozenset({"decoder"})

    def __init__(self, folder: Path, name: str, device: str, dtype: torch.dtype) -> None:
        self.folder, self.name, self.device, self.dtype = folder, name, device, dtype
        self.precision: Precision = "float32"
        self._kept: dict[str, Any] = {}

    @abstractmethod
    def load(self, part: str) -> Any:
        """Load a part from its files."""

    @contextlib.contextmanager
    def at_work(self, part: str) -> Iterator[Any]:
        """One part on the device, for the time of the block.

        Raises:
            GeneratorError: its files are damaged or lack something.
        """
        model = self._kept.get(part)
        if model is None:
            model = self.load(part)
            if self.device != "cpu":
                self._kept[part] = model
        try:
            yield model.to(self.device)
        finally:
            if self.device != "cpu":
                model.to("cpu")
            elif part in self.packed and available_memory() >= _PLENTY:
                self._kept[part] = model
            else:
                self._kept.pop(part, None)

    def config(self, part: str) -> dict[str, Any]:
        """A part's configuration."""
        file = "scheduler_config.json" if part == "scheduler" else "config.json"
        return weights.load_json(self.folder / part / file)

    def tokenizer(self) -> Any:
        """The tokenizer of the text encoder.

        Raises:
            GeneratorError: it can't be loaded.
        """
        return load_tokenizer(self.folder / "tokenizer", self.name)

    def tensors(
        self, part: str, wanted: Mapping[str, torch.Size] | None = None
    ) -> dict[str, torch.Tensor]:
        """A part's tensors, by diffusers' names.

        Args:
            part: its folder.
            wanted: the shape of each, for files of another form.
        """
        return tensors_of(self.folder / part)

    def explained(self, part: str) -> AbstractContextManager[None]:
        """Turn a library's failure to load a part into an error for the user."""
        return loading_explained(f"The {part} of {self.name}", self.folder / part, self.name)

    def load_diffusers(
        self,
        part: str,
        kind: Any,
        *,
        child: str = "",
        dtype: torch.dtype | None = None,
        mapped: bool = False,
    ) -> Any:
        """A model of diffusers, or a child of it, with the file's own tensors.

        ``from_pretrained`` would fill memory with random numbers first, and keep them where the
        file lacks something.

        Args:
            part: its folder.
            kind: its class.
            child: the module wanted of it; empty for the whole.
            dtype: float32 if None.
            mapped: keep the tensors as the files have them, mapped into memory.
        """
        import torch

        with self.explained(part), warnings.catch_warnings():
            # diffusers uses the old form of weight norm, as the files do.
            warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
            with torch.device("meta"):
                model = kind.from_config(self.config(part))
            if child:
                model = getattr(model, child)
            prefix = f"{child}." if child else ""
            wanted = {f"{prefix}{key}": value.shape for key, value in model.state_dict().items()}
            tensors = {
                key.removeprefix(prefix): value
                for key, value in self.tensors(part, wanted).items()
                if key.startswith(prefix)
            }
            fill(model, tensors, self.folder / part, self.name, dtype, mapped=mapped)
        return model.requires_grad_(False).eval()


def fill(
    model: torch.nn.Module,
    tensors: Mapping[str, torch.Tensor],
    folder: Path,
    name: str,
    dtype: torch.dtype | None = None,
    *,
    mapped: bool = False,
) -> None:
    """Give a model made of shapes alone its tensors.

    Args:
        model: on the device ``meta``.
        tensors: by the model's own names; others are left out.
        folder: where they came from.
        name: what the user calls the model.
        dtype: float32 if None.
        mapped: leave the tensors as they are.

    Raises:
        GeneratorError: some are lacking.
    """
    import torch

    refuse_lacking(sorted(model.state_dict().keys() - tensors.keys()), folder, name)
    kind = dtype or torch.float32
    found = {key: value if mapped else value.to(kind) for key, value in tensors.items()}
    model.load_state_dict(found, strict=False, assign=True)


def tensors_of(folder: Path, file: str = _STEM) -> dict[str, torch.Tensor]:
    """The tensors of a folder that a library saved a model to, in one file or several.

    Args:
        folder: with the files.
        file: name of the one; several have numbers in theirs.
    """
    names = [file]
    if not (folder / file).is_file():
        index = weights.load_json(folder / f"{file}.index.json")
        names = sorted(set(index["weight_map"].values()))
    tensors: dict[str, torch.Tensor] = {}
    for name in names:
        tensors |= weights.load_checkpoint(folder / Path(name).name)
    return tensors


def load_packed(kind: Any, folder: Path, name: str, precision: Precision, rows: Rows) -> Any:
    """Load a language model on the processor: words in, float32 out.

    Args:
        kind: an auto class of transformers.
        folder: with configuration and safetensors files.
        name: the model, as the user calls it.
        precision: of the layers.
        rows: what they will meet.

    Raises:
        GeneratorError: the files can't be loaded, or lack a part of the model.
    """
    model = load_mapped(kind, folder, name)
    pack(model, precision, rows)
    # Words are looked up as they lie in the file.
    model.get_input_embeddings().register_forward_hook(lambda module, given, found: found.float())
    return model


def load_mapped(kind: Any, folder: Path, name: str) -> Any:
    """Load a language model with the file's own tensors; as ``load_packed``, but not packed."""
    import torch
    from transformers import AutoConfig

    with loading_explained(name, folder, name), quiet_transformers():
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            model = kind.from_config(config)
        tensors = tensors_of(folder, "model.safetensors")
        inner = any(key.startswith(_INNER) for key in model.state_dict())
        bare = {key.removeprefix(_INNER): value for key, value in tensors.items()}
        if inner:
            # Odds that are tied to the embedding are in no file of their own.
            head = bare.pop("lm_head.weight", None)
            head = bare.get("embed_tokens.weight") if head is None else head
            bare = {f"{_INNER}{key}": value for key, value in bare.items()}
            bare |= {} if head is None else {"lm_head.weight": head}
        fill(model, bare, folder, name, mapped=True)
        network: Any = model.model if inner else model
        # Its angles are in no file.
        network.rotary_emb = type(network.rotary_emb)(config=config)
    return model.requires_grad_(False).eval()


def pack(model: Any, precision: Precision, rows: Rows = "many") -> None:
    """Pack the layers of a model that lies mapped in memory; the rest becomes float32, but for
    embeddings."""
    from torch import nn

    from milonga.compute.products.replacing import quicken

    quicken(model, precision, rows)
    for module in model.modules():
        if not isinstance(module, nn.Embedding):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.float()
            for key, value in module.named_buffers(recurse=False):
                if value.is_floating_point():
                    setattr(module, key, value.float())
