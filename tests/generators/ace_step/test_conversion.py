"""The authors' own form: names, shapes and settings; and what can't be proven is refused."""

import json
import re
import shutil

import pytest
import tiny_ace_step
import torch
from ace_step_parity import ask, engine_of
from safetensors.torch import load_file, save_file

from milonga.errors import GeneratorError, UnsafeFileError
from milonga.generators.ace_step.checkpoints import shape_of
from milonga.generators.ace_step.conversion import TABLES, config_of
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress
from milonga.weights import locate

pytestmark = pytest.mark.usefixtures("home")

REPO = "ACE-Step/Ace-Step1.5"
# The configurations of the published files, and how many tensors they hold: that of the 2B
# checkpoints and that of XL (https://huggingface.co/ACE-Step, config.json and the index of XL).
CONFIG = {
    "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 24,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "rope_theta": 1000000,
    "attention_bias": False, "attention_dropout": 0.0, "rms_norm_eps": 1e-6,
    "sliding_window": 128, "use_sliding_window": True, "in_channels": 192,
    "audio_acoustic_hidden_dim": 64, "patch_size": 2, "text_hidden_dim": 1024,
    "timbre_hidden_dim": 64, "num_lyric_encoder_hidden_layers": 8,
    "num_timbre_encoder_hidden_layers": 4, "num_attention_pooler_hidden_layers": 2,
    "pool_window_size": 5, "fsq_dim": 2048, "fsq_input_levels": [8, 8, 8, 5, 5, 5],
    "fsq_input_num_quantizers": 1, "layer_types": ["sliding_attention", "full_attention"] * 12,
    "is_turbo": True, "model_version": "turbo",
}  # fmt: skip
XL = CONFIG | {
    "hidden_size": 2560, "intermediate_size": 9728, "num_attention_heads": 32,
    "num_hidden_layers": 32, "layer_types": ["sliding_attention", "full_attention"] * 16,
    "encoder_hidden_size": 2048, "encoder_intermediate_size": 6144,
    "encoder_num_attention_heads": 16, "encoder_num_key_value_heads": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory, make_ace_step):
    return tiny_ace_step.save_own(tmp_path_factory.mktemp("own"), make_ace_step())


def model_of(part, config, where):
    from diffusers import AceStepTransformer1DModel
    from diffusers.pipelines import ace_step

    kinds = {
        "transformer": AceStepTransformer1DModel,
        "condition_encoder": ace_step.AceStepConditionEncoder,
        "audio_tokenizer": ace_step.AceStepAudioTokenizer,
        "audio_token_detokenizer": ace_step.AceStepAudioTokenDetokenizer,
    }
    with torch.device("meta"):
        return kinds[part](**config_of(part, config, where))


@pytest.mark.parametrize(("config", "tensors"), [(CONFIG, 677), (XL, 829)], ids=["2B", "XL"])
def test_names_and_shapes_are_those_of_the_published_files(tmp_path, config, tensors):
    found = {}
    for part, table in TABLES.items():
        for name, value in model_of(part, config, tmp_path).state_dict().items():
            if name != "silence_latent":
                assert table.published(name) == tiny_ace_step.own_name(part, name)
                found[table.published(name)] = tuple(value.shape)
    assert len(found) == tensors
    width = config["hidden_size"]
    assert found["decoder.layers.5.self_attn.q_proj.weight"] == (
        128 * config["num_attention_heads"], width)  # fmt: skip
    assert found["decoder.proj_in.1.weight"] == (width, 192, 2)
    assert found["decoder.condition_embedder.weight"] == (width, 2048)
    assert found["encoder.lyric_encoder.layers.7.mlp.gate_proj.weight"] == (6144, 2048)
    assert found["tokenizer.quantizer.project_in.weight"] == (6, 2048)
    assert found["detokenizer.special_tokens"] == (1, 5, 2048)


