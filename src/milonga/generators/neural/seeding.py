"""Seeds for libraries that draw from the global random state."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

_SEEDS = 2**32
"""Torch's generator on the processor looks at the low 32 bits of a seed alone."""


@contextlib.contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Runs a block under global random states that follow from ``seed``; puts back what was.

    Covers torch's generators of the processor and of ``device``, and Python's own, from which
    transformers draws when it decides on dropped layers.

    Args:
        seed: 0 or more; those from 2**32 on are hashed down to 32 bits.
        device: ``cpu``, ``cuda:1``, ``mps``.
    """
    import torch

    folded = fold(seed)
    before = random.getstate()
    accelerator = _accelerator(torch, device)
    apart = accelerator.get_rng_state() if accelerator else None
    # devices=[]: the accelerator's state is kept here, since not each has one per device.
    with torch.random.fork_rng(devices=[]):
        try:
            random.seed(folded)
            torch.default_generator.manual_seed(folded)
            if accelerator:
                accelerator.manual_seed(folded)
            yield
        finally:
            random.setstate(before)
            if accelerator:
                accelerator.set_rng_state(apart)


def fold(seed: int) -> int:
    """``seed`` as the 32 bits that torch looks at: itself, or a hash of a larger one."""
    if seed < _SEEDS:
        return seed
    return int.from_bytes(sha256(str(seed).encode()).digest()[:4], "big")


class _Cuda:
    def __init__(self, cuda: Any, device: str) -> None:
        self._cuda, self._device = cuda, device

    def get_rng_state(self) -> Any:
        return self._cuda.get_rng_state(self._device)

    def set_rng_state(self, state: Any) -> None:
        self._cuda.set_rng_state(state, self._device)

    def manual_seed(self, seed: int) -> None:
        with self._cuda.device(self._device):
            self._cuda.manual_seed(seed)


def _accelerator(torch: Any, device: str) -> Any:
    if device.startswith("cuda"):
        return _Cuda(torch.cuda, device)
    return torch.mps if device == "mps" else None
