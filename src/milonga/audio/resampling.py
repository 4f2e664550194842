"""Change of sampling rate (soxr, very high quality)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip, check_rate

_CHUNK = 1 << 16
"""Samples that go to soxr at once: the same result as in one piece, without its memory."""


def resample(clip: Clip, sample_rate: int) -> Clip:
    """Change the sampling rate; the level stays.

    Args:
        clip: ``[channels, time]``.
        sample_rate: the new rate in Hz.

    Returns:
        ``[channels, round(time * sample_rate / clip.sample_rate)]``.

    Raises:
        AudioError: the rate is out of range.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> clip = milonga.Clip(np.zeros((2, 44100)), 44100)
        >>> milonga.resample(clip, 48000)
        Clip(1.000 s, 2 channels, 48000 Hz)
    """
    rate = check_rate(sample_rate)
    if rate == clip.sample_rate or not clip.n_samples:
        return Clip(clip.samples, rate, layout=clip.layout)
    samples = resampled(clip.samples, clip.sample_rate, rate)
    return Clip(samples, rate, copy=False, layout=clip.layout)


def resampled(samples: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """Change the rate of ``[channels, time]``; return a new array, which the caller may change."""
    import soxr

    length = round(samples.shape[1] * to / rate)
    found = np.zeros((len(samples), length), dtype=np.float32)
    for row, channel in zip(found, samples, strict=True):
        stream = soxr.ResampleStream(rate, to, 1, quality="VHQ")
        done = 0
        for at in range(0, len(channel), _CHUNK):
            last = at + _CHUNK >= len(channel)
            # soxr's own length may differ by one from the rounded one.
            out = stream.resample_chunk(channel[at : at + _CHUNK], last=last)[: length - done]
            row[done : done + len(out)] = out
            done += len(out)
    return found
