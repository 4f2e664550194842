"""Mels of one convention turned into those of another.

A mel is inverted to a spectrum, the spectrum is put on the target's grid in Hz, measured with the
target's bands, and its frames are moved to the target's times. What makes it delicate is the change
from energies to magnitudes: the root of a sum is not the sum of roots, so it matters whether the
energy of a band sits in one sine or is spread over all its bins. Energy that stands alone between
quiet bands is taken as a sine, whose magnitudes in the target's window are known exactly; the rest
as dense, with the mean magnitude of noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.filters import band_edges
from milonga.audio.mel.spec import MelSpec
from milonga.errors import VocoderError
from milonga.vocoders.inversion import MelInversion

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

_BLOCK = 512
"""Frames converted at a time."""

_HANN_ENERGY = 3.0 / 8.0
"""Mean square of a Hann window; its mean is 1/2."""

_WINDOW_SPREAD = 0.1414
"""Standard deviation of a squared Hann window, as a share of its length."""

_LOBE_SPREAD = 0.5774
"""Standard deviation of the squared main lobe, in bins."""

_NEAR = 3
"""Stretches that a tone may cross from one frame to the next."""

_NARROWEST = 2.0
"""Bins of an interval between band centres from which sines are told from dense sound."""


class MelAdapter:
    """Converts mels of ``source`` to ``target``.

    Args:
        source: convention of the mels given.
        target: convention of the mels returned.
    """

    def __init__(self, source: MelSpec, target: MelSpec) -> None:
        self.source, self.target = source, target
        self._inversion = MelInversion(source)
        self._filters = target.filters()
        self._source_hz = _bin_hz(source)
        self._target_hz = _bin_hz(target)
        self._intervals = _Intervals.of(source)

    def __call__(self, mel: Floats) -> Floats:
        """Mels ``[B, n_mels, T]`` of the source as ``[B, target.n_mels, T']``.

        ``T'`` are the frames that the target's own analysis gives of audio as long as ``T`` frames
        of the source.

        Raises:
            VocoderError: the mel has another rank or band count than the source.
        """
        if mel.ndim != 3 or mel.shape[1] != self.source.n_mels:
            raise VocoderError(
                f"A mel of shape {mel.shape} isn't [batch, {self.source.n_mels} bands, frames]."
            )
        if not self.source.differences(self.target):
            return mel
        frames = self.frames(mel.shape[2])
        out = np.empty((mel.shape[0], self.target.n_mels, frames), np.float32)
        for item, values in zip(out, mel, strict=True):
            item[:] = self.target.compress(self._at_target_times(self._sums(values), frames))
        return out

    def frames(self, count: int) -> int:
        """Frames of the target for ``count`` frames of the source."""
        source = self.source
        # Frames count whole hops: on average half of one more was there.
        samples = source.hop * (count - (source.padding == "centre")) + source.hop // 2
        return self.target.frames(round(samples * self._rate_factor)) if count else 0

    @property
    def _rate_factor(self) -> float:
        return self.target.sample_rate / self.source.sample_rate

    def _sums(self, mel: Floats) -> Reals:
        """Sums in the target's bands, at the source's frames."""
        sums = np.empty((self.target.n_mels, mel.shape[1]))
        for at in range(0, mel.shape[1], _BLOCK):
            spectrum = self._inversion(mel[:, at : at + _BLOCK]).astype(np.float64)
            sums[:, at : at + _BLOCK] = self._filters @ self._on_target_grid(spectrum)
        return sums

    def _on_target_grid(self, spectrum: Reals) -> Reals:
        """Bins of the source to bins of the target, each in its own power."""
        source, target = self.source, self.target
        energy_gain = (target.sample_rate * target.win_length) / (
            source.sample_rate * source.win_length
        )
        if source.power == target.power == 2:
            return energy_gain * self._resampled(spectrum)
        if source.power == target.power == 1:
            # Sines and noise change differently with window and rate: halfway between.
            tone_gain = (target.win_length * target.sample_rate / target.n_fft) / (
                source.win_length * source.sample_rate / source.n_fft
            )
            return float(np.sqrt(tone_gain * np.sqrt(energy_gain))) * self._resampled(spectrum)
        if source.power == 2:
            return self._magnitudes(spectrum, energy_gain)
        return self._energies(spectrum, energy_gain)

    def _magnitudes(self, energy: Reals, energy_gain: float) -> Reals:
        dense, tones = self._intervals.split(energy, self._source_hz)
        found: Reals = np.sqrt(energy_gain) * self._dense_mean * self._resampled(np.sqrt(dense))
        source, target = self.source, self.target
        # Parseval: the bins of a sine of amplitude A sum to n_fft A^2 / 4 times the sum of the
        # squared window.
        window = source.n_fft * source.win_length * _HANN_ENERGY
        for tone in tones:
            amplitude = np.sqrt(tone.total / window) * (target.win_length / 2)
            found = np.hypot(found, amplitude * self._lobe(tone))
        return found

    def _energies(self, magnitude: Reals, energy_gain: float) -> Reals:
        dense, tones = self._intervals.split(magnitude, self._source_hz)
        found = energy_gain * self._resampled(dense) ** 2 / self._dense_mean**2
        source, target = self.source, self.target
        # The magnitudes of a sine's bins sum to its amplitude / 2 times n_fft (the window's peak).
        for tone in tones:
            amplitude = tone.total / source.n_fft * (target.win_length / 2)
            found += (amplitude * self._lobe(tone)) ** 2
        return found

    def _lobe(self, tone: _Tone) -> Reals:
        """Magnitudes of a tone over the target's bins, ``[bins, T]``.

        A tone that moves within the window draws its lobe out; its energy stays.
        """
        target = self.target
        spacing = target.sample_rate / target.win_length
        moved = tone.slope * self.source.frame_rate * target.win_length / target.sample_rate
        stretch = np.sqrt(1.0 + (_WINDOW_SPREAD * moved / (_LOBE_SPREAD * spacing)) ** 2)
        offset = self._target_hz[:, np.newaxis] - tone.hz
        return np.asarray(_hann_lobe(offset / (spacing * stretch)) / np.sqrt(stretch))

    @property
    def _dense_mean(self) -> Reals:
        """Mean magnitude over the root of the mean energy, ``[bins, 1]``.

        0.886 for noise (Rayleigh), 1 for clicks: between them where a band holds many bins,
        1 where it holds one and the inversion gives that bin itself.
        """
        bins = np.interp(self._target_hz, *self._intervals.width_over_hz)
        return (1.0 - 0.06 * (1.0 - 1.0 / np.maximum(bins, 1.0)))[:, np.newaxis]

    def _resampled(self, spectrum: Reals) -> Reals:
        """Cubic interpolation over Hz; nothing beyond the source's last band."""
        position = self._target_hz / (self.source.sample_rate / self.source.n_fft)
        low = np.floor(position).astype(int)
        x = (position - low)[:, np.newaxis]
        missing = max(0, low[-1] + 3 - len(spectrum))
        # The spectrum of a real signal goes on below 0 Hz as its mirror.
        padded = np.concatenate([spectrum[1:2], spectrum])
        padded = np.pad(padded, ((0, missing), (0, 0)))
        a, b, c, d = (padded[low + shift] for shift in range(4))
        cubic = b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))
        return np.asarray(np.maximum(cubic, 0.0))

    def _at_target_times(self, sums: Reals, frames: int) -> Reals:
        """Frames at the target's times, in between by their neighbours."""
        count = sums.shape[1]
        if not count or not frames:
            return np.zeros((len(sums), frames))
        times = _frame_times(self.target, np.arange(frames))
        position = (times - _frame_times(self.source, 0.0)) * self.source.frame_rate
        position = np.clip(position, 0.0, count - 1.0)
        low = np.minimum(np.floor(position + 1e-9).astype(int), max(count - 2, 0))
        part = position - low
        following = np.minimum(low + 1, count - 1)
        return np.asarray((1.0 - part) * sums[:, low] + part * sums[:, following])


