"""The attention of a take against the library's own."""

import copy

import pytest
import torch
from diffusers.models.transformers.ace_step_transformer import (
    AceStepAttention,
    _ace_step_rotary_freqs,
    _create_4d_mask,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.generators.ace_step.attention import TakeAttention


def make(window=None, cross=False, heads=4, shared=2):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = AceStepAttention(
            hidden_size=24, num_attention_heads=heads, num_key_value_heads=shared, head_dim=8,
            sliding_window=window, is_cross_attention=cross,
        )  # fmt: skip
    ours = copy.deepcopy(theirs.requires_grad_(False))
    ours.processor = TakeAttention()
    return theirs, ours


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def close(found, expected):
    # Float32 in another order of sums.
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * float(expected.abs().max()))


@settings(deadline=None, max_examples=40)
@given(
    positions=st.integers(1, 420),
    window=st.sampled_from([None, 1, 5, 64, 128]),
    rows=st.integers(1, 2),
    shared=st.sampled_from([1, 2, 4]),
)
def test_every_position_sees_what_it_saw(positions, window, rows, shared):
    theirs, ours = make(window, shared=shared)
    states = random(rows, positions, 24, seed=positions)
    rotary = _ace_step_rotary_freqs(positions, 8, 1e6, states.device, states.dtype)
    mask = None
    if window is not None:
        mask = _create_4d_mask(positions, states.dtype, states.device, sliding_window=window,
                               is_sliding_window=True, is_causal=False)  # fmt: skip
    close(
        ours(states, image_rotary_emb=rotary),
        theirs(states, image_rotary_emb=rotary, attention_mask=mask),
    )


@pytest.mark.parametrize("rows", [1, 2])
def test_what_texts_give_is_computed_once_for_each_texts(rows):
    theirs, ours = make(cross=True)
    calls = []
    ours.to_k.register_forward_pre_hook(lambda *_: calls.append(1))
    texts, others = random(rows, 30, 24, seed=1), random(rows, 12, 24, seed=2)
    for states, read in [(random(rows, 9, 24, seed=3), texts), (random(rows, 9, 24, seed=4), texts),
                         (random(rows, 9, 24, seed=5), others)]:  # fmt: skip
        close(ours(states, encoder_hidden_states=read), theirs(states, encoder_hidden_states=read))
    assert len(calls) == 2
    ours.processor.forget()
    ours(states, encoder_hidden_states=others)
    assert len(calls) == 3
