"""The parts of the model, of which one is at work at a time."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga import weights
from milonga.generators.neural.loading import (
    load_pretrained,
    load_tokenizer,
    loading_explained,
    refuse_lacking,
)

if TYPE_CHECKING:
    import torch

_STEM = "diffusion_pytorch_model.safetensors"


class ModelParts:
    """Text encoder, projection, transformer and decoder.

    On the processor a part is read from the disk for its turn and let go after it: its tensors are
    the file's own, mapped into memory, so that costs little and the memory needed is that of the
    largest part. For an accelerator the parts stay in the machine's memory and are moved.

    Args:
        folder: of the files.
        name: what the user calls the model.
        device: ``cpu``, ``cuda:0``, ``mps``.
    """

    def __init__(self, folder: Path, name: str, device: str) -> None:
        import torch

        self.folder, self.name, self.device = folder, name, device
        self.dtype = torch.float32 if device == "cpu" else torch.float16
        """Of the transformer. The others are small, and of a wider range of numbers."""
        self._kept: dict[str, Any] = {}

    @contextlib.contextmanager
    def at_work(self, part: str) -> Iterator[Any]:
        """One part on the device, for the time of the block.

        Args:
            part: ``text_encoder``, ``projection_model``, ``transformer`` or ``decoder``.

        Raises:
            GeneratorError: its files are damaged or lack something.
        """
        model = self._kept.get(part)
        if model is None:
            model = _LOADERS[part](self)
            if self.device != "cpu":
                self._kept[part] = model
        try:
            yield model.to(self.device)
        finally:
            if self.device != "cpu":
                model.to("cpu")

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

    def sampler(self) -> Any:
        """A new sampler."""
        with _explained(self, "scheduler"):
            from milonga.generators.stable_audio.noise import Sampler

            # The library's function carries no types.
            make: Any = Sampler.from_config
            return make(self.config("scheduler"))


def _text_encoder(parts: ModelParts) -> Any:
    from transformers import T5EncoderModel

    return load_pretrained(T5EncoderModel, parts.folder / "text_encoder", parts.name)


def _projection(parts: ModelParts) -> Any:
    from diffusers import StableAudioProjectionModel

    return _load(parts, "projection_model", StableAudioProjectionModel)


def _transformer(parts: ModelParts) -> Any:
    from diffusers import StableAudioDiTModel

    return _load(parts, "transformer", StableAudioDiTModel, dtype=parts.dtype)


def _decoder(parts: ModelParts) -> Any:
    from diffusers import AutoencoderOobleck
    from torch.nn.utils import remove_weight_norm

    decoder = _load(parts, "vae", AutoencoderOobleck, child="decoder")
    for module in decoder.modules():
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)
    return decoder


_LOADERS: dict[str, Callable[[ModelParts], Any]] = {
    "text_encoder": _text_encoder,
    "projection_model": _projection,
    "transformer": _transformer,
    "decoder": _decoder,
}


def _load(
    parts: ModelParts, part: str, kind: Any, *, child: str = "", dtype: torch.dtype | None = None
) -> Any:
    """A model of diffusers, or a child of it, with the file's own tensors.

    ``from_pretrained`` would fill memory with random numbers first, and keep them where the file
    lacks something.
    """
    import torch

    with _explained(parts, part), warnings.catch_warnings():
        # diffusers uses the old form of weight norm, as the files do.
        warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
        with torch.device("meta"):
            model = kind.from_config(parts.config(part))
        if child:
            model = getattr(model, child)
        prefix = f"{child}." if child else ""
        tensors = {
            key.removeprefix(prefix): value.to(dtype or torch.float32)
            for key, value in _tensors(parts.folder / part).items()
            if key.startswith(prefix)
        }
        lacking = sorted(model.state_dict().keys() - tensors.keys())
        refuse_lacking(lacking, parts.folder / part, parts.name)
        model.load_state_dict(tensors, strict=False, assign=True)
    return model.requires_grad_(False).eval()


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    names = [_STEM]
    if not (folder / _STEM).is_file():
        index = weights.load_json(folder / f"{_STEM}.index.json")
        names = sorted(set(index["weight_map"].values()))
    tensors: dict[str, torch.Tensor] = {}
    for name in names:
        tensors |= weights.load_checkpoint(folder / Path(name).name)
    return tensors


def _explained(parts: ModelParts, part: str) -> AbstractContextManager[None]:
    return loading_explained(f"The {part} of {parts.name}", parts.folder / part, parts.name)
