"""The room around the voice: place between the speakers, tone, a short reverberation."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 44_100
_BLOCK = 1 << 20
_TAIL_S = 0.9
_DECAY_S = 0.65
"""Time to -60 dB."""

_PRE_DELAY_S = 0.018
_WET_DB = -15.0
_LOW_CUT_HZ = 90.0
_PRESENCE_HZ, _PRESENCE_DB = 3_200.0, 3.0


def placed(mono: Samples, pan: float) -> Samples:
    """``[2, time]`` from ``[time]``; ``pan`` from -1 (left) to 1, equal power."""
    angle = (pan + 1) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]], np.float32) * np.float32(np.sqrt(2))
    return np.asarray(gains * mono[np.newaxis], dtype=np.float32)


def in_room(stereo: Samples) -> None:
    """Set the tone of a voice and add the room, in place; ``[2, time]`` at 44.1 kHz."""
    from scipy.signal import oaconvolve, sosfilt

    response, tone = _response(), _tone()
    state = np.zeros((len(tone), 2, 2))
    ringing = np.zeros((2, 0), np.float32)
    for at in range(0, stereo.shape[1], _BLOCK):
        block = stereo[:, at : at + _BLOCK]
        toned, state = sosfilt(tone, block, axis=1, zi=state)
        wet = (10 ** (_WET_DB / 20) * oaconvolve(toned, response, axes=1)).astype(np.float32)
        wet[:, : ringing.shape[1]] += ringing
        ringing = wet[:, block.shape[1] :].copy()
        block[:] = wet[:, : block.shape[1]] + toned.astype(np.float32)


@lru_cache(maxsize=1)
def _tone() -> NDArray[np.float64]:
    """A low cut and a broad lift where words are understood, as second-order sections."""
    from scipy.signal import butter

    low_cut = butter(2, _LOW_CUT_HZ, "highpass", fs=RATE, output="sos")
    return np.vstack([np.asarray(low_cut), _bell(_PRESENCE_HZ, _PRESENCE_DB, quality=0.8)])


def _bell(hertz: float, decibels: float, quality: float) -> NDArray[np.float64]:
    """Peaking filter of R. Bristow-Johnson's "Cookbook formulae for audio EQ"."""
    amplitude = 10 ** (decibels / 40)
    omega = 2 * np.pi * hertz / RATE
    alpha = np.sin(omega) / (2 * quality)
    numerator = [1 + alpha * amplitude, -2 * np.cos(omega), 1 - alpha * amplitude]
    denominator = [1 + alpha / amplitude, -2 * np.cos(omega), 1 - alpha / amplitude]
    return np.asarray(np.array([[*numerator, *denominator]]) / denominator[0])


@lru_cache(maxsize=1)
def _response() -> NDArray[np.float64]:
    """Impulse response ``[2, time]``: noise that decays, darker with time, different per side."""
    from scipy.signal import lfilter

    count = round(_TAIL_S * RATE)
    time = np.arange(count) / RATE
    noise = np.random.default_rng(44_100).standard_normal((2, count))
    dark = lfilter([0.25], [1.0, -0.75], noise, axis=1)
    share = np.minimum(time / 0.25, 1.0)
    response = (noise * (1 - share) + 2.0 * dark * share) * 10 ** (-3 * time / _DECAY_S)
    response *= np.minimum(time / 0.004, 1.0)
    response = np.pad(response, ((0, 0), (round(_PRE_DELAY_S * RATE), 0)))
    return np.asarray(response / np.sqrt((response**2).sum(axis=1, keepdims=True)))
