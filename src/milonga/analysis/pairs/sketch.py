"""What is kept of a recording to hold it against others: the same whatever its rate and level.

All grids are in seconds and hertz, so a recording at 96 kHz and the same one at 22.05 kHz have
the same sketch, but for the bands that the lower rate can't hold; a comparison leaves those out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga import audio
from milonga.analysis.filters import fast_length, hann, mel_bank
from milonga.analysis.pairs.pitch import PITCH_RATE, pitch_spectra
from milonga.analysis.pairs.polarity import WAVE_RATE
from milonga.analysis.pairs.stereo import channel_sums
from milonga.analysis.spectra import BLOCK, decibels
from milonga.audio.clip import Clip
from milonga.audio.mel.filters import band_edges

Floats = NDArray[np.float32]

HOP_S, ONSET_S = 0.05, 0.01
"""Seconds between frames of the spectra, and between values of the onset strength."""

BANDS, LOW_HZ, HIGH_HZ = 48, 50.0, 16_000.0
GROUP = 3
"""Bands that are left out or kept together."""

_FRAME_S = 2048 / 44_100
_KEPT_SHARE = 0.45
"""Of the rate: resampling leaves the spectrum alone up to here."""

_HIGHEST_RATE = 50_000
_WORKING_RATE = 48_000
_POOLED = round(HOP_S / ONSET_S)
_FLOOR = 1e-17
_RANGE_DB = 40.0
_CUT = 5


@dataclass(frozen=True, slots=True)
class Sketch:
    """What is kept of a recording.

    Attributes:
        seconds: length of the recording.
        groups: groups of bands that its rate can hold.
        bands: level of each band over time in dB, ``[frames, 48]``, a frame each 0.05 s.
        onsets: rise of each group of bands in dB, ``[steps, 16]``, a step each 0.01 s.
        pitch: strength of each third of a semitone over time, ``[frames, 207]``.
        channels: energies of left, right and their product, ``[frames, 3]``; None for mono.
        cancels: whether the mono mix cancels out, so that the left channel stands for both.
        wave: the mono mix at ``WAVE_RATE``; None where only the rest was kept.
        views: what ``ground.view`` made of it, by the groups of bands looked at.
    """

    seconds: float
    groups: int
    bands: Floats
    onsets: Floats
    pitch: Floats
    channels: NDArray[np.float64] | None
    cancels: bool = False
    wave: Floats | None = None
    views: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)


def sketch(clip: Clip) -> Sketch:
    """Make the sketch of a clip.

    Args:
        clip: ``[channels, time]``, at least one sample.
    """
    rate = clip.sample_rate
    sums = channel_sums(clip, HOP_S) if clip.channels == 2 else None
    cancels = False
    mono = clip.mono
    if sums is not None:
        left, right, both = sums.sum(axis=0)
        cancels = left + right > 0 and (left + right + 2 * both) < 0.02 * (left + right)
        if cancels:
            mono = clip.samples[0]
    if rate > _HIGHEST_RATE:
        mono = audio.resample(Clip(mono, rate, copy=False), _WORKING_RATE).mono
        rate = _WORKING_RATE
    fine = np.concatenate(list(_mel_blocks(mono, rate)))
    low = mono
    if rate != PITCH_RATE:
        low = audio.resample(Clip(mono, rate, copy=False), PITCH_RATE).mono
    groups = groups_within(rate)
    return Sketch(
        seconds=clip.seconds,
        groups=groups,
        bands=_pooled(fine),
        onsets=_rises(fine, groups),
        pitch=pitch_spectra(low, HOP_S),
        channels=sums,
        cancels=bool(cancels),
        wave=audio.resample(Clip(low, PITCH_RATE, copy=False), WAVE_RATE).mono,
    )


def reordered(whole: Sketch, order: NDArray[np.int64]) -> Sketch:
    """Put a sketch's seconds in another order, as if its recording had been cut and joined.

    Args:
        whole: the sketch.
        order: indices of its seconds; the last one may be a piece.
    """

    def part(track: NDArray[np.floating], hop_s: float) -> NDArray[Any]:
        step = round(1 / hop_s)
        return np.concatenate([track[at * step : (at + 1) * step] for at in order])

    return Sketch(
        seconds=whole.seconds,
        groups=whole.groups,
        bands=part(whole.bands, HOP_S),
        onsets=part(whole.onsets, ONSET_S),
        pitch=part(whole.pitch, HOP_S),
        channels=None if whole.channels is None else part(whole.channels, HOP_S),
        cancels=whole.cancels,
    )


def backwards(whole: Sketch) -> Sketch:
    """Turn a sketch round in time; its onsets become ends."""
    bands, onsets, pitch = (part[::-1] for part in (whole.bands, whole.onsets, whole.pitch))
    return Sketch(whole.seconds, whole.groups, bands, onsets, pitch, None, whole.cancels)


@lru_cache(maxsize=1)
def edges_hz() -> NDArray[np.float64]:
    """Return the edges of the bands in Hz, ``[50]``: band n lies between n and n + 2."""
    return band_edges(BANDS, LOW_HZ, HIGH_HZ, "slaney")


def groups_within(rate: int) -> int:
    """Count the groups of bands that a sampling rate can hold; at least one."""
    upper = edges_hz()[2:][GROUP - 1 :: GROUP]
    return max(1, int(np.count_nonzero(upper <= _KEPT_SHARE * rate + 1)))


def _mel_blocks(mono: Floats, rate: int) -> Iterator[Floats]:
    """Yield the power density of each band, frames centred on multiples of 0.01 s."""
    length = max(4, 2 * round(_FRAME_S * rate / 2))
    # Bins this fine sample the bands alike at every rate.
    n_fft = fast_length(length * 3 // 2)
    # Single precision: its noise lies 120 dB under the loudest bin, the figures' floor 60 dB.
    window = hann(length).astype(np.float32)
    bank = mel_bank(rate, n_fft, BANDS, LOW_HZ, HIGH_HZ)
    scale = np.float32(2.0 / (n_fft * float(np.sum(window**2, dtype=np.float64))))
    padded = np.pad(mono, (length // 2, length))
    frames = sliding_window_view(padded, length)
    count = 1 + int(len(mono) / rate / ONSET_S)
    starts = np.round(np.arange(count) * ONSET_S * rate).astype(np.int64)
    for at in range(0, count, BLOCK):
        spectra = np.fft.rfft(frames[starts[at : at + BLOCK]] * window, n_fft)
        power = spectra.real**2 + spectra.imag**2
        yield bank(power.astype(np.float32, copy=False)) * scale


def _pooled(fine: Floats) -> Floats:
    """Average power over frames of 0.05 s, in dB."""
    whole = -(-len(fine) // _POOLED) * _POOLED
    padded = np.concatenate((fine, np.repeat(fine[-1:], whole - len(fine), axis=0)))
    return decibels(padded.reshape(-1, _POOLED, BANDS).mean(axis=1), _FLOOR)


def _rises(fine: Floats, groups: int) -> Floats:
    """Sum the rises over 0.02 s of each group's bands, as far as 40 dB under each band's top."""
    levels = decibels(fine, _FLOOR)
    # A floor of its own: that of another band would depend on what the rate can hold.
    np.maximum(levels, levels.max(axis=0) - np.float32(_RANGE_DB), out=levels)
    rises = np.zeros_like(levels)
    np.maximum(levels[2:] - levels[:-2], 0, out=rises[1:-1])
    # Frames that reach over the ends see the cut, and what resampling made of it.
    rises[:_CUT] = rises[-_CUT:] = 0
    rises[:, groups * GROUP :] = 0
    return np.asarray(rises.reshape(len(rises), -1, GROUP).sum(axis=2))
