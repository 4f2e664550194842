"""The sampler against the library's own."""

import warnings

import pytest
import torch
from diffusers import CosineDPMSolverMultistepScheduler

from milonga.generators.stable_audio.noise import BrownianNoise, Sampler

SHAPE = (1, 4, 33)


@pytest.fixture(autouse=True)
def _stock_warnings():
    # The library asks torchsde for times beyond its bounds, which warns; ours doesn't.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Should have t")
        yield


def sample(kind, steps, seed, change=None, **config):
    """Latents and each step's noise, with a stand-in for the transformer."""
    scheduler = kind(**config)
    scheduler.set_timesteps(steps)
    if change:
        change(scheduler)
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(SHAPE, generator=generator) * scheduler.init_noise_sigma
    noises = []
    for index, level in enumerate(scheduler.timesteps):
        model_output = torch.tanh(scheduler.scale_model_input(latents, level) * 3 + level)
        latents = scheduler.step(model_output, level, latents, generator).prev_sample
        first, last = scheduler.sigmas[index], scheduler.sigmas[index + 1]
        if last > 0:
            noises.append(scheduler.noise_sampler(first, last))
    return latents, noises


def near_the_bound(scheduler):
    """The last level before 0 a few units in the last place above the lower bound."""
    scheduler.sigmas[-2] = 0.30000001192


def test_the_library_s_last_step_recurses_for_ever_and_ours_does_not():
    with pytest.raises(RecursionError):
        sample(CosineDPMSolverMultistepScheduler, 8, 0, near_the_bound)
    latents, noises = sample(Sampler, 8, 0, near_the_bound)
    assert torch.isfinite(latents).all()
    assert len(noises) == 7
    # And the result is as good as the one a rounding away, which the library can make: the level
    # differs by 1e-7 of itself, and float32 rounds to 6e-8 at each of the steps.
    expected, _ = sample(CosineDPMSolverMultistepScheduler, 8, 0, lambda s: at(s, 0.29999998))
    torch.testing.assert_close(latents, expected, rtol=1e-5, atol=1e-5)


def at(scheduler, level):
    scheduler.sigmas[-2] = level


@pytest.mark.parametrize(
    ("steps", "seed"),
    [*((steps, seed) for steps in (2, 3, 8, 14, 15) for seed in (0, 1, 2**32 - 1)),
     (50, 7), (100, 0), (200, 0)],
)  # fmt: skip
def test_the_same_noise_and_the_same_result_for_a_seed(steps, seed):
    def safe(scheduler):
        # Whether the library's own level recurses hangs on the machine's rounding.
        at(scheduler, 0.29999998)

    expected, their_noises = sample(CosineDPMSolverMultistepScheduler, steps, seed, safe)
    latents, noises = sample(Sampler, steps, seed, safe)
    assert torch.equal(latents, expected)
    assert len(noises) == steps - 1
    for ours, theirs in zip(noises, their_noises, strict=True):
        assert torch.equal(ours, theirs)
        # Unit variance: 132 numbers, whose deviation is within 0.3 of 1 by five sigmas.
        assert 0.7 < ours.std() < 1.3


def test_noise_of_the_last_step_makes_no_difference():
    """It is multiplied by the level that the step goes to, 0."""

    def loud(scheduler):
        at(scheduler, 0.29999998)
        own = BrownianNoise(SHAPE, 0.3, 500, 5)
        scheduler.noise_sampler = lambda a, b: torch.full(SHAPE, 9.0) if b == 0 else own(a, b)

    def plain(scheduler):
        at(scheduler, 0.29999998)
        scheduler.noise_sampler = BrownianNoise(SHAPE, 0.3, 500, 5)

    for kind in (CosineDPMSolverMultistepScheduler, Sampler):
        assert torch.equal(sample(kind, 12, 5, loud)[0], sample(kind, 12, 5, plain)[0])


def test_other_ends_of_the_schedule_hold_no_trap_either():
    """Where the last level is the lower bound itself, the library divides zero by zero."""
    theirs, _ = sample(CosineDPMSolverMultistepScheduler, 8, 0, lambda s: at(s, s.sigmas[-1]),
                       final_sigmas_type="sigma_min")  # fmt: skip
    assert theirs.isnan().any()
    for change in (near_the_bound, lambda s: at(s, s.sigmas[-1]), None):
        latents, _ = sample(Sampler, 8, 0, change, final_sigmas_type="sigma_min")
        assert torch.isfinite(latents).all()
    for schedule in ("karras", "exponential"):
        latents, _ = sample(Sampler, 20, 0, sigma_schedule=schedule)
        assert torch.isfinite(latents).all()


def test_seeds_change_the_noise_and_no_warning_comes():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, _ = sample(Sampler, 6, 0)
        assert not torch.equal(first, sample(Sampler, 6, 1)[0])
        assert torch.equal(first, sample(Sampler, 6, 0)[0])
