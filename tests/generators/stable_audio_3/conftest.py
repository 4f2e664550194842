"""The tiny models in the authors' own form, written by the names that their program uses."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from milonga.generators.stable_audio_3.engine import StableAudio3Engine
from milonga.generators.stable_audio_3.layout import layout_of

# diffusers' modules, as regular expressions, and the authors' that hold the same.
NAMES = {
    "transformer": [
        (r"^prompt_padding_embedding", "conditioner.conditioners.prompt.padding_embedding"),
        (r"^transformer_blocks", "model.model.transformer.layers"),
        (r"^proj_(in|out)\.", r"model.model.transformer.project_\1."),
        (r"^(memory_tokens|rotary_pos_emb|global_cond_embedder)", r"model.model.transformer.\1"),
        (r"^(to_|pre|post)", r"model.model.\1"),
    ],
    "duration_embedder": [
        (r"^linear", "conditioner.conditioners.seconds_total.embedder.embedding.1"),
        (r"^freqs", ""),
    ],
    "vae": [
        (r"^encoder\.proj", "pretransform.model.encoder.layers.2"),
        (r"^decoder\.proj", "pretransform.model.decoder.layers.1"),
        (r"^encoder\.blocks\.0", "pretransform.model.encoder.layers.0"),
        (r"^decoder\.blocks\.0", "pretransform.model.decoder.layers.3"),
        (r"^bottleneck\.scale", "pretransform.model.bottleneck.scaling_factor"),
        (r"^bottleneck", "pretransform.model.bottleneck"),
        (r"\.norm_attn\.", ".pre_norm."),
        (r"\.norm_ff\.", ".ff_norm."),
        (r"\.attn\.", ".self_attn."),
    ],
}
FEED_FORWARD = [(r"\.ff\.proj_in", ".ff.ff.0.proj"), (r"\.ff\.proj_out", ".ff.ff.2")]


def published(part, tensors):
    """Tensors of diffusers' part under the authors' names and in their order of rows."""
    found = {}
    for ours, tensor in tensors.items():
        name = ours
        for pattern, theirs in NAMES[part] + FEED_FORWARD:
            name = re.sub(pattern, theirs, name)
        if not name:
            continue
        if "self_attn.to_qkv" in name and tensor.shape[0] == 5 * tensor.shape[1]:
            q1, q2, k1, k2, v = tensor.chunk(5)
            tensor = torch.cat([q1, k1, v, q2, k2])
        found[name] = tensor.clone()
    return found


def config_of(transformer, vae, frames=64, small=False, distilled=True):
    """A ``model_config.json`` with the keys of the published ones."""
    side = {
        "channels": vae["encoder_channels"], "c_mults": vae["encoder_c_mults"],
        "strides": vae["encoder_strides"], "latent_dim": vae["latent_dim"],
        "transformer_depths": vae["encoder_transformer_depths"], "dim_heads": vae["dim_heads"],
        "differential": vae["use_differential_attention"], "variable_stride": True,
        "ff_mult": vae["ff_mult"],
    }  # fmt: skip
    patched = vae["audio_channels"] * vae["patch_size"]
    if small:
        side |= {"dyt": True, "chunk_size": 32, "chunk_midpoint_shift": True}
    else:
        side["sliding_window"] = [1, 1]
    encoder = side | {"in_channels": patched}
    decoder = side | {"out_channels": patched, "mask_noise": 0.01,
                      "sinusoidal_blocks": vae["decoder_sinusoidal_blocks"]}  # fmt: skip
    if small:
        encoder |= {"conv_mapping": False}
        decoder |= {"conv_mapping": True}
    hop = vae["patch_size"] * vae["encoder_strides"][0]
    width = transformer["cond_token_dim"]
    return {
        "model_type": "diffusion_cond", "sample_size": frames * hop, "sample_rate": 44_100,
        "audio_channels": 2,
        "model": {
            "io_channels": transformer["io_channels"],
            "pretransform": {
                "type": "autoencoder",
                "config": {
                    "encoder": {"type": "same", "config": encoder},
                    "decoder": {"type": "same", "config": decoder},
                    "bottleneck": {"type": "softnorm", "config": {
                        "dim": vae["latent_dim"], "noise_augment_dim": 0, "auto_scale": True,
                        "noise_regularize": True}},
                    "pretransform": {"type": "patched", "config": {
                        "patch_size": vae["patch_size"], "channels": vae["audio_channels"]}},
                    "latent_dim": vae["latent_dim"], "downsampling_ratio": hop, "io_channels": 2,
                },
            },
            "conditioning": {
                "cond_dim": width,
                "configs": [
                    {"id": "prompt", "type": "t5gemma", "config": {
                        "max_length": 256, "padding_mode": "learned",
                        "subfolder": "t5gemma-b-b-ul2"}},
                    {"id": "seconds_total", "type": "number", "config": {
                        "min_val": 0, "max_val": 384, "fourier_features_type": "expo"}},
                ],
            },
            "diffusion": {
                "type": "dit",
                "diffusion_objective": "rf_denoiser" if distilled else "rectified_flow",
                "cross_attention_cond_ids": ["prompt", "seconds_total"],
                "global_cond_ids": ["seconds_total"],
                "local_add_cond_ids": ["inpaint_mask", "inpaint_masked_input"],
                "config": {
                    **{key: transformer[key] for key in (
                        "io_channels", "embed_dim", "depth", "num_heads", "cond_token_dim",
                        "global_cond_dim", "local_add_cond_dim", "num_memory_tokens")},
                    "timestep_features_type": "expo",
                    "timestep_features_dim": transformer["timestep_features_dim"],
                    "transformer_type": "continuous_transformer", "global_cond_type": "adaLN",
                    "norm_type": "rms_norm", "norm_kwargs": {"force_fp32": True},
                    "ff_kwargs": {"mult": transformer["ff_mult"]},
                    "attn_kwargs": {
                        "qk_norm": "rms",
                        "differential": transformer["use_differential_attention"],
                    },
                },
            },
        },
    }  # fmt: skip


@pytest.fixture(scope="session")
def make_published(tmp_path_factory, make_stable_audio_3, gemma_tokenizer):
    """``make_published(small=False, distilled=True, frames=64)``: a tiny model in the authors'
    form; with ``small`` its autoencoder is of the small kind, which diffusers has no class for."""
    from transformers import T5GemmaConfig, T5GemmaForConditionalGeneration

    made = {}

    def make(small=False, distilled=True, frames=64):
        key = small, distilled, frames
        if key in made:
            return made[key]
        source = make_stable_audio_3(distilled, differential=not small)
        folder = tmp_path_factory.mktemp("published")
        configs = {part: json.loads((source / part / "config.json").read_text())
                   for part in ("transformer", "vae")}  # fmt: skip
        tensors = {}
        for part in NAMES:
            tensors |= published(
                part, load_file(source / part / "diffusion_pytorch_model.safetensors")
            )
        # What their file has beside the weights.
        place = 1 / 10_000 ** (torch.arange(0, 4, 2).float() / 4)
        for side in ("encoder.layers.0", "decoder.layers.3"):
            for layer in range(2):
                name = f"pretransform.model.{side}.transformers.{layer}.rope.inv_freq"
                tensors[name] = place.clone()
        tensors["pretransform.model.bottleneck.noise_scaling_factor"] = torch.ones(1, 0, 1)
        if small:
            name = "pretransform.model.decoder.layers.3.mapping.weight_v"
            generator = torch.Generator().manual_seed(3)
            shape = (*tensors[name].shape[:2], 3)
            tensors[name] = 0.3 * torch.randn(shape, generator=generator)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        config = config_of(configs["transformer"], configs["vae"], frames, small, distilled)
        (folder / "model_config.json").write_text(json.dumps(config))
        (folder / "LICENSE.md").write_text("terms")
        # Theirs holds the decoder of the text model, too.
        text = folder / "t5gemma-b-b-ul2"
        with torch.random.fork_rng():
            torch.manual_seed(1)
            whole = T5GemmaForConditionalGeneration(
                T5GemmaConfig(**json.loads((source / "text_encoder/config.json").read_text()))
            )
        own = load_file(source / "text_encoder/model.safetensors")
        whole.model.load_state_dict(own, strict=False)
        whole.save_pretrained(text)
        gemma_tokenizer.save_pretrained(text)
        made[key] = folder
        return folder

    yield make
    for folder in made.values():
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make_engine():
    """``make_engine(folder, precision="float32")``: the engine of a folder."""

    def make(folder, precision="float32"):
        return StableAudio3Engine(folder, "tiny", "cpu", layout_of(folder, "tiny"), precision)

    return make


@pytest.fixture(name="config_of")
def _config_of():
    """``config_of(transformer, vae, frames, small)``: a ``model_config.json``."""
    return config_of
