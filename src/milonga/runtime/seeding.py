"""Seeds for libraries that draw from the global random states.

Torch and Python have one such state each for all threads. A block that borrows them holds the
process-wide ``GLOBAL_RANDOM``, so that two threads that draw at once get what each gets alone.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from milonga.runtime.progress import Progress

GLOBAL_RANDOM = threading.RLock()
"""Held while a global random state (torch's, numpy's, Python's) is set, drawn from, put back."""

_SEEDS = 2**32
"""Torch's generator on the processor looks at the low 32 bits of a seed alone."""
_LOOK_S = 0.2


@contextlib.contextmanager
def seeded(seed: int, device: str = "cpu", progress: Progress | None = None) -> Iterator[None]:
    """Run a block under global random states that follow from ``seed``; put back what was.

    Covers torch's generators of the processor and of ``device``, and Python's own, from which
    transformers draws when it decides on dropped layers. One thread at a time is in such a block;
    others wait, and a block may hold another one of the same thread.

    Args:
        seed: 0 or more; those from 2**32 on are hashed down to 32 bits.
        device: ``cpu``, ``cuda:1``, ``mps``.
        progress: asked while waiting whether to stop.

    Raises:
        Cancelled: the user stopped it while it waited for another thread.
    """
    import torch

    folded = fold(seed)
    while not GLOBAL_RANDOM.acquire(timeout=_LOOK_S):
        if progress is not None:
            progress.check()
    try:
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
    finally:
        GLOBAL_RANDOM.release()


def fold(seed: int) -> int:
    """Fold ``seed`` into the 32 bits that torch looks at; a larger one is hashed."""
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
