"""The figures that describe a recording, as librosa 0.11's defaults define them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import (
    HOP,
    N_FFT,
    N_MELS,
    N_MFCC,
    bin_frequencies,
    chroma_bank,
    dct_matrix,
    mel_bank,
    product,
)
from milonga.analysis.spectra import BLOCK, decibels, frame_count, framed, magnitudes
from milonga.analysis.tempo import median_rises, onset_envelope, tempo_bpm
from milonga.analysis.tuning import TuningEstimate
from milonga.audio.clip import Clip
from milonga.audio.loudness import loudness_lufs, true_peak_dbtp
from milonga.errors import ComparisonError

_ROLLOFF = np.float32(0.85)
_TOP_DB = np.float32(80.0)
_NO_CROSSING = np.float32(1e-10)
_KEPT_FRAMES = 16_384
"""Spectra of shorter clips (190 s at 44.1 kHz) are kept for the second pass: 76 MB at most."""


@dataclass(frozen=True, slots=True)
class Features:
    """The figures of one recording. A value that isn't defined is None.

    All but the last two are of the mono mix at the recording's own rate: means over centred
    frames of 2048 samples, 512 apart. ``mfcc_mean[0]``, ``rms_mean``, ``loudness_lufs`` and
    ``true_peak_dbtp`` depend on the level; the others hardly do.

    Attributes:
        duration_s: seconds.
        sample_rate: samples per second.
        channels: number of channels.
        tempo_bpm: beats per minute (``librosa.beat.beat_track``). None without onsets, or when
            the recording is shorter than one beat.
        spectral_centroid_hz: mean frequency, weighted by magnitude. None for silence.
        spectral_bandwidth_hz: deviation around the centroid. None for silence.
        spectral_rolloff_hz: frequency below which 85 % of the magnitude lies. None for silence.
        mfcc_mean: 13 mel-frequency cepstral coefficients from 128 bands in dB, at most 80 dB
            under the loudest. Defined for silence through librosa's floor of -100 dB.
        chroma_mean: share of the twelve pitch classes from C, each frame's strongest being 1.
            None for silence.
        zcr_mean: zero crossings per sample.
        rms_mean: root mean square, full scale 1.
        loudness_lufs: integrated loudness of all channels (BS.1770). None for silence and
            under 0.4 s.
        true_peak_dbtp: largest peak between the samples of any channel, in dB relative to full
            scale. None for silence.
    """

    duration_s: float
    sample_rate: int
    channels: int
    tempo_bpm: float | None
    spectral_centroid_hz: float | None
    spectral_bandwidth_hz: float | None
    spectral_rolloff_hz: float | None
    mfcc_mean: tuple[float, ...]
    chroma_mean: tuple[float, ...] | None
    zcr_mean: float
    rms_mean: float
    loudness_lufs: float | None
    true_peak_dbtp: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, ready for JSON."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def features(clip: Clip) -> Features:
    """Compute the features of a clip, within three decimals of librosa's own.

    Works in blocks: memory beyond the clip's own stays small however long it is.

    Args:
        clip: ``[channels, time]``, at least one sample.

    Raises:
        ComparisonError: the clip is empty.

    References:
        McFee et al., "librosa: Audio and music signal analysis in Python", SciPy 2015.
        ITU-R BS.1770-4.

    Examples:
        >>> import numpy as np
        >>> import milonga
        >>> from milonga.analysis.features import features
        >>> t = np.arange(2 * 22050) / 22050
        >>> found = features(milonga.Clip(0.5 * np.sin(2 * np.pi * 440 * t), 22050))
        >>> round(found.duration_s, 1), round(found.rms_mean, 2), found.tempo_bpm is None
        (2.0, 0.35, True)
        >>> int(np.argmax(found.chroma_mean))  # counted from C, so this is A
        9
    """
    if not clip.n_samples:
        raise ComparisonError("There is nothing to measure: the recording is empty.")
    mono = clip.mono
    return Features(
        duration_s=clip.seconds,
        sample_rate=clip.sample_rate,
        channels=clip.channels,
        **asdict(_Shape(mono, clip.sample_rate).measured()),
        zcr_mean=_zero_crossing_rate(mono),
        rms_mean=_root_mean_square(mono),
        loudness_lufs=loudness_lufs(clip),
        true_peak_dbtp=true_peak_dbtp(clip),
    )


@dataclass(frozen=True, slots=True)
class _Spectral:
    """The figures of ``Features`` that come from spectra."""

    tempo_bpm: float | None
    spectral_centroid_hz: float | None
    spectral_bandwidth_hz: float | None
    spectral_rolloff_hz: float | None
    mfcc_mean: tuple[float, ...]
    chroma_mean: tuple[float, ...] | None


class _Shape:
    """Two passes over the spectra of one signal.

    The tuning of the chroma bank and the floor of the mel levels depend on the whole signal;
    so the first pass finds them, along with all that needs no second look.
    """

    def __init__(self, mono: NDArray[np.float32], sample_rate: int) -> None:
        self._mono, self._sample_rate = mono, sample_rate
        self._frames = frame_count(len(mono))
        self._mel_bank = mel_bank(sample_rate)
        self._kept: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []

    def measured(self) -> _Spectral:
        if not self._mono.any():
            # All bands at the floor: only coefficient 0, their sum over sqrt(128), isn't zero.
            mfcc = (-100.0 * math.sqrt(N_MELS), *[0.0] * (N_MFCC - 1))
            return _Spectral(None, None, None, None, mfcc, None)
        moments = _Moments(self._sample_rate)
        tuning = TuningEstimate(self._sample_rate)
        loudest = np.float32(-np.inf)
        for magnitude in magnitudes(self._mono):
            power, levels = self._derived(magnitude)
            moments.add(magnitude)
            tuning.add(power)
            loudest = max(loudest, levels.max())
            if self._frames <= _KEPT_FRAMES:
                self._kept.append((power, levels))
        mfcc, chroma, rises = self._second_pass(tuning.semitones(), loudest - _TOP_DB)
        tempo = tempo_bpm(onset_envelope(rises), self._sample_rate)
        return _Spectral(tempo, *moments.means(), mfcc, chroma)

    def _derived(
        self, magnitude: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        power = magnitude * magnitude
        return power, decibels(self._mel_bank(power))

    def _second_pass(
        self, semitones: float, floor: np.float32
    ) -> tuple[tuple[float, ...], tuple[float, ...], NDArray[np.float32]]:
        bank = chroma_bank(self._sample_rate, semitones)
        level_sum = np.zeros(N_MELS)
        chroma_sum = np.zeros(bank.shape[1])
        rises = []
        before: NDArray[np.float32] | None = None
        for power, levels in self._again():
            levels = np.maximum(levels, floor)
            level_sum += levels.sum(axis=0, dtype=np.float64)
            chroma_sum += _each_to_peak(product(power, bank)).sum(axis=0, dtype=np.float64)
            joined = levels if before is None else np.concatenate((before, levels))
            rises.append(median_rises(joined))
            before = levels[-1:]
        return (
            tuple((dct_matrix() @ (level_sum / self._frames)).tolist()),
            tuple((chroma_sum / self._frames).tolist()),
            np.concatenate(rises),
        )

    def _again(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        if self._kept:
            yield from self._kept
        else:
            yield from (self._derived(magnitude) for magnitude in magnitudes(self._mono))


class _Moments:
    """Centroid, bandwidth and roll-off, summed over frames. A silent frame counts as 0 Hz."""

    def __init__(self, sample_rate: int) -> None:
        self._hertz = bin_frequencies(sample_rate)
        self._powers = np.stack((np.ones_like(self._hertz), self._hertz, self._hertz**2), axis=1)
        self._sums, self._frames = np.zeros(3), 0

    def add(self, magnitude: NDArray[np.float32]) -> None:
        moments = product(magnitude.astype(np.float64), self._powers)
        total = moments[:, 0]
        total[total < np.finfo(np.float32).tiny] = 1.0
        centroid = moments[:, 1] / total
        variance = np.maximum(moments[:, 2] / total - centroid**2, 0.0)
        cumulated = np.cumsum(magnitude, axis=1)
        reached = np.count_nonzero(cumulated < _ROLLOFF * cumulated[:, -1:], axis=1)
        self._sums += [centroid.sum(), np.sqrt(variance).sum(), self._hertz[reached].sum()]
        self._frames += len(magnitude)

    def means(self) -> tuple[float, float, float]:
        centroid, bandwidth, rolloff = (self._sums / self._frames).tolist()
        return centroid, bandwidth, rolloff


def _each_to_peak(chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    peak = chroma.max(axis=1, keepdims=True)
    peak[peak < np.finfo(np.float32).tiny] = 1.0
    return np.asarray(chroma / peak)


def _root_mean_square(mono: NDArray[np.float32]) -> float:
    frames, total = frame_count(len(mono)), 0.0
    for first in range(0, frames, BLOCK):
        block = framed(mono, first, min(first + BLOCK, frames))
        total += float(np.sqrt(np.einsum("ij,ij->i", block, block) / N_FFT).sum(dtype=np.float64))
    return total / frames


def _zero_crossing_rate(mono: NDArray[np.float32]) -> float:
    """Count changes of sign within each frame; the signal goes on level beyond both ends."""
    frames, around = frame_count(len(mono)), N_FFT // HOP // 2
    # Crossings in each hop, and whether its first sample is one.
    counts = np.zeros(frames + 2 * around, dtype=np.int64)
    first = np.zeros_like(counts)
    step = HOP * 1024
    for at in range(0, len(mono), step):
        negative = mono[max(at - 1, 0) : at + step] < -_NO_CROSSING
        crossed = negative[1:] != negative[:-1]
        if at == 0:
            crossed = np.concatenate(([False], crossed))
        hops = np.pad(crossed, (0, -len(crossed) % HOP)).reshape(-1, HOP)
        place = slice(around + at // HOP, around + at // HOP + len(hops))
        counts[place] = np.count_nonzero(hops, axis=1)
        first[place] = hops[:, 0]
    within = np.convolve(counts, np.ones(2 * around, dtype=np.int64), "valid")[:frames]
    # A frame sees crossings between its own samples only.
    return float((within - first[:frames]).mean() / N_FFT)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
