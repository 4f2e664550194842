"""Notes over time on a fine scale of pitch, and their tuning, chroma and transposition."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga.analysis.filters import N_CHROMA, Bank, cut_bank, hann, product
from milonga.analysis.spectra import BLOCK

Floats = NDArray[np.float32]

PITCH_RATE = 8_000
"""Rate of the signal that notes are read from: they lie below 3.5 kHz."""

STEPS = 3
"""Steps of the scale in a semitone."""

_LENGTH, _N_FFT = 3072, 4096
"""0.38 s: neighbouring semitones are apart from 90 Hz on."""

_LOWEST_HZ, _N_PITCH = 440.0 * 2 ** (-33 / 12), 207
"""C2, and steps up to 3.5 kHz."""

_AROUND = 6
_FURTHEST = 12 * STEPS


def pitch_spectra(low: Floats, hop_s: float) -> Floats:
    """Measure how strong each third of a semitone is over time.

    The square root of the magnitude, so that loud notes don't hide quiet ones, above the mean of
    the surroundings, so that drums and noise count little.

    Args:
        low: ``[time]`` at 8 kHz.
        hop_s: seconds between frames, the first centred on the first sample.

    Returns:
        ``[frames, 207]``, the first at C2.
    """
    hop = round(hop_s * PITCH_RATE)
    padded = np.pad(low, (_LENGTH // 2, _LENGTH))
    frames = sliding_window_view(padded, _LENGTH)[: len(low) + 1 : hop]
    window, bank = hann(_LENGTH).astype(np.float32), _pitch_bank()
    found = []
    for at in range(0, len(frames), BLOCK):
        magnitude = np.abs(np.fft.rfft(frames[at : at + BLOCK] * window, _N_FFT))
        found.append(bank(np.sqrt(magnitude)))
    strength = np.concatenate(found)
    width = 2 * _AROUND + 1
    total = np.cumsum(np.pad(strength, ((0, 0), (_AROUND + 1, _AROUND)), mode="edge"), axis=1)
    around = (total[:, width:] - total[:, :-width]) / np.float32(width)
    return np.asarray(np.maximum(strength - around, 0))


@lru_cache(maxsize=1)
def _pitch_bank() -> Bank:
    """Triangles one step, or one bin of the spectrum, to each side, ``[2049, 207]``."""
    hertz = np.arange(_N_FFT // 2 + 1) * (PITCH_RATE / _N_FFT)
    centres = _LOWEST_HZ * 2 ** (np.arange(_N_PITCH) / (12 * STEPS))
    widths = np.maximum(centres * (2 ** (1 / (12 * STEPS)) - 1), PITCH_RATE / _N_FFT)
    weights = np.maximum(0.0, 1 - np.abs(hertz[:, np.newaxis] - centres) / widths)
    weights /= weights.sum(axis=0)
    return cut_bank(weights.astype(np.float32))


def tuning(pitch: Floats) -> float:
    """Estimate the deviation from A440 in semitones, from -0.5 to 0.5; 0 without notes."""
    turns = np.exp(2j * np.pi * np.arange(pitch.shape[1]) / STEPS)
    vector = complex((pitch.astype(np.float64) ** 2).sum(axis=0) @ turns)
    return float(np.angle(vector) / (2 * np.pi)) if abs(vector) > 0 else 0.0


def chroma(pitch: Floats, tuned: float) -> Floats:
    """Fold pitch into the twelve classes from C, each frame of length 1 (or 0), ``[frames, 12]``.

    Args:
        pitch: ``[frames, 207]``.
        tuned: the tuning of the scale in semitones from A440.
    """
    place = np.arange(pitch.shape[1]) / STEPS - tuned
    apart = np.mod(place[:, np.newaxis] - np.arange(N_CHROMA) + 6, N_CHROMA) - 6
    bank = np.exp(-0.5 * (apart / 0.35) ** 2).astype(np.float32)
    folded = product(pitch, bank)
    size = np.sqrt(np.einsum("ij,ij->i", folded, folded))[:, np.newaxis]
    return np.asarray(np.divide(folded, size, out=np.zeros_like(folded), where=size > 1e-9))


def transposition(before: Floats, after: Floats) -> tuple[float, float, float]:
    """Find how far matching frames lie apart in pitch.

    Args:
        before: pitch ``[frames, 207]``.
        after: pitch of the matching frames.

    Returns:
        Semitones up from ``before`` to ``after`` (within an octave), how alike the notes are
        there (a correlation), and how alike without moving anything.
    """
    first = before - before.mean(axis=1, keepdims=True)
    second = after - after.mean(axis=1, keepdims=True)
    size = 512
    spectra = np.fft.rfft(second, size, axis=1) * np.conj(np.fft.rfft(first, size, axis=1))
    products = np.fft.irfft(spectra.sum(axis=0), size)
    energy = np.sqrt(float(np.sum(first**2, dtype=np.float64) * np.sum(second**2, dtype=float)))
    if energy < 1e-9:
        return 0.0, 0.0, 0.0
    shifts = np.arange(-_FURTHEST, _FURTHEST + 1)
    alike = products[shifts] / energy
    best = int(np.argmax(alike))
    offset = 0.0
    if 0 < best < len(alike) - 1:
        below, peak, above = alike[best - 1 : best + 2]
        curvature = below - 2 * peak + above
        offset = 0.5 * float((below - above) / curvature) if curvature < 0 else 0.0
    return float(shifts[best] + offset) / STEPS, float(alike[best]), float(alike[_FURTHEST])


def moved(pitch: Floats, semitones: float) -> Floats:
    """Move every note up by some semitones, linearly between the steps."""
    at = np.arange(pitch.shape[1]) - semitones * STEPS
    low = np.floor(at).astype(int)
    share = (at - low).astype(np.float32)
    padded = np.pad(pitch, ((0, 0), (1, 1)))
    first, second = (np.clip(low + n + 1, 0, padded.shape[1] - 1) for n in (0, 1))
    return np.asarray(padded[:, first] * (1 - share) + padded[:, second] * share)
