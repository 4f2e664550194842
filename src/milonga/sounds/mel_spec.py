"""The mels that sound models learn and play."""

from __future__ import annotations

from milonga.audio.mel.spec import MelSpec

MEL_SPEC = MelSpec.preset("bigvgan-v2-44khz-128band-512x")
"""The mels of version 1 of the model's file: those of BigVGAN at 44.1 kHz."""
