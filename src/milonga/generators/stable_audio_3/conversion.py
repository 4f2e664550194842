"""The authors' names of tensors, and the same tensors under diffusers' names.

``model.safetensors`` of Stable Audio 3 holds transformer, duration embedder and autoencoder.

Facts: the module names of github.com/Stability-AI/stable-audio-3, and the inventories of the
published files (685 tensors of the small models, 997 of medium).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.generators.neural import conversion
from milonga.generators.neural.conversion import Table

if TYPE_CHECKING:
    import torch

_FEED_FORWARD = ((".ff.proj_in.", ".ff.ff.0.proj."), (".ff.proj_out.", ".ff.ff.2."))
_AUTOENCODER = (
    (".norm_attn.", ".pre_norm."),
    (".norm_ff.", ".ff_norm."),
    (".attn.", ".self_attn."),
    *_FEED_FORWARD,
)
_BOTTLENECK = (
    ("bottleneck.scale", "pretransform.model.bottleneck.scaling_factor"),
    ("bottleneck.", "pretransform.model.bottleneck."),
)
TABLES = {
    "transformer": Table(
        (
            ("prompt_padding_embedding", "conditioner.conditioners.prompt.padding_embedding"),
            ("transformer_blocks.", "model.model.transformer.layers."),
            ("proj_in.", "model.model.transformer.project_in."),
            ("proj_out.", "model.model.transformer.project_out."),
            ("memory_tokens", "model.model.transformer.memory_tokens"),
            ("rotary_pos_emb.", "model.model.transformer.rotary_pos_emb."),
            ("global_cond_embedder.", "model.model.transformer.global_cond_embedder."),
            ("", "model.model."),
        ),
        _FEED_FORWARD,
        ("model.", "conditioner.conditioners.prompt."),
    ),
    "duration_embedder": Table(
        (("linear.", "conditioner.conditioners.seconds_total.embedder.embedding.1."),),
        prefixes=("conditioner.conditioners.seconds_total.",),
    ),
    "encoder": Table(
        (
            ("coder.blocks.0.", "pretransform.model.encoder.layers.0."),
            ("coder.proj.", "pretransform.model.encoder.layers.2."),
            *_BOTTLENECK,
        ),
        _AUTOENCODER,
        ("pretransform.model.encoder.", "pretransform.model.bottleneck."),
    ),
    "decoder": Table(
        (
            ("coder.blocks.0.", "pretransform.model.decoder.layers.3."),
            ("coder.proj.", "pretransform.model.decoder.layers.1."),
            *_BOTTLENECK,
        ),
        _AUTOENCODER,
        ("pretransform.model.decoder.", "pretransform.model.bottleneck."),
    ),
}
# What else may stand under a part's names, since it follows from the configuration.
_DERIVED = re.compile(r".*\.rope\.inv_freq|.*\.bottleneck\.noise_scaling_factor")


def published_name(part: str, name: str) -> str:
    """The authors' name of a tensor.

    >>> published_name("transformer", "transformer_blocks.3.ff.proj_out.bias")
    'model.model.transformer.layers.3.ff.ff.2.bias'
    >>> published_name("decoder", "coder.blocks.0.transformers.5.attn.to_qkv.weight")
    'pretransform.model.decoder.layers.3.transformers.5.self_attn.to_qkv.weight'

    Args:
        part: ``transformer``, ``duration_embedder``, ``encoder``, ``decoder``.
        name: diffusers' name of it in that part.
    """
    return TABLES[part].published(name)


def convert(
    part: str,
    tensors: Mapping[str, torch.Tensor],
    wanted: Mapping[str, torch.Size],
    derived: Mapping[str, torch.Tensor],
    folder: Path,
    name: str,
) -> dict[str, torch.Tensor]:
    """The tensors of a part under diffusers' names.

    Args:
        part: as for ``published_name``.
        tensors: all of the file.
        wanted: shape of each tensor of the part, by diffusers' name.
        derived: those that the file needn't have, since they follow from the configuration. The
            autoencoder's rotary frequencies (``rope.inv_freq``) are compared with the file's.
        folder: of the file.
        name: what the user calls the model.

    Raises:
        GeneratorError: a tensor is lacking, has another shape, or is unknown.
    """
    import torch

    frequencies = derived.get("rope.inv_freq")

    def follows(theirs: str, tensor: torch.Tensor) -> bool:
        same = (
            frequencies is not None
            and theirs.endswith("inv_freq")
            and tensor.shape == frequencies.shape
            and torch.allclose(tensor.float(), frequencies, rtol=1e-4)
        )
        return _DERIVED.fullmatch(theirs) is not None and (tensor.numel() == 0 or same)

    found = conversion.convert(
        TABLES[part], tensors, {key: wanted[key] for key in wanted if key not in derived}, follows,
        what=f"The {part} of {name}", where=folder,
        step="Use a checkpoint as Stability AI published it, or one that diffusers saved.",
    )  # fmt: skip
    ordered = {ours: _reordered(ours, tensor) for ours, tensor in found.items()}
    return ordered | {ours: derived[ours] for ours in wanted if ours in derived}


def _reordered(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Rows of a differential attention: the authors' q, k, v, q2, k2 as q, q2, k, k2, v."""
    import torch

    if not name.endswith("attn.to_qkv.weight") or tensor.shape[0] != 5 * tensor.shape[1]:
        return tensor
    first, key, value, second, other = tensor.chunk(5)
    return torch.cat([first, second, key, other, value])
