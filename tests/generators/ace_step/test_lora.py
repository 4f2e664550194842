"""LoRAs: what they change, their forms, and what is refused."""

import json

import numpy as np
import pytest
import torch
from ace_step_parity import ask, engine_of
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from milonga.errors import GeneratorError, MilongaError
from milonga.generators.ace_step.lora import Lora, find_lora
from milonga.generators.registry import make_generator
from milonga.runtime.progress import Progress

pytestmark = pytest.mark.usefixtures("home")

RANK = 3


def pairs():
    """Two layers of the tiny transformer by diffusers' names."""
    generator = torch.Generator().manual_seed(0)
    sizes = {"layers.0.self_attn.to_q": (32, 32), "layers.1.cross_attn.to_out.0": (32, 32),
             "layers.1.mlp.up_proj": (48, 32)}  # fmt: skip
    return {
        name: (torch.randn(RANK, inside, generator=generator),
               torch.randn(out, RANK, generator=generator))
        for name, (out, inside) in sizes.items()
    }  # fmt: skip


def diffusers_form(name):
    return f"transformer.{name}.lora_A.weight", f"transformer.{name}.lora_B.weight"


def own_form(name):
    name = name.replace(".to_q", ".q_proj").replace(".to_out.0", ".o_proj")
    before = f"base_model.model.{name}"
    return f"{before}.lora_A.weight", f"{before}.lora_B.weight"


def kohya_form(name):
    return f"diffusion_model.{name}.lora_down.weight", f"diffusion_model.{name}.lora_up.weight"


def write(path, form=diffusers_form, **more):
    tensors = dict(more)
    for name, (down, up) in pairs().items():
        first, second = form(name)
        tensors |= {first: down, second: up}
    save_file({key: value.contiguous() for key, value in tensors.items()}, path)
    return path


def expected(folder, scale):
    weights = load_file(folder / "transformer/diffusion_pytorch_model.safetensors")
    for name, (down, up) in pairs().items():
        weights[f"{name}.weight"] = weights[f"{name}.weight"] + scale * (up @ down)
    return weights


@pytest.mark.parametrize("form", [diffusers_form, own_form, kohya_form])
def test_each_form_is_added_to_the_layers_it_names(make_ace_step, tmp_path, form):
    folder = make_ace_step()
    lora = Lora("mine", write(tmp_path / "lora.safetensors", form), 0.5)
    before = load_file(folder / "transformer/diffusion_pytorch_model.safetensors")
    found, wanted = lora.added_to(before, folder / "transformer"), expected(folder, 0.5)
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        torch.testing.assert_close(found[key], value, rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=15)
@given(scale=st.floats(-2, 2), alpha=st.floats(0.5, 16), rslora=st.booleans())
def test_scale_and_alpha(tmp_path_factory, scale, alpha, rslora):
    folder = tmp_path_factory.mktemp("lora")
    path = write(folder / "lora.safetensors")
    (folder / "adapter_config.json").write_text(
        json.dumps({"lora_alpha": alpha, "use_rslora": rslora, "r": RANK})
    )
    tensors = {f"{name}.weight": torch.zeros(len(up), down.shape[1])
               for name, (down, up) in pairs().items()}  # fmt: skip
    found = Lora("mine", path, scale).added_to(tensors, folder / "x")
    share = scale * alpha / (RANK**0.5 if rslora else RANK)
    for name, (down, up) in pairs().items():
        torch.testing.assert_close(found[f"{name}.weight"], share * (up @ down))


def test_an_alpha_in_the_file(tmp_path):
    alpha = {"transformer.layers.0.self_attn.to_q.alpha": torch.tensor(1.5)}
    path = write(tmp_path / "lora.safetensors", **alpha)
    tensors = {f"{name}.weight": torch.zeros(len(up), down.shape[1])
               for name, (down, up) in pairs().items()}  # fmt: skip
    found = Lora("mine", path, 1.0).added_to(tensors, tmp_path / "x")
    down, up = pairs()["layers.0.self_attn.to_q"]
    torch.testing.assert_close(found["layers.0.self_attn.to_q.weight"], 0.5 * (up @ down))


