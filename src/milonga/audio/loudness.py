"""Loudness and true peak after ITU-R BS.1770-4, in NumPy and soxr alone.

BS.1770 gives the two filters of its K-weighting as coefficients for 48 kHz and asks for the
same frequency response at other rates. A bilinear transform keeps that for the high-pass, but
bends the shelf by 0.2 dB at 8 kHz; so the shelf's magnitude is read off the 48 kHz filter, and
its phase is the minimum phase that belongs to it (Oppenheim and Schafer, Discrete-Time Signal
Processing, "minimum-phase systems": from the folded cepstrum).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.layout import loudness_weights

_BLOCK_S = 0.4
"""Gating block of BS.1770: shorter audio has no integrated loudness."""

_HOPS_PER_BLOCK = 4

_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, -10.0
_OFFSET = -0.691

_TABLE_RATE = 48_000
_SHELF_ZEROS = (1.53512485958697, -2.69169618940638, 1.19839281085285)
_SHELF_POLES = (1.0, -1.69065929318241, 0.73248077421585)
_HIGH_PASS_ZEROS = (1.0, -2.0, 1.0)
_HIGH_PASS_POLES = (1.0, -1.99004745483398, 0.99007225036621)
"""The filters' coefficients at 48 kHz: BS.1770-4, Annex 1, tables 1 and 2."""

_RESPONSE_S = 0.1
"""The impulse response of the high-pass has fallen by 180 dB after it."""

_OVERSAMPLED_RATE = 192_000
"""BS.1770 Annex 2 asks for at least this rate: four times 48 kHz."""

_PART, _MARGIN, _CHUNK = 4096, 256, 1 << 17
"""Samples of a part, around it, and of a chunk that is resampled at once."""


def loudness_lufs(clip: Clip) -> float | None:
    """Measure the integrated loudness in LUFS; None where it isn't defined.

    It isn't defined under 0.4 s and for silence. Channels are weighed by the clip's layout: the
    LFE doesn't count, surrounds count 1.5 dB more. A last block counts when at most 0.05 s of
    its 0.4 s are missing, as in pyloudnorm.

    References:
        ITU-R BS.1770-4, Annex 1.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> t = np.arange(3 * 48000) / 48000
        >>> tone = milonga.Clip(np.sin(2 * np.pi * 997 * t), 48000)
        >>> round(milonga.audio.loudness_lufs(tone), 1)
        -3.0
        >>> milonga.audio.loudness_lufs(milonga.Clip(np.zeros(48000), 48000)) is None
        True
    """
    if clip.seconds < _BLOCK_S or clip.peak == 0.0:
        return None
    weighted = [
        weight * _weighted_energies(channel, clip.sample_rate)
        for weight, channel in zip(loudness_weights(clip.layout), clip.samples, strict=True)
        if weight
    ]
    tenths = np.sum(weighted, axis=0)
    blocks = np.convolve(tenths, np.ones(_HOPS_PER_BLOCK), "valid")
    blocks /= _BLOCK_S * clip.sample_rate
    gated = blocks[blocks > _power(_ABSOLUTE_GATE)]
    if not len(gated):
        return None
    gated = gated[gated > gated.mean() * 10 ** (_RELATIVE_GATE / 10)]
    return float(_OFFSET + 10 * math.log10(gated.mean()))


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET) / 10))


