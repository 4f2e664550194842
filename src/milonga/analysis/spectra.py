"""Short-time spectra in blocks, so that memory doesn't grow with the length of the audio, and
the pictures drawn from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga.analysis.filters import (
    HOP,
    N_FFT,
    Bank,
    chroma_bank,
    hann,
    mel_bank,
    product,
)
from milonga.analysis.tuning import TuningEstimate
from milonga.audio.clip import Clip
from milonga.audio.mel.filters import band_edges

F = TypeVar("F", bound=np.floating)

BLOCK = 128
"""Frames worked on at a time: their spectra stay in the processor's cache."""


PICTURE_RANGE_HZ = (40.0, 16_000.0)
PICTURE_BANDS = 96
_MOST_COLUMNS = 4096
_COLUMNS_PER_S = 50
_MEL_FRAME_S, _CHROMA_FRAME_S = 0.064, 0.128
_QUIET_DB = 60.0


def frame_count(samples: int, hop: int = HOP) -> int:
    """Count frames: ``1 + samples // hop``, the first centred on sample 0."""
    return 1 + samples // hop


def framed(
    signal: NDArray[np.float32], first: int, last: int, n_fft: int = N_FFT, hop: int = HOP
) -> NDArray[np.float32]:
    """Cut frames ``first`` to ``last`` (without it), centred, zeros beyond both ends.

    Args:
        signal: ``[time]``.
        first: index of the first frame.
        last: index after the last one.
        n_fft: samples per frame, even.
        hop: samples between frames.

    Returns:
        ``[last - first, n_fft]``, a view where no padding was needed.
    """
    start, stop = first * hop - n_fft // 2, (last - 1) * hop + n_fft // 2
    part = signal[max(start, 0) : max(stop, 0)]
    before, after = max(-start, 0), max(stop - len(signal), 0)
    if before or after:
        part = np.pad(part, (before, after))
    return sliding_window_view(part, n_fft)[::hop]


def magnitudes(
    signal: NDArray[np.float32], n_fft: int = N_FFT, hop: int = HOP
) -> Iterator[NDArray[np.float32]]:
    """Compute magnitudes of the short-time Fourier transform, Hann window, centred frames.

    The transform itself is in double precision: in single, its rounding noise at high
    frequencies would move the centroid of a pure tone.

    Args:
        signal: ``[time]``.
        n_fft: samples per frame, even.
        hop: samples between frames.

    Yields:
        ``[frames, n_fft // 2 + 1]``, at most ``BLOCK`` frames.
    """
    window = hann(n_fft)
    frames = frame_count(len(signal), hop)
    for first in range(0, frames, BLOCK):
        block = framed(signal, first, min(first + BLOCK, frames), n_fft, hop)
        yield np.abs(np.fft.rfft(block * window).astype(np.complex64))


def decibels(power: NDArray[np.float32], floor: float = 1e-10) -> NDArray[np.float32]:
    """Compute ``10 log10(power)``, with powers under ``floor`` raised to it."""
    raised = np.log10(np.maximum(power, np.float32(floor)))
    raised *= np.float32(10.0)
    return raised


def quantile(values: NDArray[F], share: float, axis: int = -1) -> NDArray[F]:
    """Take a quantile along an axis, between two values where it lies so.

    ``np.quantile`` and ``np.median`` are several times as slow along the first axis, and load
    ``numpy.ma``, a twentieth of the time of a short comparison.
    """
    ordered = np.sort(values, axis=axis)
    last = values.shape[axis] - 1
    whole, part = divmod(share * last, 1)
    below = np.take(ordered, int(whole), axis=axis)
    above = np.take(ordered, min(int(whole) + 1, last), axis=axis)
    return np.asarray(below + (above - below) * values.dtype.type(part))


def picture_hertz() -> NDArray[np.float64]:
    """Return the centre of each band of ``mel_picture`` in Hz, ``[96]``."""
    return _picture_edges()[1:-1]


def mel_picture(clip: Clip) -> NDArray[np.float32]:
    """Compute the level of 96 mel bands from 40 Hz to 16 kHz over time, for a picture.

    Frequency and level scales are fixed, so that recordings of any rate can be held side by
    side: 0 dB is a sine at full scale, -120 dB the floor.

    Returns:
        ``[96, columns]`` in dB, the lowest band first. Columns are evenly spaced, 50 a second
        up to 4,096 in all. Bands beyond half the rate are NaN: the recording can't hold them.
    """
    low, high = PICTURE_RANGE_HZ
    size = _frame_size(_MEL_FRAME_S, clip.sample_rate)
    bank = mel_bank(clip.sample_rate, size, PICTURE_BANDS, low, high)
    # The bank's triangles have equal areas; here they get equal heights instead.
    edges = _picture_edges()
    heights = (edges[2:] - edges[:-2]) / 2
    # Power of a sine at full scale, summed over its bins: by Parseval, 3/8 is the window's.
    full_scale = 3 * size**2 / 32
    power = _columns(clip, size, bank) * (heights / full_scale)
    levels: NDArray[np.float32] = decibels(power.astype(np.float32), 1e-12).T
    levels[edges[1:-1] > clip.sample_rate / 2] = np.nan
    return levels


def chroma_picture(clip: Clip) -> NDArray[np.float32]:
    """Compute the balance of the twelve pitch classes over time, for a picture.

    Returns:
        ``[12, columns]`` from C upwards, each column's strongest class 1; 0 in columns more
        than 60 dB under the loudest. Columns as in ``mel_picture``.
    """
    tuning = TuningEstimate(clip.sample_rate)
    for magnitude in magnitudes(clip.mono):
        tuning.add(magnitude * magnitude)
    size = _frame_size(_CHROMA_FRAME_S, clip.sample_rate)
    bank = chroma_bank(clip.sample_rate, tuning.semitones(), size)
    chroma = _columns(clip, size, lambda power: product(power, bank))
    strongest = chroma.max(axis=1, keepdims=True)
    heard = strongest > strongest.max() * 10 ** (-_QUIET_DB / 10)
    chroma = np.divide(chroma, strongest, out=np.zeros_like(chroma), where=heard)
    return np.asarray(chroma.T, dtype=np.float32)


def _picture_edges() -> NDArray[np.float64]:
    return band_edges(PICTURE_BANDS, *PICTURE_RANGE_HZ, "slaney")


def _frame_size(seconds: float, sample_rate: int) -> int:
    """Find the power of two that spans at least ``seconds``."""
    return 1 << (int(np.ceil(seconds * sample_rate)) - 1).bit_length()


def _columns(
    clip: Clip, size: int, bank: Bank | Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float64]:
    """Compute banked power spectra ``[columns, bands]``; many columns are averaged."""
    hop = max(1, round(clip.sample_rate / _COLUMNS_PER_S))
    together = -(-frame_count(clip.n_samples, hop) // _MOST_COLUMNS)
    columns = []
    rest: NDArray[np.float32] | None = None
    for magnitude in magnitudes(clip.mono, size, hop):
        banked = bank(magnitude * magnitude)
        if rest is not None:
            banked = np.concatenate((rest, banked))
        whole = len(banked) // together * together
        grouped = banked[:whole].reshape(-1, together, banked.shape[1])
        columns.append(grouped.mean(axis=1, dtype=np.float64))
        rest = banked[whole:]
    if rest is not None and len(rest):
        columns.append(rest.mean(axis=0, keepdims=True, dtype=np.float64))
    return np.concatenate(columns)
