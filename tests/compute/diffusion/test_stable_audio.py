import copy
from typing import Any

import pytest
import torch
from diffusers import StableAudioDiTModel
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.compute.diffusion.stable_audio import StableAudioTransformer
from milonga.compute.products.making import LayerMaker
from milonga.errors import Cancelled
from milonga.generators.neural.cancelling import cancellable
from milonga.runtime.progress import Progress


@pytest.fixture(scope="module")
def model() -> Any:
    generator = torch.Generator().manual_seed(0)
    found = StableAudioDiTModel(
        in_channels=4,
        out_channels=4,
        num_layers=3,
        attention_head_dim=16,
        num_attention_heads=4,
        num_key_value_attention_heads=2,
        cross_attention_dim=32,
        cross_attention_input_dim=24,
        global_states_input_dim=48,
        time_proj_dim=16,
    )
    for name, parameter in found.named_parameters():
        centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1 + centre
    return found.requires_grad_(False).eval()


def fast(model: Any, precision: str = "float32") -> Any:
    return StableAudioTransformer(copy.deepcopy(model), LayerMaker(precision))


def inputs(frames: int, words: int, rows: int = 2, silent: bool = True) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(frames)
    text = torch.randn(rows, words, 24, generator=generator)
    if silent:
        text[0] = 0
    return {
        "hidden_states": torch.randn(rows, 4, frames, generator=generator),
        "timestep": torch.rand(1, generator=generator),
        "encoder_hidden_states": text,
        "global_hidden_states": torch.randn(rows, 1, 48, generator=generator),
        "rotary_embedding": get_1d_rotary_pos_embed(
            8, frames + 1, use_real=True, repeat_interleave_real=False
        ),
        "return_dict": False,
    }


def expected_of(model: Any, given_: dict[str, Any]) -> torch.Tensor:
    with torch.inference_mode():
        return model(**given_)[0]


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@settings(max_examples=20, deadline=None)
@given(
    frames=st.integers(1, 60),
    words=st.integers(1, 9),
    rows=st.integers(1, 2),
    silent=st.booleans(),
)
def test_the_noise_is_that_of_diffusers_for_any_length(model, frames, words, rows, silent):
    given_ = inputs(frames, words, rows, silent)
    expected = expected_of(model, given_)
    (found,) = fast(model)(**given_)
    assert found.shape == expected.shape
    assert error(found, expected) < 1e-5


@pytest.mark.parametrize(("precision", "limit"), [("bfloat16", 2e-2), ("int8", 4e-2)])
def test_other_precisions_stay_within_their_rounding(model, precision, limit):
    # Three layers with six roundings each, of 0.4 % (bfloat16) or 1.2 % (int8).
    given_ = inputs(60, 8)
    (found,) = fast(model, precision)(**given_)
    assert 1e-5 < error(found, expected_of(model, given_)) < limit


def test_a_row_that_is_told_nothing_skips_the_text(model):
    given_, engine, calls = inputs(20, 8), fast(model), []
    for block in engine.transformer_blocks:
        block.cross_in.rows = lambda x, own=block.cross_in.rows: calls.append(1) or own(x)
    engine(**given_)
    assert len(calls) == len(engine.transformer_blocks)
    engine(**inputs(20, 8, silent=False))
    assert len(calls) == 3 * len(engine.transformer_blocks)


def test_keys_of_a_text_are_computed_once(model):
    given_, engine, calls = inputs(20, 8, silent=False), fast(model), []
    for block in engine.transformer_blocks:
        block.cross_text.rows = lambda x, own=block.cross_text.rows: calls.append(1) or own(x)
    first = engine(**given_)[0]
    assert torch.equal(engine(**given_)[0], first)
    assert len(calls) == 2 * len(engine.transformer_blocks)


def test_it_stops_in_a_step(model):
    progress, engine = Progress(), fast(model)
    progress.cancel()
    with pytest.raises(Cancelled), cancellable(engine, progress):
        engine(**inputs(20, 8))
