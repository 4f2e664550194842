"""Yardsticks of a comparison: recordings made from the baseline, whose answer is known.

A similarity means little alone. Against the baseline itself it is as good as it gets; silence,
noise of the same colour and the baseline with its seconds in random order show how much of it
any recording would reach.
"""

from __future__ import annotations

from dataclasses import dataclass

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
_STEADY_S, _LONGEST_S = 10, 60
"""Silence and noise are the same all along; noise in a shape, and the order of seconds, show
what they are worth within a minute."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Spectra of a clip's mono mix, ``[1025]`` each.

    Attributes:
        power: mean over the frames.
        levels: ten to the mean *level* in dB, none more than 80 dB under the loudest bin.
        rms: level of the mix, full scale 1.
    """

    power: NDArray[np.float64]
    levels: NDArray[np.float64]
    rms: float


def colours_of(clip: Clip) -> Colours:
    """Measure what noise of the clip's colour is made from.

    Raises:
        NoYardstickError: the mono mix is silent, or shorter than one frame of 2048 samples.
    """
    mono = clip.mono
    if len(mono) < N_FFT:
        raise NoYardstickError(f"The baseline is shorter than one frame ({N_FFT} samples).")
    if not mono.any():
        raise NoYardstickError("The baseline is silent: it has no spectrum.")
    total, levels = np.zeros(N_FFT // 2 + 1), []
    for magnitude in magnitudes(mono):
        power = magnitude * magnitude
        total += power.sum(axis=0, dtype=np.float64)
        levels.append(decibels(power))
    lowest = max(block.max() for block in levels) - np.float32(_RANGE_DB)
    summed = sum(np.maximum(block, lowest).sum(axis=0, dtype=np.float64) for block in levels)
    frames = sum(map(len, levels))
    return Colours(total / frames, np.asarray(10 ** (summed / frames / 10)), _rms(mono))


def silence(clip: Clip) -> Clip:
    """Make digital silence of the clip's length (up to 10 s), rate and channels."""
    zeros = np.zeros((clip.channels, _length(clip, _STEADY_S)), dtype=np.float32)
    return Clip(zeros, clip.sample_rate, copy=False, layout=clip.layout)


def noise(clip: Clip, seed: int = SEED, colours: Colours | None = None) -> Clip:
    """Make Gaussian noise with the long-term spectrum and RMS level of the clip's mono mix.

    All channels are the same; it is as long as the clip, up to 10 s.

    Args:
        clip: the recording.
        seed: of the noise.
        colours: of the clip, where they are measured already.

    Raises:
        NoYardstickError: as ``colours_of``.
    """
    colours = colours or colours_of(clip)
    return _coloured(clip, seed, colours.power, colours.rms, _STEADY_S)


def shadow(clip: Clip, seed: int = SEED, colours: Colours | None = None) -> Clip:
    """Make Gaussian noise with the mean *logarithmic* spectrum of the clip's mono mix.

    Means over time of levels in dB, which MFCCs are, can't tell it from the clip. It is as long
    as the clip, up to 10 s.

    Raises:
        NoYardstickError: as ``colours_of``.
    """
    colours = colours or colours_of(clip)
    return _coloured(clip, seed + 1, colours.levels, colours.rms, _STEADY_S)


def shaped(clip: Clip, seed: int = SEED, colours: Colours | None = None) -> Clip:
    """Give ``shadow`` the course of the clip's loudness: its swells and beats, none of its notes.

    It is as long as the clip, up to 60 s.

    Raises:
        NoYardstickError: as ``colours_of``.
    """
    colours = colours or colours_of(clip)
    made = _coloured(clip, seed + 2, colours.levels, colours.rms, _LONGEST_S)
    hop = max(1, round(_CONTOUR_S * clip.sample_rate))
    starts = np.arange(0, made.n_samples, hop)
    energies = [
        np.add.reduceat(np.square(part), starts, dtype=np.float64)
        for part in (clip.between(0, made.seconds).mono, made.samples[0])
    ]
    gains = np.sqrt(energies[0] / np.maximum(energies[1], 1e-20))
    at = np.arange(made.n_samples, dtype=np.float32)
    curve = np.interp(at, starts + hop / 2, gains).astype(np.float32)
    return Clip(made.samples * curve, clip.sample_rate, copy=False, layout=clip.layout)


def _coloured(
    clip: Clip, seed: int, spectrum: NDArray[np.float64], rms: float, longest_s: int
) -> Clip:
    length = _length(clip, longest_s)
    white = np.random.default_rng(seed).standard_normal(length, dtype=np.float32)
    made = _filtered(white, _response(spectrum))
    scaled = made * np.float32(rms / _rms(made))
    channels = np.broadcast_to(scaled, (clip.channels, length))
    return Clip(channels, clip.sample_rate, copy=False, layout=clip.layout)


def shuffled(clip: Clip, seed: int = SEED) -> Clip:
    """Put the clip's one-second pieces in random order, the first 60; a rest is a piece, too.

    Raises:
        NoYardstickError: the clip has no second piece.
    """
    starts = shuffled_order(clip, seed)[:_LONGEST_S] * clip.sample_rate
    pieces = [clip.samples[:, at : at + clip.sample_rate] for at in starts]
    return Clip(np.concatenate(pieces, axis=1), clip.sample_rate, copy=False, layout=clip.layout)


def shuffled_order(clip: Clip, seed: int = SEED) -> NDArray[np.int64]:
    """Draw the order of the clip's seconds in ``shuffled``.

    Raises:
        NoYardstickError: the clip has no second piece.
    """
    count = -(-clip.n_samples // clip.sample_rate)
    if count < 2:
        raise NoYardstickError("The baseline is not longer than one second: nothing to shuffle.")
    order = np.random.default_rng(seed).permutation(count)
    return np.roll(order, 1) if (order == np.arange(count)).all() else order


def _length(clip: Clip, longest_s: int) -> int:
    return min(clip.n_samples, longest_s * clip.sample_rate)


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
