"""ACE-Step itself: texts and recordings to latents to samples.

What diffusers' ``AceStepPipeline`` computes, but for its ends: the parts of the model take turns,
nothing is cut, every length works, the level stays as it was decoded, and random numbers come
from the request's seed alone.

Source: ACE-Step 1.5 (arXiv:2602.00744); guidance: arXiv:2410.02416.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.generators.ace_step.checkpoints import AceStepShape
from milonga.generators.ace_step.conditions import Conditions
from milonga.generators.ace_step.lora import Lora
from milonga.generators.ace_step.parts import AceStepParts
from milonga.generators.neural import diffusion, oobleck
from milonga.generators.neural.cancelling import cancellable
from milonga.generators.neural.diffusion import DiffusionEngine
from milonga.generators.neural.precision import PrecisionChoice
from milonga.generators.neural.trials import TRIAL_S, TRIAL_STEPS
from milonga.runtime.progress import Progress
from milonga.runtime.seeding import fold

if TYPE_CHECKING:
    import torch

_MOMENTUM, _MOST = -0.75, 2.5
"""Of the guidance, as the model was made for."""
_RECORDINGS = 2**32
"""Added to a seed for what is drawn while recordings are encoded, which must not be the numbers
that the music begins with."""


@dataclass(frozen=True, slots=True)
class Settings(diffusion.Settings):
    """Settings of the sampler: 1 step or more.

    Attributes:
        shift: how much of the steps goes to high levels of noise.
    """

    shift: float = 1.0

    def levels(self) -> list[float]:
        """The levels of noise from 1 down to 0, one more than steps."""
        at = np.linspace(1.0, 0.0, self.steps + 1)
        return [float(level) for level in self.shift * at / (1 + (self.shift - 1) * at)]


@dataclass(frozen=True, slots=True)
class Phase:
    """What the model is told in some of the steps.

    Attributes:
        texts: from ``Conditions``, ``[1, tokens, width]``.
        context: what is there, and where to make something, ``[1, frames, 2 * channels]``.
        until: the first step after it.
    """

    texts: torch.Tensor
    context: torch.Tensor
    until: int


class AceStepEngine(DiffusionEngine[AceStepParts]):
    """ACE-Step on this machine.

    Attributes:
        shape: its sizes.
        conditions: encodes texts.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        device: str,
        shape: AceStepShape,
        precision: PrecisionChoice = "published",
        lora: Lora | None = None,
        key: str = "",
    ) -> None:
        parts = AceStepParts(folder, name, device, precision, lora)
        super().__init__(parts, parts.layout.transformer, precision, key or name)
        self.shape = shape
        self.conditions = Conditions(parts, shape.rate / shape.hop)

    def context(
        self, frames: int, there: torch.Tensor | None = None, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What the model sees of a recording, ``[1, frames, 2 * channels]``.

        Args:
            frames: of the take.
            there: latents, ``[1, frames, channels]``; of silence if None.
            mask: 1 where to make something, 0 where to keep, ``[frames]``; 1 everywhere if None.
        """
        import torch

        there = self.conditions.silence(frames) if there is None else there
        if mask is None:
            mask = torch.ones(frames)
        marked = mask.to(there)[None, :, None].expand_as(there)
        return torch.cat([there, marked], dim=-1)

    def latents(
        self, phases: Sequence[Phase], seed: int, settings: Settings, progress: Progress
    ) -> torch.Tensor:
        """Samples latents, ``[1, frames, channels]`` float32 on the device.

        Args:
            phases: what to play; the last one holds to the end.
            seed: 0 or more.
            settings: how.
            progress: shows the steps; asked at least in every product of matrices whether to stop.

        Raises:
            GeneratorError: the files are damaged.
            Cancelled: the user stopped it.
        """
        frames = min(settings.frames, math.ceil(TRIAL_S * self.shape.rate / self.shape.hop))
        short = replace(settings, steps=TRIAL_STEPS, frames=frames)
        first = replace(phases[-1], context=phases[-1].context[:, :frames], until=TRIAL_STEPS)
        self.settle(
            lambda model: self._sampled(model, [first], 0, short, progress),
            lambda latents: self.audio(latents, frames * self.shape.hop, progress),
            self.shape.rate, progress,
        )  # fmt: skip
        with self.parts.at_work("transformer") as model:
            return self._sampled(model, phases, seed, settings, progress)

    def _sampled(
        self,
        model: Any,
        phases: Sequence[Phase],
        seed: int,
        settings: Settings,
        progress: Progress,
    ) -> torch.Tensor:
        import torch

        generator = torch.Generator().manual_seed(fold(seed))
        noise = torch.randn((1, settings.frames, self.shape.channels), generator=generator)
        kinds = (torch.nn.Linear,)
        with (
            torch.inference_mode(),
            self.sampling(model, "ACE-Step", settings.steps, progress, kinds) as task,
        ):
            guide = Guidance(settings, self.conditions.fixed().nothing) if settings.guided else None
            device, kind = model.device, model.dtype
            latents, begun = noise.to(device), -1
            for step, (level, below) in enumerate(pairwise(settings.levels())):
                at = next(i for i, phase in enumerate(phases) if step < phase.until)
                if at != begun:
                    begun, phase = at, phases[at]
                    texts = phase.texts if guide is None else guide.both(phase.texts)
                    # The same tensor in all steps: its keys are computed once.
                    texts, context = texts.to(device, kind), phase.context.to(device, kind)
                rows = len(texts)
                levels = torch.full((rows,), level, device=device, dtype=kind)
                found = model(
                    hidden_states=latents.to(kind).expand(rows, -1, -1),
                    timestep=levels,
                    timestep_r=levels,
                    encoder_hidden_states=texts,
                    context_latents=context.expand(rows, -1, -1),
                    return_dict=False,
                )[0].float()
                latents = latents + (below - level) * (found if guide is None else guide(found))
                task.advance()
        return latents

    def encoded(
        self, samples: NDArray[np.float32], seed: int, progress: Progress, nth: int = 0
    ) -> torch.Tensor:
        """The latents of a recording, ``[1, frames, channels]`` float32.

        Args:
            samples: ``[2, frames * hop]`` at the model's rate.
            seed: of the request; the encoder's spread is drawn from it.
            progress: shows the frames; asked in every convolution whether to stop.
            nth: which of the request's recordings it is.

        Raises:
            Cancelled: the user stopped it.
        """
        import torch

        kinds = (torch.nn.Conv1d,)
        with self.parts.at_work("encoder") as model, cancellable(model, progress, kinds):
            found = oobleck.encode(model, torch.from_numpy(samples), self.shape.ratios, progress)
        mean, spread = found.chunk(2, dim=1)
        generator = torch.Generator().manual_seed(fold(seed + (1 + nth) * _RECORDINGS))
        drawn = torch.randn(mean.shape, generator=generator)
        return (mean + (torch.nn.functional.softplus(spread) + 1e-4) * drawn).transpose(1, 2)

    def audio(self, latents: torch.Tensor, samples: int, progress: Progress) -> NDArray[np.float32]:
        """The first samples of what latents decode to, ``[channels, samples]``."""
        import torch

        kinds = (torch.nn.Conv1d, torch.nn.ConvTranspose1d)
        with self.parts.at_work("decoder") as model, self.decoding(model, progress, kinds):
            sound = oobleck.decode(
                model, latents.transpose(1, 2), samples, self.shape.ratios, progress
            )
        found: NDArray[np.float32] = sound.numpy()
        return found


class Guidance:
    """Guidance away from no texts at all, without what would only make it louder (APG)."""

    def __init__(self, settings: Settings, nothing: torch.Tensor) -> None:
        from diffusers.guiders.adaptive_projected_guidance import (
            MomentumBuffer,
            normalized_guidance,
        )

        self._scale, self._nothing = settings.guidance - 1, nothing
        self._momentum: Any = MomentumBuffer(_MOMENTUM)
        self._compute: Any = normalized_guidance

    def both(self, texts: torch.Tensor) -> torch.Tensor:
        """The texts, and nothing in their place, as two rows."""
        import torch

        return torch.cat([texts, self._nothing.to(texts).expand_as(texts)])

    def __call__(self, velocities: torch.Tensor) -> torch.Tensor:
        told, untold = velocities.chunk(2)
        found: torch.Tensor = self._compute(
            told, untold, self._scale, self._momentum, eta=0.0, norm_threshold=_MOST,
            use_original_formulation=True, norm_dim=(1,),
        )  # fmt: skip
        return found
