"""The parts of ACE-Step, of which one is at work at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga.generators.ace_step.conversion import TABLES, convert
from milonga.generators.ace_step.layout import layout_of
from milonga.generators.ace_step.lora import Lora
from milonga.generators.neural import oobleck
from milonga.generators.neural.loading import load_pretrained, load_tokenizer
from milonga.generators.neural.parts import TakingTurns, load_packed, pack
from milonga.generators.neural.precision import (
    PrecisionChoice,
    dtype_for,
    layer_maker,
    published_precision,
)
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
            float32; on a processor the two that read the words keep their bfloat16, if the
            transformer does not compute in float32.
        lora: added to the transformer.

    Attributes:
        source: hash of the transformer's files; empty to store no int8 copy of them.
        layout: of the files.
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
        self.layout = layout_of(folder)
        self._lora = lora
        self.source = ""

    def load(self, part: str) -> Any:
        """Load ``text_encoder``, ``condition_encoder``, ``audio_tokenizer``,
        ``audio_token_detokenizer``, ``transformer``, ``encoder`` or ``decoder``."""
        from diffusers import AceStepTransformer1DModel
        from diffusers.pipelines import ace_step
        from transformers import AutoModel, Qwen3Model

        if part in ("encoder", "decoder"):
            return oobleck.load(self, part)
        if part == "text_encoder":
            if self._narrow:
                texts = self.layout.text_encoder
                return load_packed(AutoModel, texts, self.name, "bfloat16", "many")
            return load_pretrained(Qwen3Model, self.layout.text_encoder, self.name)
        if part == "condition_encoder":
            model = self.load_diffusers(part, ace_step.AceStepConditionEncoder, mapped=self._narrow)
            if self._narrow:
                pack(model, "bfloat16")
            return model
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

    @property
    def _narrow(self) -> bool:
        """Whether what reads the words keeps its bfloat16, too: where the transformer isn't in
        float32, and the files came so."""
        if self.device != "cpu" or self.precision == "float32":
            return False
        return published_precision(self.layout.text_encoder) == "bfloat16"

    def config(self, part: str) -> dict[str, Any]:
        return self.layout.config(part)

    def tokenizer(self) -> Any:
        return load_tokenizer(self.layout.tokenizer, self.name)

    def tensors(
        self, part: str, wanted: Mapping[str, torch.Size] | None = None
    ) -> dict[str, torch.Tensor]:
        if wanted is not None and self.layout.own is not None and part in TABLES:
            found = convert(part, self.layout.own, wanted, self.name)
        else:
            found = super().tensors(part, wanted)
        if part == "transformer" and self._lora is not None:
            found = self._lora.added_to(found, self.layout.transformer)
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
