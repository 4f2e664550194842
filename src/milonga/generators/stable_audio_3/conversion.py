"""The authors' names of tensors, and the same tensors under diffusers' names.

``model.safetensors`` of Stable Audio 3 holds transformer, duration embedder and autoencoder. What
is wanted is fully known from the configuration: names and shapes. A tensor that is missing, has
another shape or isn't in the tables is an error that names it; nothing is guessed.

Facts: the module names of github.com/Stability-AI/stable-audio-3, and the inventories of the
published files (685 tensors of the small models, 997 of medium).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from milonga.errors import GeneratorError

if TYPE_CHECKING:
    import torch

# diffusers' beginning of a name: the authors'. The first that fits counts.
_BEGINNINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "transformer": (
        ("prompt_padding_embedding", "conditioner.conditioners.prompt.padding_embedding"),
        ("transformer_blocks.", "model.model.transformer.layers."),
        ("proj_in.", "model.model.transformer.project_in."),
        ("proj_out.", "model.model.transformer.project_out."),
        ("memory_tokens", "model.model.transformer.memory_tokens"),
        ("rotary_pos_emb.", "model.model.transformer.rotary_pos_emb."),
        ("global_cond_embedder.", "model.model.transformer.global_cond_embedder."),
        ("", "model.model."),
    ),
    "duration_embedder": (
        ("linear.", "conditioner.conditioners.seconds_total.embedder.embedding.1."),
    ),
    "encoder": (
        ("coder.blocks.0.", "pretransform.model.encoder.layers.0."),
        ("coder.proj.", "pretransform.model.encoder.layers.2."),
        ("bottleneck.scale", "pretransform.model.bottleneck.scaling_factor"),
        ("bottleneck.", "pretransform.model.bottleneck."),
    ),
    "decoder": (
        ("coder.blocks.0.", "pretransform.model.decoder.layers.3."),
        ("coder.proj.", "pretransform.model.decoder.layers.1."),
        ("bottleneck.scale", "pretransform.model.bottleneck.scaling_factor"),
        ("bottleneck.", "pretransform.model.bottleneck."),
    ),
}
# diffusers' middle of a name within a block: the authors'.
_FEED_FORWARD = ((".ff.proj_in.", ".ff.ff.0.proj."), (".ff.proj_out.", ".ff.ff.2."))
_AUTOENCODER = (
    (".norm_attn.", ".pre_norm."),
    (".norm_ff.", ".ff_norm."),
    (".attn.", ".self_attn."),
    *_FEED_FORWARD,
)
_MIDDLES = {"transformer": _FEED_FORWARD, "encoder": _AUTOENCODER, "decoder": _AUTOENCODER}
# What else may stand under a part's names, since it follows from the configuration.
_DERIVED = re.compile(r".*\.rope\.inv_freq|.*\.bottleneck\.noise_scaling_factor")
_PREFIXES = {
    "transformer": ("model.", "conditioner.conditioners.prompt."),
    "duration_embedder": ("conditioner.conditioners.seconds_total.",),
    "encoder": ("pretransform.model.encoder.", "pretransform.model.bottleneck."),
    "decoder": ("pretransform.model.decoder.", "pretransform.model.bottleneck."),
}


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
    for begun, theirs in _BEGINNINGS[part]:
        if name.startswith(begun):
            found = theirs + name.removeprefix(begun)
            break
    else:
        raise KeyError(name)
    for middle, theirs in _MIDDLES.get(part, ()):
        found = found.replace(middle, theirs)
    return found


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

    found: dict[str, torch.Tensor] = {}
    faults: list[str] = []
    used: set[str] = set()
    for ours, shape in wanted.items():
        if ours in derived:
            found[ours] = derived[ours]
            continue
        theirs = published_name(part, ours)
        used.add(theirs)
        tensor = tensors.get(theirs)
        if tensor is None:
            faults.append(f"{theirs} is missing")
        elif tensor.shape != shape:
            faults.append(f"{theirs} is {list(tensor.shape)}, not {list(shape)}")
        else:
            found[ours] = _reordered(ours, tensor)
    frequencies = derived.get("rope.inv_freq")
    for theirs in _belonging(part, tensors.keys() - used):
        tensor = tensors[theirs]
        empty = tensor.numel() == 0
        same = (
            frequencies is not None
            and theirs.endswith("inv_freq")
            and tensor.shape == frequencies.shape
            and torch.allclose(tensor.float(), frequencies, rtol=1e-4)
        )
        if not (_DERIVED.fullmatch(theirs) and (empty or same)):
            faults.append(f"{theirs} is unknown")
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise GeneratorError(
            f"The {part} of {name} can't be converted: {', '.join(sorted(faults)[:3])}{more}.",
            where=folder,
            step="Use a checkpoint as Stability AI published it, or one that diffusers saved.",
        )
    return found


def _belonging(part: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(_PREFIXES[part]))


def _reordered(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Rows of a differential attention: the authors' q, k, v, q2, k2 as q, q2, k, k2, v."""
    import torch

    if not name.endswith("attn.to_qkv.weight") or tensor.shape[0] != 5 * tensor.shape[1]:
        return tensor
    first, key, value, second, other = tensor.chunk(5)
    return torch.cat([first, second, key, other, value])
