"""Edits of recordings by ACE-Step: what of the source the transformer is shown.

Source: diffusers' ``AceStepPipeline`` for what a task shows the model; ACE-Step's own sampler for
the strength of a cover. (The pipeline mixes both directions in every step, and shows the source's
codes in both, so that even at strength 0 the source is covered.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.resampling import resample
from milonga.generators.ace_step.codes import through_codes
from milonga.generators.ace_step.engine import AceStepEngine, Phase, Settings
from milonga.generators.ace_step.prompts import texts_of
from milonga.generators.base import Edit, Request
from milonga.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

_TIMBRE_S, _STRETCH_S = 30, 10
"""Seconds of a reference that are listened to: its beginning, middle and end."""


def phases_of(
    engine: AceStepEngine,
    request: Request,
    edit: Edit,
    source: Clip,
    reference: Clip | None,
    settings: Settings,
    progress: Progress,
) -> list[Phase]:
    """What the model is told and shown for an edit, phase by phase.

    Args:
        engine: of a checkpoint that can do the task.
        request: what to make.
        edit: how.
        source: the recording, at any rate and with any number of channels.
        reference: a recording whose timbre is wanted.
        settings: of the sampler.
        progress: shows the work.

    Raises:
        Cancelled: the user stopped it.
    """
    import torch

    frames, shape = settings.frames, engine.shape
    timbre = None
    if reference is not None:
        heard = timbre_samples(reference, shape.rate)
        timbre = engine.encoded(heard, request.seed, progress, nth=1)

    def told(task: Edit | None) -> torch.Tensor:
        texts = texts_of(request, task.task if task else None)
        return engine.conditions.encoded(texts, progress, timbre)

    covered = cover_steps(settings.steps, edit.strength) if edit.task == "cover" else None
    if covered == 0:
        return [Phase(told(None), engine.context(frames), settings.steps)]
    samples = source_samples(source, shape.rate, edit.offset, frames * shape.hop)
    there, mask = engine.encoded(samples, request.seed, progress), None
    if edit.task in ("repaint", "extend", "lego"):
        mask = range_mask(edit, frames, shape.rate / shape.hop)
    if mask is not None and edit.task != "lego":
        there = torch.where(mask[None, :, None] > 0, engine.conditions.silence(frames).cpu(), there)
    if covered is not None:
        there = through_codes(engine, there, progress)
    found = [Phase(told(edit), engine.context(frames, there, mask), covered or settings.steps)]
    if covered is not None and covered < settings.steps:
        found.append(Phase(told(None), engine.context(frames), settings.steps))
    return found


def cover_steps(steps: int, strength: float) -> int:
    """Steps in which the source of a cover is shown, from the first: they decide the rough shape,
    the others the detail."""
    return round(steps * strength)


def range_mask(edit: Edit, frames: int, rate: float) -> torch.Tensor:
    """1 in every latent frame that the range touches, else 0, ``[frames]``."""
    import torch

    end = frames if edit.end is None else min(frames, math.ceil(round(edit.end * rate, 6)))
    start = min(math.floor(round(edit.start * rate, 6)), frames - 1)
    mask = torch.zeros(frames)
    mask[start : max(end, start + 1)] = 1.0
    return mask


def source_samples(clip: Clip, rate: int, offset: float, length: int) -> NDArray[np.float32]:
    """A recording as the model's encoder takes it, ``[2, length]``, with silence around it."""
    found = np.zeros((2, length), np.float32)
    samples = resample(clip.with_channels(2), rate).samples
    start = min(length, round(offset * rate))
    kept = samples[:, : length - start]
    found[:, start : start + kept.shape[1]] = kept
    return found


def timbre_samples(clip: Clip, rate: int) -> NDArray[np.float32]:
    """Beginning, middle and end of a recording, ``[2, 30 s]``; a shorter one comes again."""
    samples = resample(clip.with_channels(2), rate).samples
    least, stretch = _TIMBRE_S * rate, _STRETCH_S * rate
    samples = np.tile(samples, (1, math.ceil(least / max(1, samples.shape[1]))))
    total = samples.shape[1]
    starts = (0, total // 3, total - stretch)
    return np.concatenate([samples[:, at : at + stretch] for at in starts], axis=1)
