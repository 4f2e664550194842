"""Recordings in blocks: measured once, then read again as mono pieces at the model's rate.

Nothing here holds a whole long file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from milonga.audio import Clip, probe, resample
from milonga.audio.files import blocks
from milonga.audio.layout import Layout, to_mono
from milonga.errors import AudioError

FRAME_S = 0.05
SILENT_DB = -60.0
"""A frame under this RMS, in dBFS, is silent: the noise of a quiet room lies above."""
GAP_S = 1.0
"""Shorter silences are rests and part of the music."""
MARGIN_S = 0.1
"""Kept around a sound, for its attack and its last decay."""
PIECE_S = 120.0
"""Longest piece at once, so that memory doesn't grow with the recording."""
SHORTEST_S = 0.02

_FLAT, _FLAT_RUN = 1 - 1e-4, 3
_CANCELLED = 0.01
"""Share of the channels' energy under which their mean has lost the sound (-20 dB)."""
_SPECTRUM, _BANDS, _SLICES = 4096, 24, 32
_LOW_HZ, _HIGH_HZ = 60.0, 8_000.0
_FLOOR_DB = -40.0
_LENGTH_S = 0.11

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Measured:
    """The results of one pass over a recording.

    Attributes:
        sha256: of the decoded samples, with rate and channels.
        peak: largest absolute sample.
        silent_s: seconds under ``SILENT_DB``.
        clipped: share of samples in flat tops at full scale.
        mix: ``mean`` of left and right, or ``first`` where they cancel each other.
        sounding: start and stop, in seconds, of what lies between long silences.
        outline: length in 10 ms, then envelope, that of the waveform's slope, and spectrum in
            0.1 dB relative to their largest, to find a recording again at another level, rate or
            in another format.
    """

    sha256: str
    rate: int
    channels: int
    seconds: float
    format: str
    peak: float
    silent_s: float
    clipped: float
    mix: str
    sounding: tuple[tuple[float, float], ...]
    outline: tuple[int, ...]


def measure(path: Path) -> Iterator[float | Measured]:
    """Read a recording once; yield the share that is done, and ``Measured`` at the end.

    Raises:
        AudioError: it can't be read or holds NaN.
    """
    info = probe(path)
    gauge = _Gauge(info.sample_rate, info.layout)
    done = 0
    for block in blocks(path, gauge.size * 40):
        gauge.take(block)
        done += len(block)
        yield done / info.n_samples
    yield gauge.result(done, info.format)


def pieces(
    path: Path, sounding: Sequence[tuple[float, float]], mix: str, rate: int, sha256: str
) -> Iterator[tuple[float, Floats]]:
    """Read the parts of a recording that sound, mono.

    Args:
        path: the recording.
        sounding: as ``Measured`` has it.
        mix: as ``Measured`` has it.
        rate: wanted samples per second.
        sha256: what the samples must hash to.

    Yields:
        The start in seconds, and samples ``[time]`` of at most ``PIECE_S`` seconds.

    Raises:
        AudioError: it can't be read, or is another recording by now.
    """
    info = probe(path)
    digest = _digest(info.sample_rate, info.channels)
    plan = [
        (round(start * info.sample_rate), min(round(stop * info.sample_rate), info.n_samples))
        for start, stop in _cut(sounding)
    ]
    at, kept = 0, [np.empty(0, np.float32)]
    for block in blocks(path, 1 << 16):
        digest.update(block.data)
        mono = block[:, 0] if mix == "first" else to_mono(block.T, info.layout)
        end = at + len(mono)
        while plan and plan[0][0] < end:
            start, stop = plan[0]
            kept.append(mono[max(0, start - at) : stop - at])
            if stop > end:
                break
            plan.pop(0)
            clip = resample(Clip(np.concatenate(kept), info.sample_rate), rate)
            kept = []
            yield start / info.sample_rate, clip.samples[0]
        at = end
    if digest.hexdigest() != sha256:
        raise AudioError("The file has changed since it was inspected.", where=path)


