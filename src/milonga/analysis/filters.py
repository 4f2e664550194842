"""Windows and filter banks of the analysis, each computed once per process.

The banks are librosa 0.11's defaults, so that figures published with it come out the same:
Slaney's mel scale and area-normalised triangles (Auditory Toolbox, 1998), and Ellis's chroma
bank of Gaussian bumps (Chroma feature analysis and synthesis, 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.filters import filter_bank

F = TypeVar("F", bound=np.floating)

N_FFT = 2048
"""Samples per analysis frame."""

HOP = 512
"""Samples between two frames."""

N_BINS = N_FFT // 2 + 1
N_MELS = 128
N_MFCC = 13
N_CHROMA = 12

_SINGLE_THREADED = 1 << 18
"""Multiplications up to which OpenBLAS uses one thread."""


@lru_cache(maxsize=8)
def hann(length: int) -> NDArray[np.float64]:
    """Make the periodic Hann window, ``[length]``."""
    return _frozen(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))


@lru_cache(maxsize=16)
def bin_frequencies(sample_rate: int, n_fft: int = N_FFT) -> NDArray[np.float64]:
    """Return the centre of each FFT bin in Hz, ``[n_fft // 2 + 1]``."""
    return _frozen(np.asarray(np.fft.rfftfreq(n_fft, 1.0 / sample_rate), dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Bank:
    """A filter bank ``[bins, bands]``, cut into the pieces where it isn't zero.

    Attributes:
        bands: number of bands.
        pieces: first bin, first band and weights ``[bins, bands]`` of each.
    """

    bands: int
    pieces: tuple[tuple[int, int, NDArray[np.float32]], ...]

    def __call__(self, spectra: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum ``[frames, bins]`` into ``[frames, bands]``."""
        out = np.empty((len(spectra), self.bands), dtype=np.float32)
        for bin_, band, weights in self.pieces:
            part = spectra[:, bin_ : bin_ + weights.shape[0]]
            out[:, band : band + weights.shape[1]] = product(part, weights)
        return out


def product(rows: NDArray[F], matrix: NDArray[F]) -> NDArray[F]:
    """Compute ``rows @ matrix``, a few rows at a time.

    OpenBLAS wakes its threads for larger products. They gain nothing at our sizes, and on a
    busy machine, or in several workers at once, waiting for them took a hundred times longer.
    """
    step = max(1, _SINGLE_THREADED // max(1, matrix.size))
    if len(rows) <= step:
        return np.asarray(rows @ matrix)
    return np.concatenate([rows[at : at + step] @ matrix for at in range(0, len(rows), step)])


@lru_cache(maxsize=16)
def mel_bank(
    sample_rate: int,
    n_fft: int = N_FFT,
    bands: int = N_MELS,
    low_hz: float = 0.0,
    high_hz: float | None = None,
) -> Bank:
    """Make triangles of equal area between ``low_hz`` and ``high_hz`` (half the rate if None)."""
    weights = filter_bank(
        sample_rate=sample_rate,
        n_fft=n_fft,
        n_mels=bands,
        f_min=low_hz,
        f_max=sample_rate / 2 if high_hz is None else high_hz,
        scale="slaney",
        norm="slaney",
    )
    return cut_bank(weights.T.astype(np.float32))


def cut_bank(weights: NDArray[np.float32]) -> Bank:
    """Cut a bank ``[bins, bands]`` into pieces.

    Neighbouring bands form a piece as long as 128 frames of it make a small product.
    """
    bands = weights.shape[1]
    used = [np.flatnonzero(weights[:, band]) for band in range(bands)]
    pieces = []
    first = 0
    while first < bands:
        low, high = len(weights), 0
        last = first
        while last < bands:
            ends = used[last]
            new_low = min(low, int(ends[0])) if len(ends) else low
            new_high = max(high, int(ends[-1]) + 1) if len(ends) else high
            if last > first and (new_high - new_low) * (last + 1 - first) * 128 > _SINGLE_THREADED:
                break
            low, high, last = new_low, new_high, last + 1
        part = weights[min(low, high) : high, first:last]
        pieces.append((min(low, high), first, _frozen(np.ascontiguousarray(part))))
        first = last
    return Bank(bands, tuple(pieces))


@lru_cache(maxsize=32)
def chroma_bank(sample_rate: int, tuning: float = 0.0, n_fft: int = N_FFT) -> NDArray[np.float32]:
    """Weigh each FFT bin for the twelve pitch classes from C.

    Args:
        sample_rate: sampling rate in Hz.
        tuning: deviation from A440 in semitones.
        n_fft: samples per frame.

    Returns:
        ``[n_fft // 2 + 1, 12]``.
    """
    octaves = np.log2(
        np.arange(1, n_fft // 2 + 2)
        * (sample_rate / n_fft)
        / (440.0 * 2 ** (tuning / N_CHROMA) / 16)
    )
    classes = N_CHROMA * octaves
    # The bin at 0 Hz has no pitch: it is put 1.5 octaves below the first.
    classes = np.concatenate(([classes[0] - 1.5 * N_CHROMA], classes))
    width = np.maximum(np.diff(classes), 1.0)
    classes = classes[:-1]
    distance = classes[:, np.newaxis] - np.arange(N_CHROMA)
    half = N_CHROMA // 2
    distance = np.remainder(distance + half + 10 * N_CHROMA, N_CHROMA) - half
    weights = np.exp(-0.5 * (2 * distance / width[:, np.newaxis]) ** 2)
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    # Octaves around the fifth count most.
    weights *= np.exp(-0.5 * ((classes / N_CHROMA - 5.0) / 2.0) ** 2)[:, np.newaxis]
    # The classes so far start at A.
    weights = np.roll(weights, -3, axis=1)
    return _frozen(np.ascontiguousarray(weights, dtype=np.float32))


@lru_cache(maxsize=1)
def dct_matrix() -> NDArray[np.float64]:
    """The first 13 rows of the orthonormal DCT-II over 128 mel bands, ``[13, 128]``."""
    rows = np.arange(N_MFCC)[:, np.newaxis]
    matrix = np.cos(np.pi * rows * (np.arange(N_MELS) + 0.5) / N_MELS) * np.sqrt(2.0 / N_MELS)
    matrix[0] /= np.sqrt(2.0)
    return _frozen(matrix)


def fast_length(least: int) -> int:
    """Find the smallest even length from ``least`` that has no prime factor above 7."""
    length = least + least % 2
    while True:
        rest = length
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 2


def _frozen(array: NDArray[F]) -> NDArray[F]:
    # Cached arrays are shared by every caller.
    array.flags.writeable = False
    return array
