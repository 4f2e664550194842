"""Convolution of long audio with a short filter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def convolved(
    samples: NDArray[np.float32], taps: NDArray[np.float64], before: int = 0
) -> NDArray[np.float32]:
    """Filter samples by a finite impulse response; they stay as long as they were.

    Args:
        samples: ``[time]``.
        taps: ``[taps]``; of these the first ``before`` act on samples to come.
        before: 0 for a causal filter.
    """
    from scipy.signal import oaconvolve

    if not len(samples):
        return samples
    # Overlap-add in double precision: an hour of audio is never transformed at once.
    out = oaconvolve(samples.astype(np.float64), taps)[before : before + len(samples)]
    return np.asarray(out, dtype=np.float32)