@dataclass(frozen=True, eq=False, slots=True)
class _Tone:
    """A sine in every frame, ``[T]`` each: where it is, the sum over its bins, and by how many Hz
    it moves from frame to frame."""

    hz: Reals
    total: Reals
    slope: Reals


@dataclass(frozen=True, eq=False)
class _Intervals:
    """The stretches between neighbouring band corners, ``n_mels + 1`` of them.

    Two bands that are loud between two that are not leave one stretch for the energy, and their
    ratio gives its centre there.
    """

    edges: Reals
    owner: NDArray[np.intp]
    bins: Reals

    @classmethod
    def of(cls, spec: MelSpec) -> _Intervals:
        edges = band_edges(spec.n_mels, spec.f_min, spec.f_max, spec.scale)
        owner = np.clip(np.searchsorted(edges, _bin_hz(spec), side="right") - 1, 0, spec.n_mels)
        return cls(edges, owner, np.diff(edges) / (spec.sample_rate / spec.n_fft))

    @property
    def width_over_hz(self) -> tuple[Reals, Reals]:
        """Middles in Hz, and bins of each."""
        return 0.5 * (self.edges[1:] + self.edges[:-1]), self.bins

    def split(self, spectrum: Reals, hz: Reals) -> tuple[Reals, list[_Tone]]:
        """Split a spectrum into what is dense, ``[bins, T]``, and sines."""
        count = len(self.bins)
        sums = np.zeros((count + 4, spectrum.shape[1]))
        moments = np.zeros_like(sums)
        np.add.at(sums, self.owner + 2, spectrum)
        np.add.at(moments, self.owner + 2, spectrum * hz[:, np.newaxis])
        # A pair of stretches, since the lobe of a sine near a corner lies on both sides.
        pair = sums[:-1] + sums[1:]
        around = np.zeros_like(pair)
        around[1:-1] = sums[:-3] + sums[3:]
        lone = np.clip(1.0 - 2.0 * around / np.maximum(pair, 1e-30), 0.0, 1.0)
        highest = np.zeros(pair.shape, bool)
        highest[1:-1] = (pair[1:-1] >= pair[:-2]) & (pair[1:-1] > pair[2:])
        wide = np.zeros(len(pair), bool)
        wide[2 : 2 + count - 1] = np.maximum(self.bins[:-1], self.bins[1:]) >= _NARROWEST
        share = np.where(highest & wide[:, np.newaxis], lone, 0.0)
        taken = np.zeros_like(sums)
        totals = np.zeros_like(pair)
        for index in np.flatnonzero(share.max(axis=1, initial=0.0) > 0):
            own = share[index] * (1.0 - np.maximum(taken[index], taken[index + 1]))
            taken[index : index + 2] = np.maximum(taken[index : index + 2], own)
            totals[index] = own * pair[index]
        centres = (moments[:-1] + moments[1:]) / np.maximum(pair, 1e-30)
        slopes = _slopes(centres, totals)
        tones = [
            _Tone(centres[index], totals[index], slopes[index])
            for index in np.flatnonzero(totals.max(axis=1, initial=0.0) > 0)
        ]
        return spectrum * (1.0 - taken[self.owner + 2]), tones


