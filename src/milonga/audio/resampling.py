"""Change of sampling rate (soxr, very high quality)."""

from __future__ import annotations

import numpy as np

from milonga.audio.clip import Clip, check_rate


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
    import soxr

    length = round(clip.n_samples * rate / clip.sample_rate)
    samples = np.zeros((clip.channels, length), dtype=np.float32)
    # Row by row: soxr copies an array that is read-only.
    for row, channel in zip(samples, clip.samples, strict=True):
        # soxr's own length may differ by one from the rounded one.
        out = soxr.resample(channel, clip.sample_rate, rate, quality="VHQ")[:length]
        row[: len(out)] = out
    return Clip(samples, rate, copy=False, layout=clip.layout)
