"""ACE-Step's engine and the library's pipeline with the same words and the same noise."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import torch
from diffusers import AceStepPipeline

from milonga.generators.ace_step.checkpoints import shape_of
from milonga.generators.ace_step.engine import AceStepEngine, Settings
from milonga.generators.base import LyricLine, Request
from milonga.weights import locate

TOLERANCE = 1e-5
"""Of the largest latent: float32 in another order of sums, over up to 8 steps."""


def ask(**fields: Any) -> Request:
    return Request(**{
        "role": "song", "section": "verse", "style": "latin trap, 808", "mood": "playful",
        "lyrics": (LyricLine(text="We laugh at the chaos"),), "seconds": 10.0, "tempo": 122,
        "key": "A minor", "seed": 5, **fields,
    })  # fmt: skip


def engine_of(folder: Path) -> AceStepEngine:
    local = locate(str(folder), like="ace-step")
    assert local is not None
    return AceStepEngine(local.folder, "tiny", "cpu", shape_of(local, "tiny"))


@functools.cache
def pipeline_of(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*weight_norm", category=FutureWarning)
        pipeline = AceStepPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def theirs(pipeline: Any, request: Request, settings: Settings, **more: Any) -> torch.Tensor:
    """What the pipeline makes of the same words from the same noise."""
    generator = torch.Generator().manual_seed(request.seed)
    noise = torch.randn((1, settings.frames, 8), generator=generator)
    latents: torch.Tensor = pipeline(
        "latin trap, 808, playful", "[Verse]\nWe laugh at the chaos", request.seconds, "en",
        settings.steps, settings.guidance, settings.shift, latents=noise, output_type="latent",
        bpm=122, keyscale="A minor", timesignature="4", **more,
    ).audios  # fmt: skip
    return latents


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(
        found, expected, rtol=0, atol=TOLERANCE * float(expected.abs().max())
    )