def test_either_form_gives_the_same_sound_and_makes_covers(hub, own, make_ace_step):
    theirs = make_generator("ace-step", {"model": str(make_ace_step())})
    clip = theirs.render(ask(), Progress())
    # As its authors publish it, with much else in the repository.
    files = tiny_ace_step.files(own)
    more = {"acestep-5Hz-lm-1.7B/model.safetensors": b"x", "README.md": b"x",
            "acestep-v15-turbo/modeling_acestep_v15_turbo.py": b"raise SystemExit"}  # fmt: skip
    hub.add(REPO, files | more)
    generator = make_generator("ace-step", {"model": REPO})
    assert not generator.assess(ask()).problems
    assert generator.render(ask(), Progress()) == clip
    used = generator.model().files
    assert "acestep-v15-turbo/model.safetensors" in used
    assert not [name for name in used if "5Hz" in name or name.endswith(".py")]
    shape, known = (
        shape_of(locate(str(folder), like="ace-step"), "tiny") for folder in (own, make_ace_step())
    )
    assert shape == known


def test_a_cover_from_the_authors_form(own, make_ace_step):
    latents = torch.randn(1, 40, 8, generator=torch.Generator().manual_seed(0))
    from milonga.generators.ace_step.editing import through_codes

    one, other = (
        through_codes(engine_of(folder), latents, Progress()) for folder in (own, make_ace_step())
    )
    assert torch.equal(one, other)


def changed(own, tmp_path, change):
    mine = tmp_path / "mine"
    shutil.copytree(own, mine)
    path = mine / "acestep-v15-turbo/model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})
    return mine


QUERY = "decoder.layers.1.cross_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.pop(QUERY), f"{QUERY} is missing"),
        (lambda tensors: tensors.update({QUERY: tensors[QUERY][:8].clone()}),
         f"{QUERY} is [8, 32], not [32, 32]"),
        (lambda tensors: tensors.update({"decoder.layers.0.gate": torch.ones(2)}),
         "decoder.layers.0.gate is unknown"),
        (lambda tensors: tensors.update({"encoder.timbre_encoder.pool.weight": torch.ones(2)}),
         "encoder.timbre_encoder.pool.weight is unknown"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_are_named(own, tmp_path, change, words):
    engine = engine_of(changed(own, tmp_path, change))
    part = "transformer" if words.startswith("decoder") else "condition_encoder"
    with pytest.raises(GeneratorError, match=re.escape(words)) as caught:
        engine.parts.load(part)
    assert "as its authors published it" in caught.value.step


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("layer_types", ["full_attention"] * 2, "don't take turns"),
        ("use_sliding_window", False, "use_sliding_window is false"),
        ("rope_scaling", {"type": "yarn"}, "rope_scaling is {'type': 'yarn'}"),
        ("hidden_act", "gelu", "hidden_act is 'gelu'"),
        ("fsq_dim", None, "it lacks 'fsq_dim'"),
    ],
)
def test_settings_that_names_and_shapes_do_not_show_are_refused(own, tmp_path, key, value, words):
    mine = tmp_path / "mine"
    shutil.copytree(own, mine)
    path = mine / "acestep-v15-turbo/config.json"
    config = json.loads(path.read_text()) | {key: value}
    if value is None:
        del config[key]
    path.write_text(json.dumps(config))
    (problem,) = make_generator("ace-step", {"model": str(mine)}).assess(ask()).problems
    assert words in problem.message


def test_the_latents_of_silence_may_hold_no_code(own, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(own, mine)
    torch.save({"x": torch.nn.Linear(2, 2)}, mine / "acestep-v15-turbo/silence_latent.pt")
    with pytest.raises(UnsafeFileError):
        engine_of(mine).parts.load("condition_encoder")
    torch.save(torch.ones(3), mine / "acestep-v15-turbo/silence_latent.pt")
    with pytest.raises(GeneratorError, match="no tensor of three dimensions"):
        engine_of(mine).parts.load("condition_encoder")


def test_a_folder_of_several_checkpoints_is_refused(own, tmp_path):
    mine = tmp_path / "mine"
    shutil.copytree(own, mine)
    shutil.copytree(mine / "acestep-v15-turbo", mine / "acestep-v15-base")
    (problem,) = make_generator("ace-step", {"model": str(mine)}).assess(ask()).problems
    assert "acestep-v15-base, acestep-v15-turbo" in problem.message
    assert "links" in problem.step
