"""Which checkpoints are Stable Audio Open's, and their shapes, judged without loading any."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from milonga import weights
from milonga.errors import GeneratorError
from milonga.generators.stable_audio.decoding import margin_of
from milonga.weights import LocalWeights

LIKE = "stable-audio"
"""The model of the catalogue whose files others must have, too."""

LONGEST_S = 47.0
"""What the model is good for; its window is half a second longer."""

_USE = f"Use {LIKE}, or a repository or folder that diffusers saved a StableAudioPipeline to."
_KINDS = {
    "transformer": "StableAudioDiTModel",
    "vae": "AutoencoderOobleck",
    "projection_model": "StableAudioProjectionModel",
    "text_encoder": "T5EncoderModel",
    "scheduler": "CosineDPMSolverMultistepScheduler",
}


@dataclass(frozen=True, slots=True)
class Shape:
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


def refusal(name: str) -> GeneratorError | None:
    """Why a model can't be meant, as far as its name tells."""
    if name in weights.CATALOGUE and name != LIKE:
        return GeneratorError(f"{name} is not a Stable Audio Open model.", step=_USE)
    return None


def check(local: LocalWeights) -> None:
    """Whether files that are here are Stable Audio Open's.

    Raises:
        GeneratorError: they are of another model.
        DamagedFileError: their configuration can't be read.
    """
    index = weights.load_json(local.folder / "model_index.json")
    kinds = {part: index.get(part) for part in _KINDS}
    found = {part: kind[-1] if isinstance(kind, list) and kind else None
             for part, kind in kinds.items()}  # fmt: skip
    if wrong := next((part for part, kind in _KINDS.items() if found[part] != kind), None):
        raise GeneratorError(
            f"{local.source.name} is not a Stable Audio Open model: the {wrong} in its "
            f"model_index.json is {found[wrong]!r}.",
            where=local.folder,
            step=_USE,
        )


def shape_of(local: LocalWeights | None) -> Shape:
    """The shape of files that are here, checked; that of Stable Audio Open 1.0 without any.

    Raises:
        MilongaError: they are of another kind, or damaged.
    """
    if local is None:
        return Shape()
    check(local)
    transformer = weights.load_json(local.folder / "transformer/config.json")
    vae = weights.load_json(local.folder / "vae/config.json")
    files = (local.folder / "transformer").glob("*.safetensors")
    width = "num_attention_heads", "attention_head_dim"
    try:
        return Shape(
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
            step=f"See whether the files are whole: milonga weights verify {local.source.name}",
        ) from error


def _bytes(config: dict[str, Any]) -> int:
    return 2 if config.get("torch_dtype", config.get("dtype")) in ("float16", "bfloat16") else 4


def find(name: str) -> LocalWeights | None:
    """The model's files if they are on this machine, checked.

    Raises:
        MilongaError: it can't be meant, is of another kind, or damaged.
    """
    if (error := refusal(name)) is not None:
        raise error
    return weights.locate(name, like=LIKE)