def _slopes(centres: Reals, totals: Reals) -> Reals:
    """Hz from frame to frame of every tone, by the loudest one near it before and after."""
    moves = np.zeros((2, *centres.shape))
    known = np.zeros((2, *centres.shape), bool)
    for side, step in enumerate((-1, 1)):
        best = 0.1 * totals
        for shift in range(-_NEAR, _NEAR + 1):
            # What is rolled in from the other end is silence: there are no tones at the edges.
            other = np.roll(totals, (shift, -step), (0, 1))
            where = np.roll(centres, (shift, -step), (0, 1))
            edge = 0 if step < 0 else -1
            other[:, edge] = 0.0
            nearer = other > best
            best = np.where(nearer, other, best)
            moves[side] = np.where(nearer, step * (where - centres), moves[side])
            known[side] |= nearer
    return np.asarray(moves.sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _hann_lobe(x: Reals) -> Reals:
    """The main lobe of a Hann window's transform, 1 at 0; ``x`` counts rate / length."""
    near = np.abs(x) < 2.0
    safe = np.where(near & (np.abs(np.abs(x) - 1.0) > 1e-6), x, 0.0)
    lobe = np.sinc(safe) / (1.0 - safe**2)
    lobe = np.where(np.abs(np.abs(x) - 1.0) <= 1e-6, 0.5, lobe)
    return np.asarray(np.where(near, np.abs(lobe), 0.0), dtype=np.float64)


def _bin_hz(spec: MelSpec) -> Reals:
    return np.linspace(0.0, spec.sample_rate / 2, spec.n_fft // 2 + 1)


def _frame_times(spec: MelSpec, index: Reals | NDArray[np.intp] | float) -> Reals:
    """Seconds at the middle of frames."""
    offset = 0.0 if spec.padding == "centre" else spec.hop / 2
    seconds = (np.asarray(index) * spec.hop + offset) / spec.sample_rate
    return np.asarray(seconds, dtype=np.float64)