def _weighted_energies(channel: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Sum the energy of the K-weighted signal in each tenth of a second, ``[tenths]``.

    The filter is applied as a finite impulse response by overlapping Fourier transforms
    (overlap-save), because a recursive one would need a loop over samples.
    """
    spectrum, taps = _k_weighting(sample_rate)
    size = 2 * (len(spectrum) - 1)
    step = size - taps + 1
    tenths = round((len(channel) / sample_rate - _BLOCK_S) * 10) + _HOPS_PER_BLOCK
    edges = np.arange(tenths + 1) * sample_rate // 10
    energies = np.zeros(tenths)
    for start in range(0, len(channel), step):
        # The first taps - 1 outputs of a circular convolution are wrapped around.
        part = channel[max(0, start - taps + 1) : start + step]
        if start < taps - 1:
            part = np.pad(part, (taps - 1 - start, 0))
        wanted = len(part) - taps + 1
        out = np.fft.irfft(np.fft.rfft(part, size) * spectrum, size)[taps - 1 :][:wanted]
        out *= out
        first = int(np.searchsorted(edges, start, "right")) - 1
        inside = edges[(edges > start) & (edges < start + wanted)] - start
        sums = np.add.reduceat(out, np.concatenate(([0], inside)))[: tenths - first]
        energies[first : first + len(sums)] += sums
    return energies


@lru_cache(maxsize=8)
def _k_weighting(sample_rate: int) -> tuple[NDArray[np.complex128], int]:
    """Compute the spectrum of the weighting's truncated impulse response, and its length."""
    taps = math.ceil(_RESPONSE_S * sample_rate)
    size = 1 << (4 * taps - 1).bit_length()
    hertz = np.asarray(np.fft.rfftfreq(size, 1 / sample_rate), dtype=np.float64)
    response = np.fft.irfft(_shelf(hertz) * _high_pass(hertz, sample_rate), size)[:taps]
    return np.fft.rfft(response, size), taps


def _shelf(hertz: NDArray[np.float64]) -> NDArray[np.complex128]:
    # Flat where the 48 kHz filter has no say.
    audible = np.minimum(hertz, _TABLE_RATE / 2)
    levels = np.log(np.abs(_response(_SHELF_ZEROS, _SHELF_POLES, audible, _TABLE_RATE)))
    cepstrum = np.fft.irfft(levels)
    half = len(cepstrum) // 2
    cepstrum[1:half] *= 2
    cepstrum[half + 1 :] = 0
    return np.exp(np.fft.rfft(cepstrum))


def _high_pass(hertz: NDArray[np.float64], sample_rate: int) -> NDArray[np.complex128]:
    _, a1, a2 = _HIGH_PASS_POLES
    gain = 4 / (1 - a1 + a2)
    # The analogue corner and quality behind the table, by the inverse bilinear transform.
    corner = math.sqrt((1 + a1 + a2) / (1 - a1 + a2))
    quality = 2 * corner / ((1 - a2) * gain)
    k = math.tan(math.atan(corner) * _TABLE_RATE / sample_rate)
    poles = (1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k)
    return gain * _response(_HIGH_PASS_ZEROS, poles, hertz, sample_rate)


def _response(
    zeros: tuple[float, ...], poles: tuple[float, ...], hertz: NDArray[np.float64], sample_rate: int
) -> NDArray[np.complex128]:
    delay = np.exp(-2j * np.pi * hertz / sample_rate)
    return np.asarray(np.polyval(zeros[::-1], delay) / np.polyval(poles[::-1], delay))


def true_peak_dbtp(clip: Clip) -> float | None:
    """Measure the largest peak between the samples, in dB relative to full scale.

    None for silence. Oversampled by the smallest power of two that reaches 192 kHz, at least
    twice; above twice only where the peak can be.

    References:
        ITU-R BS.1770-4, Annex 2.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> t = np.arange(44100) / 44100
        >>> tone = milonga.Clip(0.5 * np.sin(2 * np.pi * 11025 * t + np.pi / 4), 44100)
        >>> round(20 * float(np.log10(tone.peak)))
        -9
        >>> round(milonga.audio.true_peak_dbtp(tone))
        -6
    """
    peak = clip.peak
    if peak == 0.0:
        return None
    factor = 2
    while clip.sample_rate * factor < _OVERSAMPLED_RATE:
        factor *= 2
    for channel in clip.samples:
        peak = _channel_peak(channel, clip.sample_rate, factor, peak)
    return 20 * math.log10(peak)


def _channel_peak(
    channel: NDArray[np.float32], sample_rate: int, factor: int, known: float
) -> float:
    """Find the larger of ``known`` and the peak after oversampling by ``factor``.

    A first look at half the factor bounds each part's peak: between samples of a signal
    oversampled ``n`` times, nothing exceeds the largest by more than ``1 / cos(pi / (2 n))``
    (Ehlich and Zeller, Mathematische Zeitschrift 86, 1964). Only parts whose bound beats the
    best so far are looked at closely, the likeliest first.
    """
    import soxr

    first = max(2, factor // 2)
    rough = _part_peaks(channel, sample_rate, first)
    best = max(known, float(rough.max()))
    if first == factor:
        return best
    reach = 1 / math.cos(math.pi / (2 * first))
    for index in np.argsort(rough)[::-1]:
        if rough[index] * reach <= best:
            break
        start, stop = int(index) * _PART, (int(index) + 1) * _PART
        before = min(start, _MARGIN)
        part = channel[start - before : stop + _MARGIN]
        dense = soxr.resample(part, sample_rate, sample_rate * factor, quality="HQ")
        # The margins are cut off by the part's own ends, and ring.
        dense = np.abs(dense[before * factor : (before + _PART) * factor])
        best = max(best, float(dense.max(initial=0.0)))
    return best


def _part_peaks(channel: NDArray[np.float32], sample_rate: int, factor: int) -> NDArray[np.float32]:
    """Find the peaks of the parts ``[parts]`` of 4096 samples, oversampled."""
    import soxr

    # A stream in chunks keeps the memory of an hour-long file at that of some seconds.
    stream = soxr.ResampleStream(sample_rate, sample_rate * factor, 1, quality="HQ")
    peaks = np.zeros(-(-len(channel) // _PART), dtype=np.float32)
    done = 0
    for at in range(0, len(channel), _CHUNK):
        last = at + _CHUNK >= len(channel)
        out = np.abs(stream.resample_chunk(channel[at : at + _CHUNK], last=last))
        starts = np.arange(done - done % (_PART * factor), done + len(out), _PART * factor)
        if len(out):
            part_peaks = np.maximum.reduceat(out, np.maximum(starts - done, 0))
            slots = np.minimum(starts // (_PART * factor), len(peaks) - 1)
            np.maximum.at(peaks, slots, part_peaks)
        done += len(out)
    return peaks
