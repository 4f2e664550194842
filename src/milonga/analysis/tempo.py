"""Tempo from the autocorrelation of onset strength (Ellis 2007; Grosche, Müller, Kurth 2010).

Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36, 2007.
Grosche, Müller, Kurth, "Cyclic tempogram: a mid-level tempo representation", ICASSP 2010.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga.analysis.filters import HOP, N_FFT, fast_length, hann

_WINDOW_S = 8.0
_START_BPM, _HIGHEST_BPM = 120.0, 320.0
_BLOCK = 256


def median_rises(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the median over the bands of each frame's rise in dB; a fall counts as 0.

    Args:
        levels: mel spectra in dB, ``[frames, bands]``.

    Returns:
        ``[frames - 1]``.
    """
    rises = np.maximum(levels[1:] - levels[:-1], np.float32(0))
    half = levels.shape[1] // 2
    middle = np.partition(rises, (half - 1, half), axis=1)[:, half - 1 : half + 1]
    return np.asarray(middle.mean(axis=1))


def onset_envelope(rises: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return onset strength ``[frames]``: the rises, moved to where a frame starts."""
    late = N_FFT // (2 * HOP)
    return np.pad(rises, (1 + late, 0))[: len(rises) + 1]


def tempo_bpm(envelope: NDArray[np.float32], sample_rate: int) -> float | None:
    """Estimate the tempo that ``librosa.beat.beat_track`` reports for this onset strength.

    The autocorrelation of eight-second windows, each scaled to 1 at lag 0, is averaged over
    time and weighted by a log-normal prior around 120 BPM, one octave wide.

    Args:
        envelope: onset strength, ``[frames]``, one value per ``HOP`` samples.
        sample_rate: sampling rate of the audio in Hz.

    Returns:
        Beats per minute; None without any onset, or when the audio is shorter than the beat
        found, which would be the prior's answer rather than the recording's.
    """
    if not envelope.any():
        return None
    width = int(_WINDOW_S * sample_rate) // HOP
    lags = np.arange(1, width)
    bpm = 60.0 * sample_rate / (HOP * lags)
    slow_enough = bpm < _HIGHEST_BPM
    if not slow_enough.any():
        return None
    strength = np.log1p(1e6 * _mean_autocorrelation(envelope, width)[1:])
    prior = -0.5 * (np.log2(bpm) - np.log2(_START_BPM)) ** 2
    best = int(np.argmax(np.where(slow_enough, strength + prior, -np.inf)))
    return float(bpm[best]) if lags[best] <= len(envelope) else None


def _mean_autocorrelation(envelope: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    """Compute the mean over time of the normalised autocorrelation in Hann windows, ``[width]``.

    A window's autocorrelation is largest at lag 0, where it is the window's energy. Both the
    scaling by it and the mean are linear, so the power spectra are averaged and transformed
    back once.
    """
    half = width // 2
    padded = np.pad(envelope, half, mode="linear_ramp", end_values=0)
    windows = sliding_window_view(padded, width)[: len(envelope)]
    length = fast_length(2 * width - 1)
    total = np.zeros(length // 2 + 1)
    for at in range(0, len(windows), _BLOCK):
        block = windows[at : at + _BLOCK] * hann(width)
        energy = np.einsum("ij,ij->i", block, block)
        energy[energy < np.finfo(np.float64).tiny] = 1.0
        spectra = np.fft.rfft(block, length)
        power = spectra.real**2 + spectra.imag**2
        total += np.einsum("i,ij->j", 1.0 / energy, power)
    return np.asarray(np.fft.irfft(total / len(windows), length)[:width])
