"""The two forms in which Stable Audio 3 is published, as configurations of its parts.

The authors' own form is one ``model.safetensors`` with a ``model_config.json``; the other is the
folder of parts that diffusers saves. Either becomes the arguments of diffusers' classes, plus what
those don't know: how the small autoencoder's attention is cut into chunks.

Sources: Stable Audio 3 (arXiv:2605.17991); github.com/Stability-AI/stable-audio-3, whose defaults
stand where ``model_config.json`` leaves something out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from milonga import weights
from milonga.errors import GeneratorError
from milonga.generators.neural.loading import WHOLE

PUBLISHED = "model_config.json"
"""File that only the authors' form has."""

_CLASSES = {
    "transformer": "StableAudio3DiTModel",
    "vae": "AutoencoderSAME",
    "duration_embedder": "StableAudio3DurationEmbedder",
    "text_encoder": "T5GemmaEncoderModel",
    "scheduler": "FlowMatchEulerDiscreteScheduler",
}
_CROSSED, _WHOLE = ["prompt", "seconds_total"], ["seconds_total"]
_LOCAL = ["inpaint_mask", "inpaint_masked_input"]
_TEXT_FOLDER, _TEXT_TOKENS = "t5gemma-b-b-ul2", 256
_LONGEST = {"small": (1292, 120.0), "medium": (4096, 380.0)}
"""Latent frames and seconds; folders of diffusers don't say."""
_SMALL = 1024
"""Width of the small models."""