def test_a_take_with_one_has_it_in_its_receipt(make_ace_step, tmp_path):
    folder, path = make_ace_step(), write(tmp_path / "tango.safetensors")
    plain = make_generator("ace-step", {"model": str(folder), "steps": 2})
    first = plain.render(ask(), Progress())
    made = {}
    for scale in (0.0, 1.0):
        options = {"model": str(folder), "steps": 2, "lora": str(path), "lora_scale": scale}
        generator = make_generator("ace-step", options)
        assert not generator.assess(ask()).problems
        made[scale] = generator.render(ask(), Progress())
    assert made[0.0] == first
    assert np.abs(made[1.0].samples - first.samples).max() > 1e-3
    model = generator.model()
    assert len(model.files["lora/tango.safetensors"]) == 64
    assert any(note == f"LoRA {path}, scale 1." for note in model.notes)
    assert model.licences[-1].what == f"LoRA {path}"


def test_no_int8_copy_of_a_model_is_kept_or_taken_with_one(make_ace_step, tmp_path):
    path, made = write(tmp_path / "tango.safetensors"), []
    options = {"model": str(make_ace_step()), "steps": 2, "precision": "int8"}
    for more in ({}, {"lora": str(path)}, {}):
        made.append(make_generator("ace-step", {**options, **more}).render(ask(), Progress()))
    assert made[0] == made[2]
    assert np.abs(made[1].samples - made[0].samples).max() > 1e-3


def test_one_of_the_hub(hub, make_ace_step, tmp_path):
    path = write(tmp_path / "x.safetensors")
    hub.add("me/tango-lora", {"pytorch_lora_weights.safetensors": path})
    assert find_lora("me/tango-lora", 1.0) is None
    seen = []
    generator = make_generator(
        "ace-step", {"model": str(make_ace_step()), "lora": "me/tango-lora", "steps": 1}
    )
    generator.render(ask(), Progress(seen.append))
    shown = [update for update in seen if "me/tango-lora" in update.label and update.unit == "B"]
    # Its bytes are shown as those of every download.
    assert shown[-1].done == shown[-1].total == path.stat().st_size
    assert "lora/pytorch_lora_weights.safetensors" in generator.model().files
    lora = find_lora("me/tango-lora", 1.0)
    assert lora.hashes.keys() == {"pytorch_lora_weights.safetensors"}


def test_what_doesn_t_fit_is_refused(make_ace_step, tmp_path, monkeypatch):
    folder = make_ace_step()
    engine = engine_of(folder)
    a, b = torch.zeros(2, 32), torch.zeros(32, 2)
    for tensors, words in [
        ({"layers.9.mlp.up_proj.lora_A.weight": a, "layers.9.mlp.up_proj.lora_B.weight": b},
         "no layer layers.9.mlp.up_proj"),
        ({"layers.0.mlp.up_proj.lora_A.weight": a, "layers.0.mlp.up_proj.lora_B.weight": b},
         "another size"),
        ({"layers.0.mlp.up_proj.lora_A.weight": a}, "no layer"),
        ({"layers.0.self_attn.to_q.dora_scale": a}, "can't add"),
        ({"x.alpha": torch.tensor(1.0)}, "no layers of a LoRA"),
    ]:  # fmt: skip
        save_file(tensors, tmp_path / "wrong.safetensors")
        monkeypatch.setattr(
            engine.parts, "_lora", Lora("wrong", tmp_path / "wrong.safetensors", 1.0)
        )
        with pytest.raises(GeneratorError, match=words) as caught:
            engine.parts.load("transformer")
        assert caught.value.step


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.safetensors", "no file"), ("lora.pt", "may hold code"), ("odd name", "odd name")],
)
def test_what_isn_t_there_is_a_problem_of_the_plan(hub, make_ace_step, name, words):
    generator = make_generator("ace-step", {"model": str(make_ace_step()), "lora": name})
    (problem,) = generator.assess(ask()).problems
    assert words in problem.message
    with pytest.raises(MilongaError):
        generator.render(ask(), Progress())


def test_a_folder_must_hold_one_file(tmp_path):
    write(tmp_path / "a.safetensors")
    assert find_lora(str(tmp_path), 1.0).path.name == "a.safetensors"
    write(tmp_path / "b.safetensors")
    with pytest.raises(GeneratorError, match="more than one"):
        find_lora(str(tmp_path), 1.0)
