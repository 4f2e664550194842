"""The hash by which milonga recognises a sound."""

from __future__ import annotations

import hashlib

import numpy as np

from milonga.audio.clip import Clip

_BLOCK = 1 << 18


def samples_sha256(clip: Clip) -> str:
    """Hash the samples as float32, little-endian, channels interleaved; the rate has no part."""
    digest = hashlib.sha256()
    for at in range(0, clip.n_samples, _BLOCK):
        block = np.ascontiguousarray(clip.samples[:, at : at + _BLOCK].T, dtype="<f4")
        digest.update(block.tobytes())
    return digest.hexdigest()
