"""The network of audiobox-aesthetics: WavLM, and a small head for each score.

Its checkpoint has the names of WavLM's first publication; here they are given those of
transformers, whose WavLM computes it. All sizes are read from the tensors.

References:
    Tjandra et al., "Meta Audiobox Aesthetics: Unified Automatic Quality Assessment for Speech,
    Music, and Sound", arXiv 2502.05139 (2025).
    Chen et al., "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing",
    IEEE J-STSP 16 (2022).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from milonga.errors import WeightsError

if TYPE_CHECKING:
    import torch

AXES = ("CE", "CU", "PC", "PQ")
"""As the checkpoint calls its heads: enjoyment, usefulness, complexity, quality of production."""
RATE, WINDOW_S = 16_000, 10
_FRAME = 320
"""Samples of a frame: the product of the strides."""
_STRIDES = (5, 2, 2, 2, 2, 2, 2)
_BASE, _HEADS, _MIX = "wavlm_model.", "proj_layer.", "layer_weights."

_NAMES = tuple(
    (re.compile(old), new)
    for old, new in (
        (r"^feature_extractor\.conv_layers\.(\d+)\.0\.", r"feature_extractor.conv_layers.\1.conv."),
        (r"^feature_extractor\.conv_layers\.(\d+)\.2\.",
         r"feature_extractor.conv_layers.\1.layer_norm."),
        (r"^post_extract_proj\.", "feature_projection.projection."),
        (r"^layer_norm\.", "feature_projection.layer_norm."),
        (r"^encoder\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
        (r"\.weight_g$", ".parametrizations.weight.original0"),
        (r"\.weight_v$", ".parametrizations.weight.original1"),
        (r"\.self_attn_layer_norm\.", ".layer_norm."),
        (r"\.self_attn\.grep_linear\.", ".attention.gru_rel_pos_linear."),
        (r"\.self_attn\.grep_a$", ".attention.gru_rel_pos_const"),
        (r"\.self_attn\.relative_attention_bias\.", ".attention.rel_attn_embed."),
        (r"\.self_attn\.", ".attention."),
        (r"\.fc1\.", ".feed_forward.intermediate_dense."),
        (r"\.fc2\.", ".feed_forward.output_dense."),
    )
)  # fmt: skip


class WavLMHeads:
    """The loaded network.

    Args:
        tensors: of the checkpoint, by the authors' names.
        config: of the checkpoint: mean and deviation of each score.

    Raises:
        WeightsError: a tensor or an entry is lacking, or isn't of this network.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> None:
        if config.get("use_weighted_layer_sum") is False:
            raise WeightsError("This checkpoint hears one layer alone, which isn't known here.")
        self._unit = bool(config.get("normalize_embed", True))
        try:
            self._scale = {
                axis: (float(each["mean"]), float(each["std"]))
                for axis, each in ((axis, config["target_transform"][axis]) for axis in AXES)
            }
            self._mix = {axis: tensors[_MIX + axis].float().softmax(0) for axis in AXES}
            self._heads = {axis: _head(tensors, f"{_HEADS}{axis}.") for axis in AXES}
            self._wavlm = _wavlm(tensors)
        except (KeyError, TypeError, RuntimeError) as error:
            lines = str(error).strip().splitlines()
            raise WeightsError(
                f"This isn't a whole checkpoint of audiobox-aesthetics: {lines[-1].strip()}."
            ) from error

    def __call__(self, wave: torch.Tensor, length: int) -> dict[str, float]:
        """Score a window.

        Args:
            wave: mono at 16 kHz, ``[samples]``; a short one ends in zeros.
            length: samples that are sound, at least 1.

        Returns:
            The score by axis, on the scale of its authors.
        """
        import torch
        from torch.nn import functional

        with torch.inference_mode():
            features = self._wavlm.feature_extractor(wave[None]).transpose(1, 2)
            hidden, _ = self._wavlm.feature_projection(features)
            # Frames of nothing are left out, which is what masking them comes to.
            hidden = hidden[:, : -(-length // _FRAME)]
            layers = torch.stack(_outputs(self._wavlm.encoder, hidden), dim=-1)
            scores = {}
            for axis in AXES:
                mean = (layers @ self._mix[axis]).mean(1)
                if self._unit:
                    mean = functional.normalize(mean, dim=-1)
                middle, deviation = self._scale[axis]
                scores[axis] = float(_through(self._heads[axis], mean)) * deviation + middle
        return scores


def _outputs(encoder: Any, hidden: torch.Tensor) -> list[torch.Tensor]:
    """Return what goes into the first layer of a transformer and what comes out of each,
    ``[1, frames, size]``.

    Versions of transformers differ in how they hand these out; hooks work with all.
    """
    found: list[torch.Tensor] = []

    def keep(_module: Any, _inputs: Any, output: Any) -> None:
        found.append(output[0] if isinstance(output, tuple) else output)

    hooks = [part.register_forward_hook(keep) for part in (encoder.dropout, *encoder.layers)]
    try:
        encoder(hidden)
    finally:
        for hook in hooks:
            hook.remove()
    return found


_Head = list[tuple["torch.Tensor", "torch.Tensor"]]


def _head(tensors: Mapping[str, torch.Tensor], prefix: str) -> _Head:
    numbers = sorted(
        int(name[len(prefix) :].split(".")[0])
        for name in tensors
        if name.startswith(prefix) and name.endswith(".weight")
    )
    if not numbers:
        raise KeyError(f"{prefix}*")
    return [
        (tensors[f"{prefix}{n}.weight"].float(), tensors[f"{prefix}{n}.bias"].float())
        for n in numbers
    ]


def _through(head: _Head, vectors: torch.Tensor) -> torch.Tensor:
    """Send vectors through a head: linear layers with a GELU before each but the first, and layer
    norms where it has them."""
    from torch.nn import functional

    for number, (weight, bias) in enumerate(head):
        if weight.ndim == 1:
            vectors = functional.layer_norm(vectors, weight.shape, weight, bias)
            continue
        if number:
            vectors = functional.gelu(vectors)
        vectors = functional.linear(vectors, weight, bias)
    return vectors


def _wavlm(tensors: Mapping[str, torch.Tensor]) -> Any:
    import torch
    from transformers import WavLMConfig, WavLMModel

    named = {}
    for name, tensor in tensors.items():
        if name.startswith(_BASE) and name != f"{_BASE}mask_emb":
            new = name.removeprefix(_BASE)
            for old, renamed in _NAMES:
                new = old.sub(renamed, new)
            named[new] = tensor.float()
    convolutions = [
        named[f"feature_extractor.conv_layers.{n}.conv.weight"] for n in range(len(_STRIDES))
    ]
    places = named["encoder.pos_conv_embed.conv.parametrizations.weight.original1"]
    buckets, heads = named["encoder.layers.0.attention.rel_attn_embed.weight"].shape
    wide, size = named["encoder.layers.0.feed_forward.intermediate_dense.weight"].shape
    layers = {name.split(".")[2] for name in named if name.startswith("encoder.layers.")}
    config = WavLMConfig(
        hidden_size=size, intermediate_size=wide, num_hidden_layers=len(layers),
        num_attention_heads=heads, num_buckets=buckets, max_bucket_distance=800,
        conv_dim=tuple(each.shape[0] for each in convolutions), conv_stride=_STRIDES,
        conv_kernel=tuple(each.shape[2] for each in convolutions), conv_bias=False,
        feat_extract_norm="group", do_stable_layer_norm=False,
        num_conv_pos_embeddings=places.shape[2],
        num_conv_pos_embedding_groups=size // places.shape[1],
        mask_time_prob=0.0, mask_feature_prob=0.0,
    )  # fmt: skip
    with torch.device("meta"):
        model: Any = WavLMModel(config)
    model.load_state_dict(named, assign=True)
    return model.eval()
