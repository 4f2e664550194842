"""Stereo width from one channel, that a mono sum undoes.

Left and right are the middle plus and minus a decorrelated copy of it, so their sum is the
middle alone, at every frequency and whatever the copy is (Schroeder, "An artificial
stereophonic effect obtained from a single audio signal", J. Audio Eng. Soc. 6, 1958, with a
delay as the copy). A single delay is heard as a comb; an all-pass whose group delay is drawn
anew in every critical band of the ear is not (Kendall, "The decorrelation of audio signals and
its impact on spatial imagery", Computer Music Journal 19, 1995; Boueri and Kyriakakis, "Audio
signal decorrelation based on a critical band approach", AES Convention 117, 2004).

With ``m = (l + r) / 2`` and channels of equal power, a mono sum has ``(1 + c) / 2`` of their
power, where ``c`` is their correlation: to lose less than 1 dB it must stay above 0.59,
however the channels were made. So the largest width here has a correlation of 0.64.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.space.convolution import convolved
from milonga.errors import AudioError

_WIDEST = 0.47
"""Level of the copy against the middle at width 1: a correlation of 0.64, a loss of 0.87 dB.
The rest to 1 dB covers the filter's ripple of 0.6 dB, so that no single tone loses more."""

_LONGEST_S, _SHORTEST_S = 0.020, 0.004
"""Upper ends of the group delay, for low and for high frequencies."""

_TURNS = 6.0
"""Group delay between those ends, in periods of a frequency."""

_BASS_HZ = (90.0, 180.0)
"""The copy fades in over this octave: low bass stays in the middle."""

_DRAWS = 64
_MARGIN_S = 0.004
_CAM_STEP = 1.0


def widen(clip: Clip, width: float = 1.0) -> Clip:
    """Make two channels from one, of the same length and, for noise, the level of the one.

    Args:
        clip: ``[1, time]``; with two channels it comes back as it is.
        width: 0 (two equal channels) to 1, where the mono sum of noise is 0.87 dB quieter than
            the channels, and that of any tone less than 1 dB.

    Raises:
        AudioError: more than two channels, or another width.
    """
    if not 0.0 <= width <= 1.0:
        raise AudioError(f"A width of {width:g} is not between 0 and 1.")
    if clip.channels == 2:
        return clip
    if clip.channels > 2:
        raise AudioError(f"Width is made from one channel, not from {clip.channels}.")
    level = np.float32(_WIDEST * width)
    middle = clip.samples[0]
    taps, before = decorrelator(clip.sample_rate)
    copy = level * convolved(middle, taps, before)
    gain = 1 / np.sqrt(1 + level**2)
    return Clip(np.stack([middle + copy, middle - copy]) * gain, clip.sample_rate, copy=False)


@lru_cache(maxsize=8)
def decorrelator(sample_rate: int) -> tuple[NDArray[np.float64], int]:
    """Design a short filter that passes all frequencies above the bass alike, at scattered phases.

    Of 64 random draws it is the one whose real part averages nearest to 0 in every half octave,
    so that neither channel is favoured there.

    Returns:
        ``[taps]`` and how many of them lie before time 0.
    """
    size = 1 << (sample_rate // 4).bit_length()
    hertz = np.fft.rfftfreq(size, 1 / sample_rate).astype(np.float64)
    edges = 2.0 ** np.arange(np.log2(_BASS_HZ[0]), np.log2(min(20_000, 0.45 * sample_rate)), 0.5)
    bands = [(hertz >= low) & (hertz < high) for low, high in pairwise(edges)]
    # A fixed seed: the width of a clip is a property of the design, not of a take.
    generator = np.random.default_rng(1995)
    draws = (_response(hertz, sample_rate, generator) for _ in range(_DRAWS))
    best = min(draws, key=lambda draw: max(abs(draw[band].real.mean()) for band in bands))
    return _taps(best, sample_rate, size)


def _response(
    hertz: NDArray[np.float64], sample_rate: int, generator: np.random.Generator
) -> NDArray[np.complex128]:
    cams = _cams(hertz)
    # Drawn up to 50 Cams whatever the rate: all rates share one design.
    knots = np.arange(0.0, 50.0, _CAM_STEP)
    longest = np.clip(_TURNS / np.maximum(_hertz(knots), 1.0), _SHORTEST_S, _LONGEST_S)
    delays = np.interp(cams, knots, longest * generator.random(len(knots)))
    phase = -2 * np.pi * np.cumsum(delays) * (sample_rate / 2 / (len(hertz) - 1))
    # A quarter turn where the copy fades in: one turn is wider than that octave.
    phase += np.pi / 2 - np.interp(np.mean(_BASS_HZ), hertz, phase)
    octave = np.log2(np.maximum(hertz, 1.0) / _BASS_HZ[0]) / np.log2(_BASS_HZ[1] / _BASS_HZ[0])
    fade = np.sin(0.5 * np.pi * np.clip(octave, 0.0, 1.0)) ** 2
    return np.asarray(fade * np.exp(1j * phase))


def _taps(
    response: NDArray[np.complex128], sample_rate: int, size: int
) -> tuple[NDArray[np.float64], int]:
    before = round(_MARGIN_S * sample_rate)
    length = before + round((_LONGEST_S + 3 * _MARGIN_S) * sample_rate)
    taps = np.roll(np.fft.irfft(response, size), before)[:length]
    # What reaches beyond the window is small: the ends are only rounded off.
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(before) + 0.5) / before)
    taps[:before] *= ramp
    taps[-before:] *= ramp[::-1]
    return taps, before


def _cams(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count Glasberg and Moore's critical bands (ERB) below a frequency (1990)."""
    return np.asarray(21.4 * np.log10(1 + 0.00437 * hertz))


def _hertz(cams: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((10 ** (cams / 21.4) - 1) / 0.00437)