def _cut(sounding: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    for start, stop in sounding:
        count = max(1, int(np.ceil((stop - start) / PIECE_S)))
        edges = np.linspace(start, stop, count + 1)
        yield from pairwise(edges.tolist())


def _digest(rate: int, channels: int) -> hashlib._Hash:
    return hashlib.sha256(f"{rate} {channels} ".encode())


class _Gauge:
    def __init__(self, rate: int, layout: Layout) -> None:
        self.rate, self.layout, self.channels = rate, layout, len(layout)
        self.size = max(1, round(FRAME_S * rate))
        self._digest = _digest(rate, self.channels)
        self._peak, self._flat = 0.0, 0
        self._energy = self._mono_energy = 0.0
        self._powers: list[NDArray[np.float64]] = []
        self._steps: list[NDArray[np.float64]] = []
        self._spectrum = np.zeros(_SPECTRUM // 2 + 1)
        self._window = np.hanning(_SPECTRUM)

    def take(self, block: Floats) -> None:
        """Take samples ``[time, channels]``; all blocks but the last are whole frames."""
        self._digest.update(block.data)
        self._peak = max(self._peak, float(np.abs(block).max()))
        if self._peak >= _FLAT:
            self._flat += sum(_flat_samples(channel) for channel in block.T)
        wide = block.astype(np.float64)
        power = (wide**2).mean(axis=1)
        mono = to_mono(wide.T, self.layout)
        self._energy += float(power.sum())
        self._mono_energy += float((mono**2).sum())
        starts = np.arange(0, len(power), self.size)
        counts = np.diff(np.append(starts, len(power)))
        self._powers.append(np.add.reduceat(power, starts) / counts)
        steps = (np.diff(wide, axis=0, prepend=wide[:1]) ** 2).mean(axis=1)
        self._steps.append(np.add.reduceat(steps, starts) / counts)
        # Channels apart, since their sum may cancel.
        whole = len(wide) // _SPECTRUM * _SPECTRUM
        frames = wide[:whole].T.reshape(-1, _SPECTRUM) if whole else _padded(wide)
        self._spectrum += (np.abs(np.fft.rfft(frames * self._window)) ** 2).sum(axis=0)

    def result(self, samples: int, container: str) -> Measured:
        powers = np.concatenate(self._powers) if self._powers else np.zeros(0)
        silent = powers < 10 ** (SILENT_DB / 10)
        seconds = samples / self.rate
        lost = self._mono_energy < _CANCELLED * self._energy
        return Measured(
            sha256=self._digest.hexdigest(),
            rate=self.rate,
            channels=self.channels,
            seconds=seconds,
            format=container,
            peak=self._peak,
            silent_s=min(seconds, float(silent.sum()) * self.size / self.rate),
            clipped=self._flat / max(1, samples * self.channels),
            mix="first" if lost and self.channels > 1 else "mean",
            sounding=_regions(~silent, self.size / self.rate, seconds),
            outline=self._outline(powers),
        )

    def _outline(self, powers: NDArray[np.float64]) -> tuple[int, ...]:
        if not powers.any():
            return ()
        loud = np.flatnonzero(powers > powers.max() * 10 ** (_FLOOR_DB / 10))
        inside = slice(loud[0], loud[-1] + 1)
        # The slope of the waveform weighs high frequencies: the tune of a steady sound shows.
        envelopes = [_slices(track[inside]) for track in (powers, np.concatenate(self._steps))]
        hertz = np.fft.rfftfreq(_SPECTRUM, 1 / self.rate)
        borders = np.geomspace(_LOW_HZ, _HIGH_HZ, _BANDS + 1)
        sums = [
            self._spectrum[(hertz >= low) & (hertz < high)].sum() for low, high in pairwise(borders)
        ]
        length = round(100 * (inside.stop - inside.start) * self.size / self.rate)
        levels = [_relative_db(track) for track in (*envelopes, np.array(sums))]
        return (length, *levels[0], *levels[1], *levels[2])


def _padded(wide: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.pad(wide, ((0, _SPECTRUM - len(wide)), (0, 0))).T


def _flat_samples(channel: Floats) -> int:
    """Count the samples within runs at full scale on one side."""
    count = 0
    for side in (channel, -channel):
        at_top = np.concatenate(([0], (np.abs(side - 1) <= 1 - _FLAT).astype(np.int8), [0]))
        edges = np.flatnonzero(np.diff(at_top))
        lengths = edges[1::2] - edges[::2]
        count += int(lengths[lengths >= _FLAT_RUN].sum())
    return count


def _regions(
    loud: NDArray[np.bool_], frame_s: float, seconds: float
) -> tuple[tuple[float, float], ...]:
    frames = np.flatnonzero(loud)
    if not len(frames):
        return ()
    breaks = np.flatnonzero(np.diff(frames) * frame_s > GAP_S)
    firsts = frames[np.concatenate(([0], breaks + 1))]
    lasts = frames[np.concatenate((breaks, [len(frames) - 1]))]
    return tuple(
        (max(0.0, float(a) * frame_s - MARGIN_S), min(seconds, (float(b) + 1) * frame_s + MARGIN_S))
        for a, b in zip(firsts, lasts, strict=True)
    )


def _slices(track: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over equal parts of a track, which may be shorter than there are parts."""
    total = np.concatenate(([0.0], np.cumsum(track)))
    edges = np.linspace(0, len(track), _SLICES + 1)
    return np.diff(np.interp(edges, np.arange(len(total)), total))


def _relative_db(powers: NDArray[np.float64]) -> tuple[int, ...]:
    top = powers.max()
    if top <= 0:
        return (round(_FLOOR_DB * 10),) * len(powers)
    levels = 10 * np.log10(np.maximum(powers / top, 10 ** (_FLOOR_DB / 10)))
    return tuple(np.rint(levels * 10).astype(int).tolist())


def outline_distance_db(one: Sequence[int], other: Sequence[int]) -> float:
    """Distance of two outlines: the largest RMS difference of their parts, in dB.

    Infinite where the lengths differ by more than two frames.
    """
    if abs(one[0] - other[0]) > 100 * _LENGTH_S:
        return float("inf")
    squares = (np.subtract(one[1:], other[1:]) / 10) ** 2
    parts = np.split(squares, (_SLICES, 2 * _SLICES))
    return float(np.sqrt(max(part.mean() for part in parts)))
