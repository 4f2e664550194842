"""Speech as parameters of the WORLD vocoder: pitch, spectral envelope, aperiodicity.

References:
    M. Morise, F. Yokomori, K. Ozawa, "WORLD: a vocoder-based high-quality speech synthesis
    system for real-time applications", IEICE Trans. Inf. Syst. E99-D(7), 2016.
    M. Morise, "CheapTrick" (Speech Communication 67, 2015) and "D4C" (84, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.generators.guide.voice.speech import Speech

Array = NDArray[np.float64]

STEP_S = 0.005
"""Time between frames."""

_LOWEST_HZ = 71.0
"""Lowest pitch that the analysis looks for; sets its window."""

_FLOOR = 1e-12


@dataclass(frozen=True, eq=False)
class Frames:
    """A sound as WORLD's parameters, a frame every ``STEP_S``.

    Attributes:
        log_envelope: ``[frames, bins]`` natural logarithm of the power spectral envelope.
        aperiodicity: ``[frames, bins]`` share of noise in the amplitude, 0 to 1.
        voiced: ``[frames]``.
        rate: samples per second.
    """

    log_envelope: Array
    aperiodicity: Array
    voiced: NDArray[np.bool_]
    rate: int

    def __len__(self) -> int:
        return len(self.voiced)


def analyse(speech: Speech) -> Frames:
    """The parameters of speech, voiced where it says so."""
    import pyworld

    samples = np.ascontiguousarray(speech.samples, dtype=np.float64)
    count = len(samples) // round(speech.rate * STEP_S) + 1
    times: Array = np.arange(count, dtype=np.float64) * STEP_S
    pitch = pitch_of(speech, count)
    envelope = pyworld.cheaptrick(samples, pitch, times, speech.rate, f0_floor=_LOWEST_HZ)
    size = 2 * (envelope.shape[1] - 1)
    # Every second frame will do for the slowest part. Threshold 0: which frames are voiced is
    # known, D4C must not decide otherwise.
    sparse = slice(None, None, 2)
    noise = pyworld.d4c(
        samples,
        np.ascontiguousarray(pitch[sparse]),
        np.ascontiguousarray(times[sparse]),
        speech.rate,
        threshold=0.0,
        fft_size=size,
    )
    noise = np.repeat(noise, 2, axis=0)[:count]
    return Frames(np.log(envelope + _FLOOR), noise, pitch > 0, speech.rate)


def synthesise(pitch_hz: Array, frames: Frames) -> Array:
    """Samples ``[time]`` of parameters, on a pitch (0 where unvoiced)."""
    import pyworld

    return np.asarray(
        pyworld.synthesize(
            np.ascontiguousarray(pitch_hz, dtype=np.float64),
            np.ascontiguousarray(np.exp(frames.log_envelope)),
            np.ascontiguousarray(np.clip(frames.aperiodicity, 0.001, 0.999)),
            frames.rate,
            STEP_S * 1000,
        )
    )


def pitch_of(speech: Speech, count: int) -> Array:
    """The speech's pitch at the first frames, 0 where it is unvoiced, else smoothed."""
    times: Array = np.arange(count, dtype=np.float64) * STEP_S
    at = (np.arange(len(speech.pitch_hz)) + 0.5) * speech.pitch_step_s
    nearest = np.clip(np.round(times / speech.pitch_step_s - 0.5), 0, len(at) - 1).astype(np.intp)
    known = speech.pitch_hz > 0
    if not known.any():
        return np.zeros(len(times))
    smooth = np.interp(times, at[known], speech.pitch_hz[known].astype(np.float64))
    return np.where(known[nearest], np.maximum(smooth, _LOWEST_HZ), 0.0)
