"""ACE-Step in its real classes and layout, with few and random weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

LINES = (
    "# Instruction\nFill the audio semantic mask based on the given conditions:\n\n# Caption\n",
    "Repaint the mask area based on the given conditions:",
    "Generate audio semantic tokens based on the given conditions:",
    "Extract the DRUMS track from the audio:",
    "\n\n# Metas\n- bpm: 120\n- timesignature: 4\n- keyscale: A minor\n- duration: 10 seconds\n",
    "# Languages\nen\n\n# Lyric\n[Verse]\n[Chorus]\n[Intro]\n[Outro]\n[Instrumental]",
    "instrumental backing track, ambient texture, no melody, no drums, latin trap, tango, male",
)
SMALL: dict[str, Any] = {
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 48,
    "sliding_window": 6,
}  # fmt: skip


def tokenizer() -> Any:
    """A byte-level tokenizer, with words of the template as tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.train_from_iterator(
        LINES,
        trainers.BpeTrainer(
            vocab_size=600, special_tokens=["<|endoftext|>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def pipeline(kind: str = "turbo", seed: int = 0) -> Any:
    """The library's pipeline: 48 kHz stereo, 25 latents a second, in milliseconds a step.

    Args:
        kind: ``turbo``, ``base`` or ``sft``.
        seed: of the weights.
    """
    import torch
    from diffusers import (
        AceStepPipeline,
        AceStepTransformer1DModel,
        AutoencoderOobleck,
        FlowMatchEulerDiscreteScheduler,
    )
    from diffusers.pipelines.ace_step import (
        AceStepAudioTokenDetokenizer,
        AceStepAudioTokenizer,
        AceStepConditionEncoder,
    )
    from transformers import Qwen3Config, Qwen3Model

    words = tokenizer()
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
        torch.manual_seed(seed)
        text_encoder = Qwen3Model(
            Qwen3Config(
                vocab_size=len(words), hidden_size=16, intermediate_size=24, head_dim=8,
                num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
                pad_token_id=0, bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip
        # Fresh weights hardly hear the words.
        text_encoder.get_input_embeddings().weight.data.normal_()
        transformer = AceStepTransformer1DModel(
            hidden_size=32, num_hidden_layers=2, in_channels=24, audio_acoustic_hidden_dim=8,
            is_turbo=kind == "turbo", model_version=kind, **SMALL,
        )  # fmt: skip
        for name, parameter in transformer.named_parameters():
            if parameter.ndim > 1 and "time_embed" not in name:
                parameter.data.normal_(std=0.25)
        condition_encoder = AceStepConditionEncoder(
            hidden_size=32, text_hidden_dim=16, timbre_hidden_dim=8,
            num_lyric_encoder_hidden_layers=2, num_timbre_encoder_hidden_layers=2, **SMALL,
        )  # fmt: skip
        condition_encoder.silence_latent.normal_(std=0.3)
        codes = {"hidden_size": 32, "audio_acoustic_hidden_dim": 8, **SMALL}
        audio_tokenizer = AceStepAudioTokenizer(fsq_dim=32, **codes).eval()
        # Fresh weights give one code, whatever is heard.
        for parameter in audio_tokenizer.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(std=0.3)
        vae = AutoencoderOobleck(
            encoder_hidden_size=16, downsampling_ratios=[2, 4, 4, 6, 10],
            channel_multiples=[1, 1, 1, 1, 1], decoder_channels=4, decoder_input_channels=8,
            sampling_rate=48_000,
        )  # fmt: skip
        made = AceStepPipeline(
            vae=vae.eval(), text_encoder=text_encoder.eval(), tokenizer=words,
            transformer=transformer.eval(), condition_encoder=condition_encoder.eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
            audio_tokenizer=audio_tokenizer,
            audio_token_detokenizer=AceStepAudioTokenDetokenizer(**codes).eval(),
        )  # fmt: skip
        made.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(0)
        latents = made(
            "tango", "[Verse]\nla", 10.0, num_inference_steps=4, guidance_scale=1.0,
            generator=generator, output_type="latent",
        ).audios  # fmt: skip
        transformer.proj_out_conv.weight.data /= latents.std()
        _make_audible(vae, latents.transpose(1, 2) / latents.std())
    return made


def save(folder: Path, kind: str = "turbo", seed: int = 0) -> Path:
    """Save one to a folder, as the library does; returns the folder."""
    pipeline(kind, seed).save_pretrained(folder)
    return folder


def files(folder: Path) -> dict[str, Path]:
    """The files of a folder, for the hub on this machine."""
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def _make_audible(vae: Any, latents: Any) -> None:
    """Sound around 0 at -20 dBFS."""
    import torch

    last = vae.decoder.conv2
    # Without a sum over its taps the last kernel passes no DC.
    last.weight_v.data -= last.weight_v.data.mean(dim=-1, keepdim=True)
    with torch.no_grad():
        sound = vae.decode(latents).sample
    last.weight_g.data *= 0.1 / sound.std(dim=(0, 2))[:, None, None]


def save_planner(folder: Path, codes: int = 64_000, seed: int = 0) -> Path:
    """A language model of a few layers that writes codes, as its authors publish it; returns the
    folder."""
    import torch
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen3Config, Qwen3ForCausalLM

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    signs = ["<|im_start|>", "<|im_end|>", "<think>", "</think>"]
    # The published ones are added tokens; thousands of those would take seconds to load.
    names = [*alphabet, *signs, *(f"<|audio_code_{n}|>" for n in range(codes))]
    words = Tokenizer(models.BPE({name: at for at, name in enumerate(names)}, []))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.add_special_tokens([AddedToken(sign, special=True) for sign in signs])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=len(names), hidden_size=16, intermediate_size=24, head_dim=8,
                num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
                tie_word_embeddings=True, bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip
        # Fresh weights give even odds whatever the text.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(std=0.5)
    model.to(torch.bfloat16).save_pretrained(folder)
    words.save(str(folder / "tokenizer.json"))
    return folder


OWN_NAMES = {
    "transformer": "decoder.", "condition_encoder": "encoder.", "audio_tokenizer": "tokenizer.",
    "audio_token_detokenizer": "detokenizer.",
}  # fmt: skip


def own_name(part: str, name: str) -> str:
    """The name of a tensor in the file that ACE-Step's own program loads."""
    import re

    if name == "null_condition_emb":
        return name
    name = re.sub(r"\.to_([qkv])\.", r".\1_proj.", name).replace(".to_out.0.", ".o_proj.")
    name = re.sub(r"\.norm_([qk])\.", r".\1_norm.", name)
    return OWN_NAMES[part] + re.sub(r"^proj_(in|out)_conv\.", r"proj_\1.1.", name)


def save_own(folder: Path, source: Path, name: str = "acestep-v15-turbo") -> Path:
    """The model of a folder in its authors' form; returns the folder.

    Args:
        folder: to write to.
        source: as ``save`` made it.
        name: of the authors' folder of the transformer.
    """
    import json
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    own, tensors, config = folder / name, {}, {}
    own.mkdir(parents=True)
    for part in OWN_NAMES:
        stem = source / part
        told = json.loads((stem / "config.json").read_text())
        config |= {key: value for key, value in told.items() if not key.startswith("_")}
        for key, value in load_file(stem / "diffusion_pytorch_model.safetensors").items():
            if key == "silence_latent":
                torch.save(value.transpose(1, 2).contiguous(), own / "silence_latent.pt")
            else:
                tensors[own_name(part, key)] = value
    layers = json.loads((source / "transformer/config.json").read_text())["num_hidden_layers"]
    config |= {
        "model_type": "acestep", "use_sliding_window": True, "num_hidden_layers": layers,
        "fsq_input_levels": [8, 8, 8, 5, 5, 5],
        "layer_types": ["sliding_attention", "full_attention"] * (layers // 2),
    }  # fmt: skip
    save_file(tensors, own / "model.safetensors", {"format": "pt"})
    (own / "config.json").write_text(json.dumps(config))
    shutil.copytree(source / "vae", folder / "vae")
    shutil.copytree(source / "text_encoder", folder / "Qwen3-Embedding-0.6B")
    shutil.copytree(source / "tokenizer", folder / "Qwen3-Embedding-0.6B", dirs_exist_ok=True)
    return folder
