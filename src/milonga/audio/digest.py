"""The hash by which milonga recognises a sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

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


def set_sha256(hashes: Iterable[str]) -> str:
    """Compute one hash for a set of sounds, in any order, from their own."""
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()
