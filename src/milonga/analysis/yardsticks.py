"""Yardsticks of a comparison: recordings made from the baseline, whose answer is known.

A similarity means little alone. Against the baseline itself it is as good as it gets; silence,
noise of the same colour and the baseline with its seconds in random order show how much of it
any recording would reach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import N_FFT, hann
from milonga.analysis.spectra import magnitudes
from milonga.audio.clip import Clip
from milonga.errors import ComparisonError

SEED = 0
"""Of the noise and the order of the pieces: the same baseline always has the same yardsticks."""


class NoYardstickError(ComparisonError):
    """A yardstick has no meaning for this baseline; the message says why."""


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
    mono = clip.mono
    if len(mono) < N_FFT:
        raise NoYardstickError(f"The baseline is shorter than one frame ({N_FFT} samples).")
    level = _rms(mono)
    if level == 0.0:
        raise NoYardstickError("The baseline is silent: it has no spectrum.")
    white = np.random.default_rng(seed).standard_normal(_length(clip), dtype=np.float32)
    shaped = _filtered(white, _long_term_response(mono))
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


def _long_term_response(mono: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute a symmetric impulse response ``[2048]`` whose spectrum is the mean spectrum."""
    power, frames = np.zeros(N_FFT // 2 + 1), 0
    for magnitude in magnitudes(mono):
        power += np.einsum("ij,ij->j", magnitude, magnitude, dtype=np.float64)
        frames += len(magnitude)
    return np.roll(np.fft.irfft(np.sqrt(power / frames)), N_FFT // 2) * hann(N_FFT)


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
