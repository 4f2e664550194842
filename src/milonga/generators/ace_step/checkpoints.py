"""Checkpoints of ACE-Step 1.5: kind and shape, read without loading any."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from milonga import weights
from milonga.errors import GeneratorError
from milonga.generators.ace_step.conversion import SILENCE, TABLES
from milonga.generators.ace_step.layout import Layout, layout_of
from milonga.generators.neural.loading import WHOLE
from milonga.weights import LocalWeights

Kind = Literal["turbo", "base", "sft"]

_PARTS = {
    "transformer": "AceStepTransformer1DModel",
    "vae": "AutoencoderOobleck",
    "condition_encoder": "AceStepConditionEncoder",
    "text_encoder": "Qwen3Model",
}
CODES = ("audio_tokenizer", "audio_token_detokenizer")
"""Parts that a cover needs, and a plan of the language model."""
_LEVELS = 8, 8, 8, 5, 5, 5
_WINDOW = 128
"""Positions that a layer with a window sees on each side, unless the file says otherwise."""


@dataclass(frozen=True, slots=True)
class AceStepShape:
    """The sizes of a checkpoint, and how it was trained.

    Attributes:
        kind: ``turbo`` needs few steps and no guidance; ``base`` can do every task.
        rate: of the samples, in Hz.
        ratios: downsampling ratios of the autoencoder.
        channels: of the latents.
        patch: latent frames per position of the transformer.
        width: of its attention, all heads.
        layers: of the transformer.
        window: positions that every second layer sees on each side.
        parameters: of the transformer.
        codes: whether the parts for covers and plans are there.
        codebook: how many codes there are.
        pool: latent frames of a code.
    """

    kind: Kind = "turbo"
    rate: int = 48_000
    ratios: tuple[int, ...] = (2, 4, 4, 6, 10)
    channels: int = 64
    patch: int = 2
    width: int = 2048
    layers: int = 24
    window: int = _WINDOW
    parameters: float = 1575e6
    codes: bool = True
    codebook: int = 64_000
    pool: int = 5

    @property
    def hop(self) -> int:
        """Samples per latent frame."""
        return math.prod(self.ratios)

    @property
    def usual(self) -> tuple[int, float, float]:
        """Steps, guidance and shift that the kind was made for."""
        return (8, 1.0, 3.0) if self.kind == "turbo" else (50, 7.0, 1.0)

    def frames_for(self, seconds: float) -> int:
        """Latent frames that cover ``seconds``."""
        return math.ceil(round(seconds * self.rate) / self.hop)

    def step_operations(self, frames: int, guided: bool) -> float:
        """Floating-point operations of a step: each number of the transformer meets each position
        in a product; in attention a position meets all others, or those in its window."""
        positions = math.ceil(frames / self.patch)
        seen = positions + min(positions, 3 * self.window)
        once = 2 * self.parameters * positions + 2 * self.layers * self.width * positions * seen
        return once * (2 if guided else 1)


_LONE = {
    "ace-step/acestep-v15-turbo": "ace-step",
    "ace-step/acestep-v15-base": "ace-step-base",
    "ace-step/acestep-v15-sft": "ace-step-base",
    "ace-step/acestep-v15-xl-turbo": "ace-step-xl",
    "ace-step/acestep-v15-xl-base": "ace-step-xl-base",
    "ace-step/acestep-v15-xl-sft": "ace-step-xl-base",
}
"""Repositories of the authors that hold a transformer alone, and what to use for them."""


def lone(name: str) -> GeneratorError | None:
    """Refuse a repository or folder that holds the authors' transformer without the autoencoder
    and the text encoder, by its name and files alone."""
    use = _LONE.get(name.partition("@")[0].lower())
    folder = Path(name).expanduser()
    if use is None and (folder / SILENCE).is_file():
        use = usual_name(folder.name)
    if use is None:
        return None
    return GeneratorError(
        f"{name} holds the transformer alone, without vae and Qwen3-Embedding-0.6B.",
        step=f"Use ace-step.model={use}, ACE-Step/Ace-Step1.5, or a folder with all three, as "
        "ACE-Step's own program keeps them.",
    )


def usual_name(name: str) -> str:
    """The catalogue's name for the kind and size that a name tells."""
    words = name.lower().replace("/", "-").split("-")
    size = "-xl" if "xl" in words else ""
    return f"ace-step{size}" + ("-base" if {"base", "sft"} & set(words) else "")


XL = AceStepShape(width=4096, layers=32, parameters=4169e6)


def usual_shape(name: str) -> AceStepShape:
    """The shape that a checkpoint has by its name, before its files are here."""
    words = name.lower()
    kind: Kind = "sft" if "sft" in words else "base" if "base" in words else "turbo"
    shape = XL if "xl" in words.replace("/", "-").split("-") else AceStepShape()
    return AceStepShape(kind, width=shape.width, layers=shape.layers, parameters=shape.parameters)


def wrong_part(local: LocalWeights) -> str | None:
    """Say which part of a pipeline is of another model than ACE-Step's, if one is.

    Raises:
        GeneratorError: it has the authors' form, and can't be converted.
        DamagedFileError: the list of parts can't be read.
    """
    layout = layout_of(local.folder)
    if layout.own is not None:
        for part in TABLES:
            layout.config(part)
        return None
    index = weights.load_json(local.folder / "model_index.json")
    for part, kind in _PARTS.items():
        named = index.get(part)
        found = named[-1] if isinstance(named, list) and named else None
        if found != kind:
            return f"the {part} in its model_index.json is {found!r}"
    return None


def shape_of(local: LocalWeights | None, name: str) -> AceStepShape:
    """Read the shape of files that are here; without any it is what the name tells.

    Raises:
        GeneratorError: the configuration can't be used.
        DamagedFileError: it can't be read.
    """
    if local is None:
        return usual_shape(name)
    layout = layout_of(local.folder)
    transformer, vae = layout.config("transformer"), layout.config("vae")
    try:
        return AceStepShape(
            kind=_kind(transformer, name),
            rate=int(vae["sampling_rate"]),
            ratios=tuple(int(ratio) for ratio in vae["downsampling_ratios"]),
            channels=int(transformer["audio_acoustic_hidden_dim"]),
            patch=int(transformer["patch_size"]),
            width=int(transformer["num_attention_heads"]) * int(transformer["head_dim"]),
            layers=int(transformer["num_hidden_layers"]),
            window=int(transformer.get("sliding_window") or _WINDOW),
            parameters=max(1.0, layout.parameters),
            codes=all(layout.has(part) for part in CODES),
            **_codes(layout),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GeneratorError(
            f"The configuration of {local.source.name} can't be used: {error!r}.",
            where=local.folder,
            step=WHOLE.format(name=local.source.name),
        ) from error


def _codes(layout: Layout) -> dict[str, int]:
    """The number of codes, and of the frames of each, where the parts for them are there."""
    if not layout.has(CODES[0]):
        return {}
    config = layout.config(CODES[0])
    levels = config.get("fsq_input_levels") or _LEVELS
    return {
        "codebook": math.prod(int(level) for level in levels),
        "pool": int(config.get("pool_window_size", AceStepShape().pool)),
    }


def _kind(config: dict[str, Any], name: str) -> Kind:
    """The kind as the file says; converted files of base and sft may not tell which they are."""
    said = str(config.get("model_version") or "").lower()
    if config.get("is_turbo") or "turbo" in said:
        return "turbo"
    return "sft" if "sft" in said or (not said and "sft" in name.lower()) else "base"
