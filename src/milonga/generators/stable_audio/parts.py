"""The parts of the model, of which one is at work at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from milonga.generators.neural import oobleck
from milonga.generators.neural.loading import load_pretrained
from milonga.generators.neural.parts import TakingTurns
from milonga.generators.neural.precision import layer_maker


class ModelParts(TakingTurns):
    """Text encoder, projection, transformer and decoder.

    Args:
        folder: of the files.
        name: what the user calls the model.
        device: ``cpu``, ``cuda:0``, ``mps``.

    Attributes:
        source: hash of the transformer's files; empty to store no int8 copy of them.
    """

    def __init__(self, folder: Path, name: str, device: str) -> None:
        import torch

        # Of the transformer. The others are small, and of a wider range of numbers.
        super().__init__(folder, name, device, torch.float32 if device == "cpu" else torch.float16)
        self.source = ""

    def load(self, part: str) -> Any:
        """``text_encoder``, ``projection_model``, ``transformer`` or ``decoder``."""
        if part == "text_encoder":
            from transformers import T5EncoderModel

            return load_pretrained(T5EncoderModel, self.folder / part, self.name)
        if part == "projection_model":
            from diffusers import StableAudioProjectionModel

            return self.load_diffusers(part, StableAudioProjectionModel)
        if part == "transformer":
            from diffusers import StableAudioDiTModel

            if self.device != "cpu":
                return self.load_diffusers(part, StableAudioDiTModel, dtype=self.dtype)
            from milonga.compute.diffusion.stable_audio import StableAudioTransformer

            model = self.load_diffusers(part, StableAudioDiTModel, mapped=True)
            with layer_maker(self.precision, f"{self.name} {part}", self.source) as maker:
                return StableAudioTransformer(model, maker)
        return oobleck.load(self, "decoder")

    def sampler(self) -> Any:
        """A new sampler."""
        with self.explained("scheduler"):
            from milonga.generators.stable_audio.noise import Sampler

            # The library's function carries no types.
            make: Any = Sampler.from_config
            return make(self.config("scheduler"))
