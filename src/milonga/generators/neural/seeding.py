"""Seeds for libraries that draw from the global random state."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

_SEEDS = 2**63
"""Torch takes seeds of 64 bits with a sign."""


@contextlib.contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """Runs a block under global random states that follow from ``seed``; puts back what was.

    Covers torch's generators of the processor and of ``device``, and Python's own, from which
    transformers draws when it decides on dropped layers.

    Args:
        seed: 0 or more; of very large ones the low 63 bits count.
        device: ``cpu``, ``cuda:1``, ``mps``.
    """
    import torch

    before = random.getstate()
    accelerator = _accelerator(torch, device)
    apart = accelerator.get_rng_state() if accelerator else None
    # devices=[]: the accelerator's state is kept here, since not each has one per device.
    with torch.random.fork_rng(devices=[]):
        try:
            random.seed(seed)
            torch.default_generator.manual_seed(seed % _SEEDS)
            if accelerator:
                accelerator.manual_seed(seed % _SEEDS)
            yield
        finally:
            random.setstate(before)
            if accelerator:
                accelerator.set_rng_state(apart)


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
