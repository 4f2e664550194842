"""Yardsticks of a comparison: recordings made from the baseline, whose answer is known.

A similarity means little alone. Against the baseline itself it is as good as it gets; silence,
noise of the same colour and the baseline with its seconds in random order show how much of it
any recording would reach.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import N_FFT, hann
from milonga.analysis.spectra import decibels, magnitudes
from milonga.audio.clip import Clip
from milonga.errors import ComparisonError

Floats = NDArray[np.float32]

SEED = 0
"""Of the noise and the order of the pieces: the same baseline always has the same yardsticks."""


class NoYardstickError(ComparisonError):
    """A yardstick has no meaning for this baseline; the message says why."""


_RANGE_DB, _CONTOUR_S = 80.0, 0.05
_LONGEST_S = 60
"""Silence and noise are the same all along: more of them would change no figure."""


def silence(clip: Clip) -> Clip:
    """Make digital silence of the clip's length (up to 60 s), rate and channels."""
    zeros = np.zeros((clip.channels, _length(clip)), dtype=np.float32)
    return Clip(zeros, clip.sample_rate, copy=False, layout=clip.layout)


def noise(clip: Clip, seed: int = SEED) -> Clip:
    """Make Gaussian noise with the long-term spectrum and RMS level of the clip's mono mix.

    All channels are the same; it is as long as the clip, up to 60 s.

    Raises:
        NoYardstickError: the mono mix is silent, or shorter than one frame of 2048 samples.
    """
    return _coloured(clip, seed, _long_term_power)


def shadow(clip: Clip, seed: int = SEED) -> Clip:
    """Make Gaussian noise with the mean *logarithmic* spectrum of the clip's mono mix.

    Means over time of levels in dB, which MFCCs are, can't tell it from the clip.

    Raises:
        NoYardstickError: as ``noise``.
    """
    return _coloured(clip, seed + 1, _mean_log_power)


def shaped(clip: Clip, seed: int = SEED) -> Clip:
    """Give ``shadow`` the course of the clip's loudness: its swells and beats, none of its notes.

    Raises:
        NoYardstickError: as ``noise``.
    """
    made = shadow(clip, seed + 1)
    hop = max(1, round(_CONTOUR_S * clip.sample_rate))
    starts = np.arange(0, made.n_samples, hop)
    energies = [
        np.add.reduceat(np.square(part), starts, dtype=np.float64)
        for part in (clip.mono[: made.n_samples], made.mono)
    ]
    gains = np.sqrt(energies[0] / np.maximum(energies[1], 1e-20))
    at = np.arange(made.n_samples, dtype=np.float32)
    curve = np.interp(at, starts + hop / 2, gains).astype(np.float32)
    return Clip(made.samples * curve, clip.sample_rate, copy=False, layout=clip.layout)


def _coloured(clip: Clip, seed: int, spectrum: Callable[[Floats], NDArray[np.float64]]) -> Clip:
    mono = clip.mono
    if len(mono) < N_FFT:
        raise NoYardstickError(f"The baseline is shorter than one frame ({N_FFT} samples).")
    level = _rms(mono)
    if level == 0.0:
        raise NoYardstickError("The baseline is silent: it has no spectrum.")
    white = np.random.default_rng(seed).standard_normal(_length(clip), dtype=np.float32)
    shaped = _filtered(white, _response(spectrum(mono)))
    channels = np.broadcast_to(shaped, (clip.channels, len(shaped)))
    made = Clip(channels, clip.sample_rate, copy=False, layout=clip.layout)
    return made.scaled(level / _rms(made.mono))


def shuffled(clip: Clip, seed: int = SEED) -> Clip:
    """Put the clip's one-second pieces in random order; a rest is a piece, too.

    Raises:
        NoYardstickError: the clip has no second piece.
    """
    starts = np.arange(0, clip.n_samples, clip.sample_rate)
    if len(starts) < 2:
        raise NoYardstickError("The baseline is not longer than one second: nothing to shuffle.")
    order = np.random.default_rng(seed).permutation(len(starts))
    if (order == np.arange(len(starts))).all():
        order = np.roll(order, 1)
    pieces = [clip.samples[:, at : at + clip.sample_rate] for at in starts[order]]
    return Clip(np.concatenate(pieces, axis=1), clip.sample_rate, copy=False, layout=clip.layout)


def _length(clip: Clip) -> int:
    return min(clip.n_samples, _LONGEST_S * clip.sample_rate)


def _long_term_power(mono: Floats) -> NDArray[np.float64]:
    power, frames = np.zeros(N_FFT // 2 + 1), 0
    for magnitude in magnitudes(mono):
        power += np.einsum("ij,ij->j", magnitude, magnitude, dtype=np.float64)
        frames += len(magnitude)
    return power / frames


def _mean_log_power(mono: Floats) -> NDArray[np.float64]:
    """Average levels in dB over the frames, none more than 80 dB under the loudest bin."""
    levels = [decibels(magnitude * magnitude) for magnitude in magnitudes(mono)]
    lowest = max(block.max() for block in levels) - np.float32(_RANGE_DB)
    total = sum(np.maximum(block, lowest).sum(axis=0, dtype=np.float64) for block in levels)
    return np.asarray(10 ** (total / sum(map(len, levels)) / 10))


def _response(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute a symmetric impulse response ``[2048]`` with this power spectrum."""
    return np.roll(np.fft.irfft(np.sqrt(power)), N_FFT // 2) * hann(N_FFT)


def _filtered(signal: NDArray[np.float32], response: NDArray[np.float64]) -> NDArray[np.float32]:
    """Compute the convolution, as long as the signal, by overlap-add."""
    step, taps = 14_336, len(response)
    size = step + taps
    spectrum = np.fft.rfft(response, size)
    out = np.zeros(len(signal) + size, dtype=np.float32)
    for at in range(0, len(signal), step):
        block = np.fft.irfft(np.fft.rfft(signal[at : at + step], size) * spectrum, size)
        out[at : at + size] += block
    # The response is symmetric around its middle.
    return out[taps // 2 : taps // 2 + len(signal)]


def _rms(signal: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.einsum("i,i->", signal, signal, dtype=np.float64) / len(signal)))
