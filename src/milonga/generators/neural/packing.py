"""Networks of transformers and diffusers with packed layers: quick, and never all in float32.

The weights stay mapped from their files until each layer is packed, so memory holds the packed ones
alone. Norms and sums are in float32.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga.compute.products.precision import Precision
from milonga.generators.neural.loading import loading_explained, quiet_transformers
from milonga.generators.neural.parts import fill, tensors_of

if TYPE_CHECKING:
    from milonga.compute.products.linear import Rows

_INNER = "model."
"""Before the names of a language model's tensors, except where the odds of words aren't there."""


def load_packed(kind: Any, folder: Path, name: str, precision: Precision, rows: Rows) -> Any:
    """Load a language model on the processor: words in, float32 out.

    Args:
        kind: an auto class of transformers.
        folder: with configuration and safetensors files.
        name: the model, as the user calls it.
        precision: of the layers.
        rows: what they will meet.

    Raises:
        GeneratorError: the files can't be loaded, or lack a part of the model.
    """
    model = load_mapped(kind, folder, name)
    pack(model, precision, rows)
    # Words are looked up as they lie in the file.
    model.get_input_embeddings().register_forward_hook(lambda module, given, found: found.float())
    return model


def load_mapped(kind: Any, folder: Path, name: str) -> Any:
    """Load a language model with the file's own tensors; as ``load_packed``, but not packed."""
    import torch
    from transformers import AutoConfig

    with loading_explained(name, folder, name), quiet_transformers():
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            model = kind.from_config(config)
        tensors = tensors_of(folder, "model.safetensors")
        inner = any(key.startswith(_INNER) for key in model.state_dict())
        bare = {key.removeprefix(_INNER): value for key, value in tensors.items()}
        if inner:
            # Odds that are tied to the embedding are in no file of their own.
            head = bare.pop("lm_head.weight", None)
            head = bare.get("embed_tokens.weight") if head is None else head
            bare = {f"{_INNER}{key}": value for key, value in bare.items()}
            bare |= {} if head is None else {"lm_head.weight": head}
        fill(model, bare, folder, name, mapped=True)
        network: Any = model.model if inner else model
        # Its angles are in no file.
        network.rotary_emb = type(network.rotary_emb)(config=config)
    return model.requires_grad_(False).eval()


def pack(model: Any, precision: Precision, rows: Rows = "many") -> None:
    """Pack the layers of a model that lies mapped in memory; the rest becomes float32, but for
    embeddings."""
    from torch import nn

    from milonga.compute.products.replacing import quicken

    quicken(model, precision, rows)
    for module in model.modules():
        if not isinstance(module, nn.Embedding):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.float()
            for key, value in module.named_buffers(recurse=False):
                if value.is_floating_point():
                    setattr(module, key, value.float())
