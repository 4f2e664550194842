"""The levels of noise and the steps between them, against the library's."""

from itertools import pairwise

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.stable_audio_3.pipeline_stable_audio_3 import logsnr_sigma_schedule
from hypothesis import given
from hypothesis import strategies as st

from milonga.generators.stable_audio_3.sampling import guided, levels, sample


@pytest.mark.parametrize("steps", [1, 2, 8, 100])
def test_levels_from_pure_noise_are_the_library_s(steps):
    theirs = logsnr_sigma_schedule(steps, -6.2, 2.0)
    assert levels(steps) == pytest.approx([*theirs, 0.0], abs=1e-6)


@given(steps=st.integers(1, 50), top=st.floats(0.1, 1))
def test_levels_fall_from_the_top_to_nothing(steps, top):
    found = levels(steps, top)
    assert len(found) == steps + 1
    assert found[0] == pytest.approx(top, rel=1e-6)
    assert found[-1] == 0
    # Down to 0.1 the library's rise at first.
    assert all(later < level for level, later in pairwise(found))


def toy(latents, level):
    return torch.tanh(latents) * (1 + level) + level


@pytest.mark.parametrize("stochastic", [True, False], ids=["ping-pong", "plain"])
@pytest.mark.parametrize("steps", [1, 8])
def test_steps_are_the_library_s(stochastic, steps):
    scheduler = FlowMatchEulerDiscreteScheduler(
        num_train_timesteps=1, stochastic_sampling=stochastic
    )
    scheduler.set_timesteps(sigmas=levels(steps)[:-1])
    generator = torch.Generator().manual_seed(5)
    theirs = torch.randn(1, 4, 9, generator=generator)
    for level in scheduler.timesteps:
        speed = toy(theirs, float(level))
        theirs = scheduler.step(speed, level, theirs, generator=generator).prev_sample
    generator = torch.Generator().manual_seed(5)
    ours = torch.randn(1, 4, 9, generator=generator)
    ours = sample(toy, ours, levels(steps), generator if stochastic else None)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_guidance_leaves_out_what_only_makes_it_louder():
    generator = torch.Generator().manual_seed(1)
    latents, told, other = torch.randn(3, 1, 4, 9, generator=generator)
    level, scale = 0.6, 7.0
    plain = guided(other, told, latents, level, scale, projected=False)
    torch.testing.assert_close(plain, other + scale * (told - other))
    found = guided(other, told, latents, level, scale)
    clean = latents - level * told
    # What is added is at right angles to the clean latents.
    added = level * (told - found)
    cosine = float((added * clean).sum() / added.norm() / clean.norm())
    assert abs(cosine) < 1e-6
    # A difference along them is no guidance at all.
    louder = told + (0.2 / level) * clean
    torch.testing.assert_close(guided(louder, told, latents, level, scale), told)
    torch.testing.assert_close(guided(other, told, latents, level, 1.0), told)
