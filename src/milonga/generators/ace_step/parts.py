"""The parts of ACE-Step, of which one is at work at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga.compute.products.precision import Precision
from milonga.generators.ace_step.lora import Lora
from milonga.generators.neural import oobleck
from milonga.generators.neural.loading import load_pretrained
from milonga.generators.neural.parts import TakingTurns
from milonga.generators.neural.precision import PrecisionChoice, layer_maker
from milonga.runtime.seeding import seeded

if TYPE_CHECKING:
    import torch


class AceStepParts(TakingTurns):
    """Text encoder, condition encoder, audio tokenizer and detokenizer, transformer, autoencoder.

    Args:
        folder: of the files.
        name: what the user calls the model.
        device: ``cpu``, ``cuda:0``, ``mps``.
        wanted: precision of the transformer on an accelerator. The others are small and compute in
            float32.
        lora: added to the transformer.

    Attributes:
        precision: of the transformer's weights on a processor.
        source: hash of the transformer's files; empty to store no int8 copy of them.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        device: str,
        wanted: PrecisionChoice,
        lora: Lora | None = None,
    ) -> None:
        super().__init__(folder, name, device, dtype_for(device, wanted))
        self._lora = lora
        self.precision: Precision = "float32"
        self.source = ""

    def load(self, part: str) -> Any:
        """Load ``text_encoder``, ``condition_encoder``, ``audio_tokenizer``,
        ``audio_token_detokenizer``, ``transformer``, ``encoder`` or ``decoder``."""
        from diffusers import AceStepTransformer1DModel
        from diffusers.pipelines import ace_step
        from transformers import Qwen3Model

        if part in ("encoder", "decoder"):
            return oobleck.load(self, part)
        if part == "text_encoder":
            return load_pretrained(Qwen3Model, self.folder / part, self.name)
        if part == "condition_encoder":
            return self.load_diffusers(part, ace_step.AceStepConditionEncoder)
        if part == "audio_tokenizer":
            return self._tokenizer(ace_step.AceStepAudioTokenizer)
        if part == "audio_token_detokenizer":
            return self.load_diffusers(part, ace_step.AceStepAudioTokenDetokenizer)
        if self.device != "cpu":
            return self.load_diffusers(part, AceStepTransformer1DModel, dtype=self.dtype)
        from milonga.compute.diffusion.ace_step import AceStepTransformer

        model = self.load_diffusers(part, AceStepTransformer1DModel, mapped=True)
        with layer_maker(self.precision, f"{self.name} {part}", self.source) as maker:
            return AceStepTransformer(model, maker)

    def tensors(self, part: str) -> dict[str, torch.Tensor]:
        found = super().tensors(part)
        if part == "transformer" and self._lora is not None:
            found = self._lora.added_to(found, self.folder / part)
        return found

    def _tokenizer(self, kind: Any) -> Any:
        model = self.load_diffusers("audio_tokenizer", kind)
        quantizer = model.quantizer
        # Its tables follow from the configuration and are in no file. Making the small one that
        # has them draws numbers.
        with seeded(0):
            tables = type(quantizer)(1, quantizer.levels, quantizer.num_quantizers)
        for name, table in tables.named_buffers():
            setattr(quantizer, name, table)
        return model


def dtype_for(device: str, wanted: PrecisionChoice) -> torch.dtype:
    """Choose the numbers of the transformer: never float16, whose range it leaves.

    On a processor what goes in and out is float32; elsewhere bfloat16, where the device computes
    in it.
    """
    import torch

    if device == "cpu":
        return torch.float32
    if wanted in ("float32", "bfloat16"):
        return torch.float32 if wanted == "float32" else torch.bfloat16
    if device.startswith("cuda"):
        able = torch.cuda.get_device_capability(device) >= (8, 0) or torch.version.hip is not None
        return torch.bfloat16 if able else torch.float32
    try:
        torch.ones(2, 2, dtype=torch.bfloat16, device=device) @ torch.ones(
            2, 2, dtype=torch.bfloat16, device=device
        )
    except (RuntimeError, TypeError):
        # Systems of Apple's before macOS 14.
        return torch.float32
    return torch.bfloat16
