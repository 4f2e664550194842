"""Checkpoints of Stable Audio Open and their shapes, read without loading any."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from milonga import weights
from milonga.errors import GeneratorError
from milonga.generators.neural.loading import WHOLE
from milonga.generators.neural.oobleck import margin_of
from milonga.weights import LocalWeights

LONGEST_S = 47.0
"""Longest clip in seconds; the model's window is half a second longer."""

_KINDS = {
    "transformer": "StableAudioDiTModel",
    "vae": "AutoencoderOobleck",
    "projection_model": "StableAudioProjectionModel",
    "text_encoder": "T5EncoderModel",
    "scheduler": "CosineDPMSolverMultistepScheduler",
}


@dataclass(frozen=True, slots=True)
class StableAudioShape:
    """The sizes of a checkpoint that decide length, time and memory.

    Attributes:
        frames: latent frames in the window.
        rate: of the samples, in Hz.
        ratios: downsampling ratios of the autoencoder.
        width, layers: of the transformer.
        parameters: of the transformer.
    """

    frames: int = 1024
    rate: int = 44_100
    ratios: tuple[int, ...] = (2, 4, 4, 8, 8)
    width: int = 1536
    layers: int = 24
    parameters: float = 1057e6

    @property
    def hop(self) -> int:
        """Samples per latent frame."""
        return math.prod(self.ratios)

    @property
    def longest_s(self) -> float:
        """Seconds that can be asked for."""
        return min(LONGEST_S, self.frames * self.hop / self.rate)

    def frames_for(self, seconds: float) -> int:
        """Latent frames that cover ``seconds``, and the decoder's margin."""
        needed = math.ceil(round(seconds * self.rate) / self.hop)
        return min(self.frames, needed + margin_of(self.ratios))

    def step_operations(self, frames: int, guided: bool) -> float:
        """Floating-point operations of a step: each number of the transformer meets each frame in
        a product, and in its attention each frame meets each other."""
        tokens = frames + 1
        once = 2 * self.parameters * tokens + 4 * self.layers * self.width * tokens**2
        return once * (2 if guided else 1)


def wrong_part(local: LocalWeights) -> str | None:
    """Say which part of a pipeline is of another model than Stable Audio Open's, if one is.

    Raises:
        DamagedFileError: the list of parts can't be read.
    """
    index = weights.load_json(local.folder / "model_index.json")
    for part, kind in _KINDS.items():
        named = index.get(part)
        found = named[-1] if isinstance(named, list) and named else None
        if found != kind:
            return f"the {part} in its model_index.json is {found!r}"
    return None


def shape_of(local: LocalWeights | None) -> StableAudioShape:
    """Read the shape of files that are here; without any it is that of Stable Audio Open 1.0.

    Raises:
        GeneratorError: the configuration can't be used.
        DamagedFileError: it can't be read.
    """
    if local is None:
        return StableAudioShape()
    transformer = weights.load_json(local.folder / "transformer/config.json")
    vae = weights.load_json(local.folder / "vae/config.json")
    files = (local.folder / "transformer").glob("*.safetensors")
    width = "num_attention_heads", "attention_head_dim"
    try:
        return StableAudioShape(
            frames=int(transformer["sample_size"]),
            rate=int(vae["sampling_rate"]),
            ratios=tuple(int(ratio) for ratio in vae["downsampling_ratios"]),
            width=math.prod(int(transformer[key]) for key in width),
            layers=int(transformer["num_layers"]),
            parameters=max(1.0, sum(path.stat().st_size for path in files) / _bytes(transformer)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GeneratorError(
            f"The configuration of {local.source.name} can't be used: {error!r}.",
            where=local.folder,
            step=WHOLE.format(name=local.source.name),
        ) from error


def _bytes(config: dict[str, Any]) -> int:
    return 2 if config.get("torch_dtype", config.get("dtype")) in ("float16", "bfloat16") else 4
