"""Loudness and true peak after ITU-R BS.1770-4."""

from __future__ import annotations

import math

import numpy as np

from milonga.audio.clip import Clip

_BLOCK_S = 0.4
"""Gating block of BS.1770: shorter audio has no integrated loudness."""

_OVERSAMPLED_RATE = 192_000
"""BS.1770 Annex 2 asks for at least this rate: four times 48 kHz."""


def loudness_lufs(clip: Clip) -> float | None:
    """Integrated loudness in LUFS; None where it isn't defined: under 0.4 s, or silence.

    More than five channels are measured by their first five (the standard weighs no more).
    """
    if clip.seconds < _BLOCK_S or clip.peak == 0.0:
        return None
    from pyloudnorm.meter import Meter

    value = float(Meter(clip.rate).integrated_loudness(clip.samples[:5].T))
    return value if math.isfinite(value) else None


def true_peak_dbtp(clip: Clip) -> float | None:
    """Largest peak between the samples, in dB relative to full scale; None for silence.

    Oversampled by the smallest power of two that reaches 192 kHz, at least twice.
    """
    peak = clip.peak
    if peak == 0.0:
        return None
    factor = 2
    while clip.rate * factor < _OVERSAMPLED_RATE:
        factor *= 2
    import soxr

    for channel in clip.samples:
        # Chunks keep the memory of an hour-long file at that of some seconds.
        stream = soxr.ResampleStream(clip.rate, clip.rate * factor, 1, quality="HQ")
        step = clip.rate * 4
        for at in range(0, clip.frames, step):
            last = at + step >= clip.frames
            out = stream.resample_chunk(channel[at : at + step], last=last)
            if out.size:
                peak = max(peak, float(np.abs(out).max()))
    return 20 * math.log10(peak)
