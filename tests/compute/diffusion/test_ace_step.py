import copy
from typing import Any

import pytest
import torch
from diffusers import AceStepTransformer1DModel
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.compute import processor
from milonga.compute.diffusion.ace_step import AceStepTransformer
from milonga.compute.products.making import LayerMaker
from milonga.compute.products.precision import why_slow
from milonga.errors import Cancelled
from milonga.generators.neural.cancelling import cancellable
from milonga.runtime.progress import Progress


@pytest.fixture(scope="module")
def model() -> Any:
    generator = torch.Generator().manual_seed(0)
    found = AceStepTransformer1DModel(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        in_channels=12,
        audio_acoustic_hidden_dim=4,
        sliding_window=5,
    )
    for name, parameter in found.named_parameters():
        centre = 1.0 if "norm" in name else 0.0
        # Where what the time changes is far larger than what it is added to, as in no trained
        # model, each block makes a rounding ten times as large.
        spread = 0.1 if "time_embed" in name else 0.3
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread + centre
    return found.requires_grad_(False).eval()


def fast(model: Any, precision: str = "float32", progress: Progress | None = None) -> Any:
    return AceStepTransformer(copy.deepcopy(model), LayerMaker(precision, progress))


def inputs(frames: int, words: int, rows: int = 1, seed: int = 0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "hidden_states": torch.randn(rows, frames, 4, generator=generator),
        "context_latents": torch.randn(rows, frames, 8, generator=generator),
        "encoder_hidden_states": torch.randn(rows, words, 32, generator=generator),
        "timestep": torch.rand(rows, generator=generator),
        "timestep_r": torch.rand(rows, generator=generator),
        "return_dict": False,
    }


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(1, 70),
    words=st.integers(1, 9),
    rows=st.integers(1, 2),
    seed=st.integers(0, 9),
)
def test_the_velocity_is_that_of_diffusers_for_any_length(model, frames, words, rows, seed):
    given_ = inputs(frames, words, rows, seed)
    with torch.inference_mode():
        expected = model(**given_)[0]
    (found,) = fast(model)(**given_)
    assert found.shape == expected.shape
    assert error(found, expected) < 1e-5


@pytest.mark.parametrize(("precision", "limit"), [("bfloat16", 2e-2), ("int8", 4e-2)])
def test_other_precisions_stay_within_their_rounding(model, precision, limit):
    # Three layers with six roundings each, of 0.4 % (bfloat16) or 1.2 % (int8).
    given_ = inputs(60, 8)
    with torch.inference_mode():
        expected = model(**given_)[0]
    (found,) = fast(model, precision)(**given_)
    assert 1e-5 < error(found, expected) < limit


def test_without_quick_bfloat16_attention_stays_in_float32(model):
    given_ = inputs(30, 8)
    with torch.inference_mode():
        expected = model(**given_)[0]
    with processor.without("avx512", "avxvnni", "amx", "bf16"):
        (found,) = fast(model)(**given_)
    assert error(found, expected) < 1e-5


def test_keys_of_a_text_are_computed_once_and_of_another_text_anew(model):
    engine, first, second = fast(model), inputs(20, 8), inputs(20, 5, seed=1)
    calls = []
    for block in engine.layers:
        block.cross_text.rows = lambda x, own=block.cross_text.rows: calls.append(1) or own(x)
    expected = [engine(**one)[0] for one in (first, second)]
    made = len(calls)
    again = [engine(**one)[0] for one in (first, second)]
    assert made == 2 * len(engine.layers) == len(calls)
    assert all(torch.equal(a, b) for a, b in zip(expected, again, strict=True))
    engine.forget()
    engine(**first)
    assert len(calls) == made + len(engine.layers)


def test_it_stops_while_it_is_made_and_in_a_step(model):
    progress = Progress()
    engine = fast(model)
    progress.cancel()
    with pytest.raises(Cancelled):
        fast(model, "int8", progress)
    with pytest.raises(Cancelled), cancellable(engine, progress):
        engine(**inputs(20, 8))


def test_the_weights_are_in_memory_once(model):
    given_up = copy.deepcopy(model)
    AceStepTransformer(given_up, LayerMaker("int8"))
    assert not sum(layer.self_attn.to_q.weight.numel() for layer in given_up.layers)
    assert not sum(layer.mlp.down_proj.weight.numel() for layer in given_up.layers)


def test_weights_in_bfloat16_are_computed_in_float32_where_that_is_asked_for(model):
    given_, rounded = inputs(30, 8), copy.deepcopy(model).bfloat16()
    with torch.inference_mode():
        expected = copy.deepcopy(rounded).float()(**given_)[0]
    assert error(fast(rounded)(**given_)[0], expected) < 1e-5
    # Activations are rounded, too, where the processor multiplies bfloat16, and nowhere else.
    rounds = error(fast(rounded, "bfloat16")(**given_)[0], expected) > 1e-4
    assert rounds == (why_slow("bfloat16") is None)
