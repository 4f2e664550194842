"""The authors' form: names, shapes and order of rows; and what can't be proven is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from milonga.errors import GeneratorError
from milonga.generators.neural.diffusion import Settings
from milonga.generators.stable_audio_3 import outlook
from milonga.generators.stable_audio_3.conversion import published_name
from milonga.generators.stable_audio_3.layout import expected_layout, layout_of
from milonga.generators.stable_audio_3.parts import empty
from milonga.runtime.progress import Progress

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
PARTS = ("transformer", "duration_embedder", "encoder", "decoder")
SAME = {"audio_channels": 2, "patch_size": 256, "encoder_c_mults": [6], "encoder_strides": [16],
        "latent_dim": 256, "dim_heads": 64, "use_differential_attention": True,
        "ff_mult": 3}  # fmt: skip
DIT = {"io_channels": 256, "cond_token_dim": 768, "global_cond_dim": 768,
       "local_add_cond_dim": 257, "num_memory_tokens": 64, "timestep_features_dim": 256,
       "ff_mult": 4.0}  # fmt: skip
# The configurations of the published models, and what is known of their files: tensors in all and
# numbers in each part (https://huggingface.co/stabilityai/stable-audio-3-medium and its siblings).
MODELS = {
    "small": {
        "transformer": DIT | {"embed_dim": 1024, "depth": 20, "num_heads": 16,
                              "use_differential_attention": False},
        "vae": SAME | {"encoder_channels": 128, "encoder_transformer_depths": [6],
                       "decoder_sinusoidal_blocks": [0]},
        "frames": 1292, "longest": 120, "tensors": 685, "decoder kernel": 3,
    },
    "medium": {
        "transformer": DIT | {"embed_dim": 1536, "depth": 24, "num_heads": 24,
                              "use_differential_attention": True},
        "vae": SAME | {"encoder_channels": 256, "encoder_transformer_depths": [12],
                       "decoder_sinusoidal_blocks": [8]},
        "frames": 4096, "longest": 380, "tensors": 997, "decoder kernel": 1,
        "numbers": {"model.": 1_453_170_192, "pretransform.": 852_127_457, "conditioner.": 198_144},
    },
}  # fmt: skip


@pytest.fixture
def layout_at(tmp_path, config_of):
    def make(size):
        model = MODELS[size]
        config = config_of(model["transformer"], model["vae"], model["frames"], size == "small")
        (tmp_path / "model_config.json").write_text(json.dumps(config))
        return layout_of(tmp_path, size)

    return make


@pytest.mark.parametrize("size", MODELS)
def test_names_and_shapes_are_those_of_the_published_files(layout_at, size):
    layout, wanted, derived = layout_at(size), {}, 0
    for part in PARTS:
        model, known = empty(part, layout)
        wanted |= {published_name(part, name): tensor.shape
                   for name, tensor in model.state_dict().items() if name not in known}  # fmt: skip
    depth = MODELS[size]["vae"]["encoder_transformer_depths"][0]
    # Beside weights the file has rotary frequencies for each layer of the autoencoder (16 each),
    # and a scale of noise that is empty.
    derived = 2 * depth + 1
    assert len(wanted) + derived == MODELS[size]["tensors"]
    numbers = {"pretransform.": 2 * depth * 16}
    for name, shape in wanted.items():
        part = name.split(".")[0] + "."
        numbers[part] = numbers.get(part, 0) + shape.numel()
    assert MODELS[size].get("numbers", numbers) == numbers
    mapping = "pretransform.model.decoder.layers.3.mapping.weight_v"
    assert wanted[mapping][-1] == MODELS[size]["decoder kernel"]
    rows = 5 if size == "medium" else 3
    width = MODELS[size]["transformer"]["embed_dim"]
    attention = "model.model.transformer.layers.{}.self_attn.to_qkv.weight"
    for layer in range(MODELS[size]["transformer"]["depth"]):
        assert wanted[attention.format(layer)] == (rows * width, width)
    assert layout.longest_s == MODELS[size]["longest"]
    assert layout.distilled
    assert (layout.encoder.chunk, layout.encoder.window) == ((2, 0) if size == "small" else (0, 1))


@pytest.mark.parametrize("size", MODELS)
def test_what_is_expected_before_the_download_is_what_comes(layout_at, size):
    layout, expected = layout_at(size), expected_layout(f"stable-audio-3-{size}-music")
    assert (layout.frames, layout.longest_s, layout.hop, layout.rate) == (
        expected.frames, expected.longest_s, expected.hop, expected.rate)  # fmt: skip
    frames = layout.frames
    assert outlook.step_tera(layout, frames, False) == outlook.step_tera(expected, frames, False)
    assert outlook.decoding_tera(layout, 9) == outlook.decoding_tera(expected, 9)
    for part, guess in (("transformer", outlook.transformer_size), ("decoder", outlook.coder_size)):
        numbers = sum(one.numel() for one in empty(part, layout)[0].state_dict().values())
        assert guess(layout) == pytest.approx(numbers, rel=0.05)


@pytest.mark.parametrize("distilled", [True, False])
def test_either_form_gives_the_same_sound(
    make_engine, make_published, make_stable_audio_3, distilled
):
    sounds = []
    for folder in (make_published(distilled=distilled), make_stable_audio_3(distilled)):
        engine = make_engine(folder)
        assert engine.layout.distilled == distilled
        settings = Settings(4, 1.0 if distilled else 7.0, 20)
        latents = engine.latents("calm piano", "drums", 1.5, 0, settings, Progress())
        sounds.append(engine.audio(latents, 60_000, Progress()))
        hearing = engine.heard(sounds[0], 20, Progress())
        sounds.append(hearing.numpy())
    # The epsilon of norms differs by 9e-6, which steps and guidance magnify.
    for one, other in ((sounds[0], sounds[2]), (sounds[1], sounds[3])):
        assert np.abs(one - other).max() < 2e-3 * np.abs(other).max()


def test_a_small_model_loads_and_sounds(make_engine, make_published):
    engine = make_engine(make_published(small=True))
    latents = engine.latents("calm piano", "", 1.5, 0, Settings(4, 1.0, 20), Progress())
    sound = engine.audio(latents, 60_000, Progress())
    assert sound.shape == (2, 60_000)
    assert np.isfinite(sound).all()
    assert sound.std() > 1e-3


def changed(folder, tmp_path, change):
    mine = tmp_path / "mine"
    shutil.copytree(folder, mine)
    tensors = load_file(mine / "model.safetensors")
    change(tensors)
    save_file(tensors, mine / "model.safetensors", {"format": "pt"})
    return mine


QKV = "model.model.transformer.layers.1.self_attn.to_qkv.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop(QKV), f"{QKV} is missing"),
        (lambda tensors: tensors.update({QKV: tensors[QKV][:96].clone()}),
         f"{QKV} is [96, 32], not [160, 32]"),
        (lambda tensors: tensors.update(
            {"model.model.transformer.layers.0.conformer.x": torch.ones(2)}),
         "layers.0.conformer.x is unknown"),
        (lambda tensors: tensors.update(
            {"conditioner.conditioners.prompt.proj_out.weight": torch.ones(2)}),
         "prompt.proj_out.weight is unknown"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(make_engine, make_published, tmp_path, change, words):
    engine = make_engine(changed(make_published(), tmp_path, change))
    with pytest.raises(GeneratorError) as caught:
        engine.latents("calm", "", 1.0, 0, Settings(1, 1.0, 5), Progress())
    assert words in str(caught.value)
    assert "Stability AI published" in caught.value.step


def test_other_rotary_frequencies_or_a_scale_of_noise_are_refused(
    make_engine, make_published, tmp_path
):
    def other(tensors):
        tensors["pretransform.model.decoder.layers.3.transformers.0.rope.inv_freq"] *= 2
        tensors["pretransform.model.bottleneck.noise_scaling_factor"] = torch.ones(1, 4, 1)

    engine = make_engine(changed(make_published(), tmp_path, other))
    with pytest.raises(GeneratorError, match=r"noise_scaling_factor is unknown.*inv_freq is"):
        engine.audio(torch.zeros(1, 16, 2), 100, Progress())


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("model.diffusion.diffusion_objective", "v", "diffusion_objective is 'v'"),
        ("model.diffusion.sampling_distribution_shift_options", {"type": "flux"},
         "sampling_distribution_shift_options in diffusion is {'type': 'flux'}"),
        ("model.diffusion.global_cond_ids", ["seconds_start"], "global_cond_ids in diffusion"),
        ("model.diffusion.config.timestep_features_logsnr", True, "timestep_features_logsnr"),
        ("model.pretransform.config.encoder.config.sliding_window", [1, 0], "sliding_window is"),
        ("model.pretransform.config.decoder.config.strides", [4, 4], "several levels"),
        ("model.pretransform.config.bottleneck.config.noise_augment_dim", 8, "noise_augment_dim"),
        ("model.diffusion.config.depth", None, "it lacks 'depth'"),
    ],
)  # fmt: skip
def test_settings_that_names_and_shapes_do_not_show_are_refused(
    make_published, tmp_path, path, value, words
):
    config = json.loads((make_published() / "model_config.json").read_text())
    *way, last = path.split(".")
    inner = config
    for key in way:
        inner = inner[key]
    inner[last] = value
    if value is None:
        del inner[last]
    (tmp_path / "model_config.json").write_text(json.dumps(config))
    with pytest.raises(GeneratorError) as caught:
        layout_of(tmp_path, "mine")
    assert words in str(caught.value)
