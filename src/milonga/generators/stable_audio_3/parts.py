"""The parts of the model, from either form, of which one is at work at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga import weights
from milonga.generators.neural.loading import load_pretrained, load_tokenizer, loading_explained
from milonga.generators.neural.parts import TakingTurns, fill, tensors_of
from milonga.generators.neural.precision import PrecisionChoice, dtype_for
from milonga.generators.stable_audio_3.conversion import convert
from milonga.generators.stable_audio_3.layout import Layout, Stack
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

WEIGHTS = "model.safetensors"
_NORM_EPS = 1e-5
"""Of the norms of the transformer's blocks, as the authors have it; diffusers adds 1e-6."""


class ModelParts(TakingTurns):
    """Text encoder, duration embedder, transformer, encoder and decoder.

    Args:
        folder: of the files.
        name: what the user calls the model.
        device: ``cpu``, ``cuda:0``, ``mps``.
        wanted: precision of the transformer on an accelerator; the others compute in float32.
        layout: of the files.

    Attributes:
        progress: asked while a part is loaded whether to stop; of the work that needs the part.
    """

    packed = frozenset()

    def __init__(
        self, folder: Path, name: str, device: str, wanted: PrecisionChoice, layout: Layout
    ) -> None:
        super().__init__(folder, name, device, dtype_for(device, wanted))
        self.layout = layout
        self.progress = Progress()

    def load(self, part: str) -> Any:
        """``text_encoder``, ``duration_embedder``, ``transformer``, ``encoder``, ``decoder``.

        Raises:
            GeneratorError: the files can't be loaded or converted.
            Cancelled: the user stopped it.
        """
        if part == "text_encoder":
            return self._text_encoder()
        with loading_explained(f"The {part} of {self.name}", self.folder, self.name):
            model, derived = empty(part, self.layout)
            tensors = self._tensors(part, model, derived)
            fill(model, tensors, self.folder, self.name, self._dtype(part))
            if part == "transformer" and self.layout.published:
                for block in model.transformer_blocks:
                    for norm in (block.pre_norm, block.cross_attend_norm, block.ff_norm):
                        norm.eps = _NORM_EPS
            if part in ("encoder", "decoder"):
                _fold_weight_norm(model)
        if self.device == "cpu":
            self._quicken(part, model)
        return model.requires_grad_(False).eval()

    def tokenizer(self) -> Any:
        return load_tokenizer(self.folder / self.layout.tokenizer_folder, self.name)

    def _dtype(self, part: str) -> torch.dtype | None:
        return self.dtype if part == "transformer" else None

    def _quicken(self, part: str, model: Any) -> None:
        from milonga.compute.products.replacing import quicken

        if part == "transformer":
            quicken(model.transformer_blocks, self.precision, progress=self.progress)
        elif part in ("encoder", "decoder"):
            quicken(model.coder.blocks, "float32", progress=self.progress)

    def _text_encoder(self) -> Any:
        from transformers import T5GemmaConfig, T5GemmaEncoderModel

        folder = self.folder / self.layout.text_folder
        with loading_explained(f"The text encoder of {self.name}", folder, self.name):
            config = T5GemmaConfig.from_pretrained(folder, local_files_only=True)
            config.is_encoder_decoder = False
        return load_pretrained(T5GemmaEncoderModel, folder, self.name, config=config)

    def _tensors(
        self, part: str, model: torch.nn.Module, derived: Mapping[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        if self.layout.published:
            tensors = weights.load_checkpoint(self.folder / WEIGHTS)
            wanted = {key: value.shape for key, value in model.state_dict().items()}
            return convert(part, tensors, wanted, derived, self.folder / WEIGHTS, self.name)
        folder = "vae" if part in ("encoder", "decoder") else part
        found = tensors_of(self.folder / folder)
        if folder == "vae":
            found = {key.replace(f"{part}.", "coder.", 1): value for key, value in found.items()}
        return found


def empty(part: str, layout: Layout) -> tuple[Any, dict[str, torch.Tensor]]:
    """Make a part of shapes alone, and the tensors that follow from its configuration."""
    import warnings

    import diffusers
    import torch

    from milonga.generators.stable_audio_3.autoencoder import Coder, frequencies

    # The library's classes carry no types.
    library: Any = diffusers
    with torch.device("meta"), warnings.catch_warnings():
        # diffusers uses the old form of weight norm, as the files do.
        warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
        if part == "transformer":
            return library.StableAudio3DiTModel(**layout.transformer), {}
        if part == "duration_embedder":
            embedder = library.StableAudio3DurationEmbedder(**layout.duration)
            low, high = (math.log(embedder.config[key]) for key in ("min_freq", "max_freq"))
            ramp = torch.linspace(0.0, 1.0, embedder.config["fourier_dim"] // 2, device="cpu")
            return embedder, {"freqs": torch.exp(low + (high - low) * ramp)}
        same = library.AutoencoderSAME(**layout.vae)
        coder = Coder(getattr(same, part), same.bottleneck)
        _widen(coder, layout.encoder if part == "encoder" else layout.decoder)
    heads = int(getattr(same, part).blocks[0].transformers[0].attn.dim_heads)
    return coder, {"rope.inv_freq": frequencies(heads // 2)}


def _widen(coder: Any, stack: Stack) -> None:
    """Give the convolution between channels and patches its taps; diffusers knows only one."""
    from torch import nn
    from torch.nn import utils

    weight_norm: Any = utils.weight_norm
    block = coder.coder.blocks[0]
    if stack.kernel > 1:
        size = block.in_channels, block.out_channels, stack.kernel
        block.mapping = weight_norm(nn.Conv1d(*size, padding="same"))


def _fold_weight_norm(coder: Any) -> None:
    from torch.nn import utils

    remove_weight_norm: Any = utils.remove_weight_norm
    mapping = coder.coder.blocks[0].mapping
    if hasattr(mapping, "weight_g"):
        remove_weight_norm(mapping)
