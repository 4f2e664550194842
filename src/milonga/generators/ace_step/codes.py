"""Codes of music, five a second: what a cover keeps of its source, and what the planner writes.

They hold tune and rhythm rather than sound. The transformer gets them as latents that are already
there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from milonga.generators.ace_step.engine import AceStepEngine
from milonga.generators.neural.cancelling import cancellable
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch


def through_codes(engine: AceStepEngine, latents: torch.Tensor, progress: Progress) -> torch.Tensor:
    """What codes keep of latents, ``[1, frames, channels]`` in the same shape.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    silence = engine.conditions.silence(latents.shape[1])
    with (
        torch.inference_mode(),
        engine.parts.at_work("audio_tokenizer") as model,
        cancellable(model, progress, (torch.nn.Linear,)),
    ):
        quantised = model.tokenize(latents.to(model.device), silence)[0]
    return _heard(engine, quantised, latents.shape[1], progress)


def latents_of(
    engine: AceStepEngine, codes: Sequence[int], frames: int, progress: Progress
) -> torch.Tensor:
    """The latents that codes stand for, ``[1, frames, channels]``.

    Args:
        engine: of the model.
        codes: one for each ``pool_window_size`` frames.
        frames: wanted, no more than the codes fill.
        progress: asked whether to stop.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    with torch.inference_mode(), engine.parts.at_work("audio_tokenizer") as model:
        quantizer = model.quantizer
        # Further quantisers, of which the published models have none, would be silent.
        places = torch.zeros(1, len(codes), quantizer.num_quantizers, dtype=torch.long)
        places[0, :, 0] = torch.tensor(codes)
        quantised = quantizer.get_output_from_indices(places.to(model.device)).float().clone()
    return _heard(engine, quantised, frames, progress)


def _heard(
    engine: AceStepEngine, quantised: torch.Tensor, frames: int, progress: Progress
) -> torch.Tensor:
    import torch

    with (
        torch.inference_mode(),
        engine.parts.at_work("audio_token_detokenizer") as model,
        cancellable(model, progress, (torch.nn.Linear,)),
    ):
        found: torch.Tensor = model(quantised.to(model.device))
    return found[:, :frames].cpu()