@dataclass(frozen=True, slots=True)
class Stack:
    """How attention runs in the encoder or the decoder of the autoencoder.

    Attributes:
        depth: layers.
        window: latents on each side that a layer sees; 0 for chunks.
        chunk: latents that are one chunk; 0 for a window.
        shifted: the second half of the layers has its chunks half a chunk later.
        kernel: taps of the convolution between its channels and the patches'.
    """

    depth: int
    window: int = 1
    chunk: int = 0
    shifted: bool = False
    kernel: int = 1

    @property
    def margin(self) -> int:
        """Latents on each side that a latent's samples depend on."""
        reach = self.depth * self.window + (self.kernel > 1)
        if not self.chunk:
            return reach
        # A chunk of the second half overlaps two of the first; rounded up to whole chunks.
        return self.chunk * (2 if self.shifted else 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the files of a checkpoint are.

    Attributes:
        published: in the authors' form.
        transformer, vae, duration: arguments of diffusers' classes.
        encoder, decoder: how their attention runs.
        distilled: made for few steps without guidance.
        frames: the most latent frames.
        longest_s: the most seconds.
        text_folder, tokenizer_folder: of the text encoder.
        text_tokens: the most that the text encoder is given.
    """

    published: bool
    transformer: Mapping[str, Any]
    vae: Mapping[str, Any]
    duration: Mapping[str, Any]
    encoder: Stack
    decoder: Stack
    distilled: bool
    frames: int
    longest_s: float
    text_folder: str = "text_encoder"
    tokenizer_folder: str = "tokenizer"
    text_tokens: int = _TEXT_TOKENS

    def weights_in(self, folder: Path) -> Path:
        """The folder of the transformer's files."""
        return folder if self.published else folder / "transformer"

    @property
    def rate(self) -> int:
        return int(self.vae["sampling_rate"])

    @property
    def stride(self) -> int:
        """Patches in a latent frame."""
        return int(self.vae["encoder_strides"][0])

    @property
    def patch(self) -> int:
        """Samples in a patch."""
        return int(self.vae["patch_size"])

    @property
    def hop(self) -> int:
        """Samples in a latent frame."""
        return self.stride * self.patch


def layout_of(folder: Path, name: str) -> Layout:
    """Read the layout of a folder. Loads no weights.

    Raises:
        GeneratorError: the configuration can't be used, with what is missing.
        DamagedFileError: it can't be read.
    """
    published = (folder / PUBLISHED).is_file()
    try:
        if published:
            return _published(weights.load_json(folder / PUBLISHED))
        return _of_diffusers(folder)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise GeneratorError(
            f"The configuration of {name} can't be used: {_said(error)}.",
            where=folder,
            step=WHOLE.format(name=name),
        ) from error


def expected_layout(name: str) -> Layout:
    """The layout of a model of the catalogue, before its files are here; of one that isn't known,
    that of the small ones."""
    distilled = not name.endswith("-base")
    if "-medium" not in name:
        stack = Stack(6, 0, 2, shifted=True)
        return _expected("small", 1024, 20, 128, stack, distilled)
    return _expected("medium", 1536, 24, 256, Stack(12, 1), distilled)


def _expected(
    size: str, width: int, depth: int, channels: int, stack: Stack, distilled: bool
) -> Layout:
    frames, longest = _LONGEST[size]
    differential = size == "medium"
    return Layout(
        published=True,
        transformer={
            "io_channels": 256, "embed_dim": width, "depth": depth, "ff_mult": 4.0,
            "local_add_cond_dim": 257, "num_memory_tokens": 64,
            "use_differential_attention": differential,
        },
        vae={
            "patch_size": 256, "encoder_channels": channels, "encoder_c_mults": [6],
            "encoder_strides": [16], "sampling_rate": 44_100, "ff_mult": 3,
            "use_differential_attention": True,
        },
        duration={},
        encoder=stack,
        decoder=stack,
        distilled=distilled,
        frames=frames,
        longest_s=longest,
    )  # fmt: skip


def wrong_part(folder: Path) -> str | None:
    """Say which part is of another model than Stable Audio 3, if one is.

    Raises:
        DamagedFileError: the list of parts can't be read.
    """
    if (folder / PUBLISHED).is_file():
        model = weights.load_json(folder / PUBLISHED).get("model")
        conditions = model.get("conditioning") if isinstance(model, dict) else None
        kinds = conditions.get("configs") if isinstance(conditions, dict) else None
        found = [one.get("type") for one in kinds or () if isinstance(one, dict)]
        return None if "t5gemma" in found else f"its {PUBLISHED} names no t5gemma"
    index = weights.load_json(folder / "model_index.json")
    for part, kind in _CLASSES.items():
        named = index.get(part)
        found_class = named[-1] if isinstance(named, list) and named else None
        if found_class != kind:
            return f"the {part} in its model_index.json is {found_class!r}"
    return None


def _of_diffusers(folder: Path) -> Layout:
    transformer, vae, duration = (
        weights.load_json(folder / part / "config.json")
        for part in ("transformer", "vae", "duration_embedder")
    )
    scheduler = weights.load_json(folder / "scheduler/scheduler_config.json")
    _must(scheduler, "scheduler", shift=1.0, use_dynamic_shifting=False, num_train_timesteps=1)
    _must(transformer, "transformer", patch_size=1)
    depths, window = vae["encoder_transformer_depths"], int(vae["sliding_window"])
    _one_level(vae["encoder_strides"], depths)
    stack = Stack(int(depths[0]), window)
    frames, longest = _LONGEST["small" if int(transformer["embed_dim"]) <= _SMALL else "medium"]
    return Layout(
        published=False,
        transformer=_own(transformer),
        vae=_own(vae),
        duration=_own(duration),
        encoder=stack,
        decoder=stack,
        distilled=bool(scheduler.get("stochastic_sampling", False)),
        frames=frames,
        longest_s=longest,
    )


def _published(config: Mapping[str, Any]) -> Layout:
    model = config["model"]
    diffusion, auto = model["diffusion"], model["pretransform"]["config"]
    encoder, decoder = auto["encoder"]["config"], auto["decoder"]["config"]
    conditions = {one["id"]: one for one in model["conditioning"]["configs"]}
    text, seconds = conditions["prompt"]["config"], conditions["seconds_total"]["config"]
    # Names and shapes of the tensors prove the rest; these alone don't show in them.
    _must(
        diffusion, "diffusion", cross_attention_cond_ids=_CROSSED, global_cond_ids=_WHOLE,
        local_add_cond_ids=_LOCAL, sampling_distribution_shift_options=None,
    )  # fmt: skip
    _must(diffusion["config"], "diffusion.config", timestep_features_logsnr=False, patch_size=1)
    _must(auto.get("bottleneck", {}).get("config", {}), "bottleneck", noise_augment_dim=0)
    if diffusion["diffusion_objective"] not in ("rf_denoiser", "rectified_flow"):
        raise ValueError(f"diffusion_objective is {diffusion['diffusion_objective']!r}")
    for side in (encoder, decoder):
        _one_level(side["strides"], side["transformer_depths"])
    own = diffusion["config"]
    frames = int(config["sample_size"]) // int(auto["downsampling_ratio"])
    rate = int(config["sample_rate"])
    seconds_there = frames * int(auto["downsampling_ratio"]) / rate
    return Layout(
        published=True,
        transformer={
            "io_channels": own["io_channels"],
            "embed_dim": own["embed_dim"],
            "depth": own["depth"],
            "num_heads": own["num_heads"],
            "cond_token_dim": own["cond_token_dim"],
            "global_cond_dim": own["global_cond_dim"],
            "local_add_cond_dim": own["local_add_cond_dim"],
            "timestep_features_dim": own.get("timestep_features_dim", 256),
            "ff_mult": own.get("ff_kwargs", {}).get("mult", 4.0),
            "num_memory_tokens": own.get("num_memory_tokens", 0),
            "use_differential_attention": own.get("attn_kwargs", {}).get("differential", False),
        },
        vae={
            "audio_channels": auto["pretransform"]["config"]["channels"],
            "patch_size": auto["pretransform"]["config"]["patch_size"],
            "encoder_channels": encoder["channels"],
            "encoder_c_mults": encoder["c_mults"],
            "encoder_strides": encoder["strides"],
            "encoder_transformer_depths": encoder["transformer_depths"],
            "latent_dim": auto["latent_dim"],
            "use_differential_attention": encoder.get("differential", True),
            "dim_heads": encoder.get("dim_heads", 128),
            "ff_mult": encoder.get("ff_mult", 3),
            "encoder_sinusoidal_blocks": encoder.get("sinusoidal_blocks", [0]),
            "decoder_sinusoidal_blocks": decoder.get("sinusoidal_blocks", [0]),
            "sampling_rate": rate,
        },
        duration={
            "output_dim": model["conditioning"]["cond_dim"],
            "min_val": seconds["min_val"],
            "max_val": seconds["max_val"],
        },
        encoder=_stack(encoder),
        decoder=_stack(decoder),
        distilled=diffusion["diffusion_objective"] == "rf_denoiser",
        frames=frames,
        longest_s=min(float(math.floor(seconds_there)), float(seconds["max_val"])),
        text_folder=text.get("subfolder", _TEXT_FOLDER),
        tokenizer_folder=text.get("subfolder", _TEXT_FOLDER),
        text_tokens=int(text["max_length"]),
    )


def _stack(side: Mapping[str, Any]) -> Stack:
    depth, stride = int(side["transformer_depths"][0]), int(side["strides"][0])
    kernel = 3 if side.get("conv_mapping", False) else 1
    window = side.get("sliding_window")
    if window is not None:
        if len(window) != 2 or window[0] != window[1]:
            raise ValueError(f"sliding_window is {window}, not the same on both sides")
        return Stack(depth, int(window[0]), kernel=kernel)
    chunk, rest = divmod(int(side.get("chunk_size", 128)), stride)
    shifted = bool(side.get("chunk_midpoint_shift", False))
    if rest or (shifted and chunk % 2):
        raise ValueError(f"chunk_size {side.get('chunk_size')} doesn't fit strides of {stride}")
    return Stack(depth, 0, chunk, shifted, kernel)


def _one_level(strides: list[int], depths: list[int]) -> None:
    if len(strides) != 1 or len(depths) != 1:
        raise ValueError("an autoencoder of several levels")


def _must(config: Mapping[str, Any], where: str, **values: Any) -> None:
    """Refuse settings that milonga doesn't compute; what is left out is as it must be."""
    for key, value in values.items():
        if config.get(key, value) != value:
            raise ValueError(f"{key} in {where} is {config[key]!r}; milonga knows only {value!r}")


def _own(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}


def _said(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error) or repr(error)
