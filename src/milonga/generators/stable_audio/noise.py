"""The sampler of Stable Audio Open, without its trap in the last step.

Imports torch and diffusers; only the engine imports it, when it is needed.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import CosineDPMSolverMultistepScheduler
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

_NARROWEST = 1e-6
"""The tree of noise rounds times to this. Asked for less, it halves an interval for ever: its
ends differ, but not once they are rounded."""


class BrownianNoise(BrownianTreeNoiseSampler):  # type: ignore[misc, unused-ignore]
    """Noise for each step as increments of one Brownian motion over the noise levels.

    The same as the library's for every step that has any. It is drawn in float32 on the processor,
    so that all devices agree.

    Args:
        shape: of the noise.
        sigma_min: lower bound of the noise levels.
        sigma_max: upper bound.
        seed: 0 or more.
    """

    def __init__(
        self, shape: tuple[int, ...], sigma_min: float, sigma_max: float, seed: int
    ) -> None:
        # The library's class carries no types.
        make: Any = super().__init__
        make(torch.zeros(shape), sigma_min, sigma_max, seed)
        self._shape = shape
        self._low, self._high = (float(torch.as_tensor(bound)) for bound in (sigma_min, sigma_max))

    def __call__(self, sigma: Any, sigma_next: Any) -> torch.Tensor:
        """Noise of unit variance between two levels, zero where there is none between them.

        The last step goes down to 0, which is below the tree's lower bound. Its noise is
        multiplied by the new level, 0, so it may as well be zero.
        """
        first, last = (torch.as_tensor(level) for level in (sigma, sigma_next))
        ends = [min(max(float(level), self._low), self._high) for level in (first, last)]
        if float(last) == 0 or abs(ends[0] - ends[1]) < _NARROWEST:
            return torch.zeros(self._shape)
        tree: Any = self.tree
        increment: torch.Tensor = tree(*ends)
        return increment / (last - first).abs().sqrt()


class Sampler(CosineDPMSolverMultistepScheduler):  # type: ignore[misc, unused-ignore]
    """The library's scheduler, with that noise.

    ``BrownianNoise`` is put in place before the first step, where the library would make its own.
    """

    def step(
        self,
        model_output: torch.Tensor,
        timestep: Any,
        sample: torch.Tensor,
        generator: Any = None,
        return_dict: bool = True,
    ) -> Any:
        """As the library's; ``generator`` must be one generator, whose seed is the noise's."""
        # The library's class carries no types.
        inherited: Any = super()
        if getattr(self, "noise_sampler", None) is None:
            config = inherited.config
            self.noise_sampler = BrownianNoise(
                tuple(sample.shape), config.sigma_min, config.sigma_max, generator.initial_seed()
            )
        return inherited.step(model_output, timestep, sample, generator, return_dict)
