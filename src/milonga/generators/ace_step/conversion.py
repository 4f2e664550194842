"""ACE-Step in its authors' own form: one file for four parts, read under diffusers' names.

Facts: the module names of github.com/ace-step/ACE-Step-1.5, diffusers'
``convert_ace_step_to_diffusers.py``, and the inventories of the published files (677 tensors of
the 2B checkpoints, 829 of XL).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from milonga import weights
from milonga.errors import GeneratorError
from milonga.generators.neural import conversion
from milonga.generators.neural.conversion import Table
from milonga.generators.neural.parts import tensors_of

if TYPE_CHECKING:
    import torch

SILENCE = "silence_latent.pt"
_STEP = "Use a checkpoint as its authors published it, or ace-step.model=ace-step."
_ATTENTION = (
    (".to_q.", ".q_proj."),
    (".to_k.", ".k_proj."),
    (".to_v.", ".v_proj."),
    (".to_out.0.", ".o_proj."),
    (".norm_q.", ".q_norm."),
    (".norm_k.", ".k_norm."),
)
TABLES = {
    "transformer": Table(
        (
            ("proj_in_conv.", "decoder.proj_in.1."),
            ("proj_out_conv.", "decoder.proj_out.1."),
            ("", "decoder."),
        ),
        _ATTENTION,
        ("decoder.",),
    ),
    "condition_encoder": Table(
        (("null_condition_emb", "null_condition_emb"), ("", "encoder.")),
        _ATTENTION,
        ("encoder.", "null_condition_emb"),
    ),
    "audio_tokenizer": Table((("", "tokenizer."),), _ATTENTION, ("tokenizer.",)),
    "audio_token_detokenizer": Table((("", "detokenizer."),), _ATTENTION, ("detokenizer.",)),
}
_SHARED = (
    "num_attention_heads", "num_key_value_heads", "head_dim", "hidden_size", "intermediate_size",
    "rope_theta", "attention_bias", "attention_dropout", "rms_norm_eps", "sliding_window",
)  # fmt: skip
_OWN = {
    "transformer": ("num_hidden_layers", "in_channels", "audio_acoustic_hidden_dim", "patch_size"),
    "condition_encoder": (
        "text_hidden_dim", "timbre_hidden_dim", "num_lyric_encoder_hidden_layers",
        "num_timbre_encoder_hidden_layers",
    ),
    "audio_tokenizer": (
        "audio_acoustic_hidden_dim", "pool_window_size", "fsq_dim", "fsq_input_levels",
        "fsq_input_num_quantizers", "num_attention_pooler_hidden_layers",
    ),
    "audio_token_detokenizer": (
        "audio_acoustic_hidden_dim", "pool_window_size", "num_attention_pooler_hidden_layers",
    ),
}  # fmt: skip
_OF_ENCODER = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads")
"""Sizes that the other parts of XL have of their own, as ``encoder_...``."""


def config_of(part: str, config: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """The configuration of a part as diffusers has it.

    Args:
        part: ``transformer``, ``condition_encoder``, ``audio_tokenizer``,
            ``audio_token_detokenizer``.
        config: the authors'.
        where: its file, for errors.

    Raises:
        GeneratorError: it lacks something, or asks for what diffusers' parts don't do.
    """
    _refuse_other(config, where)
    try:
        found = {key: config[key] for key in (*_SHARED, *_OWN[part])}
    except KeyError as error:
        raise _unfit(f"it lacks {error}", where) from None
    width = config.get("encoder_hidden_size")
    if part == "transformer":
        layers = config.get("layer_types")
        told = {"layer_types": layers, "encoder_hidden_size": width}
        found |= {key: value for key, value in told.items() if value is not None}
        found["is_turbo"] = bool(config.get("is_turbo"))
        found["model_version"] = config.get("model_version")
    elif width is not None:
        found |= {
            key: config[f"encoder_{key}"] for key in _OF_ENCODER if config.get(f"encoder_{key}")
        }
    return found


def _refuse_other(config: Mapping[str, Any], where: Path) -> None:
    """Refuse settings that no name or shape would show."""
    layers = list(config.get("layer_types") or ())
    usual = ["full_attention" if at % 2 else "sliding_attention" for at in range(len(layers))]
    if layers != usual:
        raise _unfit("its layers don't take turns between a window and all", where)
    if not config.get("use_sliding_window", True):
        raise _unfit("its use_sliding_window is false", where)
    if config.get("rope_scaling") is not None:
        raise _unfit(f"its rope_scaling is {config['rope_scaling']!r}", where)
    if config.get("hidden_act", "silu") != "silu":
        raise _unfit(f"its hidden_act is {config['hidden_act']!r}", where)


def _unfit(reason: str, where: Path) -> GeneratorError:
    return GeneratorError(
        f"This checkpoint of ACE-Step can't be converted: {reason}.", where=where, step=_STEP
    )


def silence_of(folder: Path) -> torch.Tensor:
    """The latents of silence, ``[1, frames, channels]``; the authors' file has frames last.

    Raises:
        GeneratorError: the file holds something else.
        DamagedFileError: it can't be read.
        UnsafeFileError: reading it would run code.
    """
    import torch

    found = weights.load_checkpoint(folder / SILENCE)
    if not isinstance(found, torch.Tensor) or found.ndim != 3:
        raise _unfit(f"its {SILENCE} holds no tensor of three dimensions", folder / SILENCE)
    return found.transpose(1, 2).contiguous()


def convert(
    part: str, folder: Path, wanted: Mapping[str, torch.Size], name: str
) -> dict[str, torch.Tensor]:
    """The tensors of a part under diffusers' names.

    Args:
        part: as for ``config_of``.
        folder: of the authors' file.
        wanted: shape of each tensor of the part, by diffusers' name.
        name: what the user calls the model.

    Raises:
        GeneratorError: a tensor is lacking, has another shape, or is unknown.
    """
    silence: dict[str, torch.Tensor] = {}
    if part == "condition_encoder":
        silence["silence_latent"] = silence_of(folder)
    own = {key: shape for key, shape in wanted.items() if key not in silence}
    found = conversion.convert(
        TABLES[part], tensors_of(folder, "model.safetensors"), own,
        what=f"The {part} of {name}", where=folder, step=_STEP,
    )  # fmt: skip
    return found | silence
