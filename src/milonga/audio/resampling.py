"""Change of sampling rate (soxr, very high quality)."""

from __future__ import annotations

from milonga.audio.clip import Clip, check_rate


def resample(clip: Clip, rate: int) -> Clip:
    """The clip at another rate: ``round(frames * rate / clip.rate)`` samples, same level.

    Raises:
        AudioError: the rate is out of range.
    """
    check_rate(rate)
    if rate == clip.sample_rate or not clip.n_samples:
        return Clip(clip.samples, rate)
    import soxr

    samples = soxr.resample(clip.samples.T, clip.sample_rate, rate, quality="VHQ").T
    # soxr's own length may differ by one from the rounded one.
    return Clip(samples, rate).fitted(round(clip.n_samples * rate / clip.sample_rate))
