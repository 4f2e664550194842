"""``Clip``: samples and their rate, checked once at the boundary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from milonga.errors import AudioError

MIN_RATE, MAX_RATE = 1_000, 768_000
"""Sampling rates taken seriously, in Hz: beyond them a header is damaged, not exotic."""

MAX_CHANNELS = 64


@dataclass(frozen=True, eq=False)
class Clip:
    """Audio in memory.

    Args:
        samples: ``[channels, time]`` or ``[time]``; kept as float32 ``[channels, time]``,
            full scale 1.0, never clipped. May be empty in time.
        sample_rate: samples per second, 1,000 to 768,000.

    Raises:
        AudioError: wrong rank, no channel, an integer or complex type, NaN or infinite
            samples, a rate out of range.
    """

    samples: NDArray[np.float32]
    sample_rate: int

    def __init__(self, samples: ArrayLike, sample_rate: int) -> None:
        array = np.asarray(samples)
        if array.ndim == 1:
            array = array[np.newaxis]
        if array.ndim != 2:
            raise AudioError(f"Samples have {array.ndim} dimensions, not [channels, time].")
        if not 1 <= array.shape[0] <= MAX_CHANNELS:
            raise AudioError(f"Samples of shape {array.shape} have no usable channel count.")
        if array.dtype.kind != "f":
            raise AudioError(f"Samples are {array.dtype}, not floating point with full scale 1.0.")
        check_rate(sample_rate)
        array = np.ascontiguousarray(array, dtype=np.float32)
        if not all_finite(array):
            raise AudioError("Samples hold NaN or infinite values.")
        object.__setattr__(self, "samples", array)
        object.__setattr__(self, "sample_rate", int(sample_rate))

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def n_samples(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        return self.n_samples / self.sample_rate

    @cached_property
    def mono(self) -> NDArray[np.float32]:
        """The mean of the channels, ``[time]``."""
        mono: NDArray[np.float32] = self.samples[0]
        if self.channels > 1:
            mono = self.samples.mean(axis=0, dtype=np.float32)
        return mono

    @property
    def peak(self) -> float:
        """Largest absolute sample; 0 for an empty clip."""
        if not self.n_samples:
            return 0.0
        return float(max(self.samples.max(), -self.samples.min()))

    def scaled(self, gain: float) -> Clip:
        """The clip times a linear gain."""
        return Clip(self.samples * np.float32(gain), self.sample_rate)

    def fitted(self, n_samples: int) -> Clip:
        """The clip cut or padded with silence at the end to ``n_samples``."""
        if n_samples <= self.n_samples:
            return Clip(self.samples[:, :n_samples], self.sample_rate)
        return Clip(
            np.pad(self.samples, ((0, 0), (0, n_samples - self.n_samples))), self.sample_rate
        )

    def with_channels(self, channels: int) -> Clip:
        """Mono from any layout by the mean; several equal channels from mono.

        Raises:
            AudioError: any other change of layout.
        """
        if channels == self.channels:
            return self
        if channels == 1:
            return Clip(self.mono, self.sample_rate)
        if self.channels == 1:
            return Clip(np.repeat(self.samples, channels, axis=0), self.sample_rate)
        if channels == 2:
            # More than two speakers: front left and right lead, the rest go to both.
            rest = self.samples[2:].mean(axis=0) * np.float32(0.7071)
            return Clip(self.samples[:2] + rest, self.sample_rate)
        raise AudioError(f"Can't turn {self.channels} channels into {channels}.")


def check_rate(rate: int) -> None:
    """Raises AudioError unless ``rate`` is a sampling rate within the range we accept."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"A sampling rate of {rate} Hz is not between {MIN_RATE:,} and {MAX_RATE:,} Hz."
        )


def all_finite(array: NDArray[np.float32]) -> bool:
    """Whether no value is NaN or infinite, without an array of booleans for long audio."""
    if array.size == 0:
        return True
    # min and max propagate NaN and show infinities.
    return bool(np.isfinite(array.min()) and np.isfinite(array.max()))
