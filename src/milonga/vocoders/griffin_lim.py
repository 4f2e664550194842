"""Griffin-Lim: a waveform whose spectrum has given magnitudes, by alternating projections.

The fast form (Perraudin) overshoots every step. The start decides how many steps are needed:
phases that follow the peaks of the spectrum from frame to frame (Beauregard) are worth some seventy
steps from random ones.

References:
    Griffin, Lim, "Signal Estimation from Modified Short-Time Fourier Transform", 1984.
    Perraudin, Balazs, Sondergaard, "A Fast Griffin-Lim Algorithm", WASPAA 2013.
    Beauregard, Harish, Wyse, "Single Pass Spectrogram Inversion", DSP 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.spec import MelSpec, window
from milonga.errors import DeviceError, VocoderError
from milonga.runtime.progress import Progress
from milonga.vocoders.base import Floats, VocoderBase
from milonga.vocoders.inversion import MelInversion

Spectrum = NDArray[np.complex64]

DEFAULT_SPEC = "bigvgan-v2-44khz-128band-512x"
_MOMENTUM = 0.99
_PIECE_S, _OVERLAP_S = 30.0, 0.5


class GriffinLim(VocoderBase):
    """A vocoder for any mel spec, without weights.

    Mels of more than half a minute are rebuilt in pieces that overlap and are faded into each
    other, so that memory stays bounded.

    Args:
        spec: convention of the mels.
        iterations: steps of the algorithm.
        seed: of the phases that a frame without history starts from.
    """

    name: str = "griffin-lim"

    def __init__(self, spec: MelSpec, *, iterations: int = 32, seed: int = 0) -> None:
        if iterations < 0:
            raise VocoderError(f"{iterations} iterations can't be done.")
        if spec.hop > spec.win_length // 2:
            raise VocoderError(
                f"Windows of {spec.win_length} samples every {spec.hop} overlap too little."
            )
        self._spec, self.iterations, self.seed = spec, iterations, seed
        self._inversion = MelInversion(spec)

    @property
    def mel_spec(self) -> MelSpec:
        return self._spec

    @property
    def device(self) -> str:
        return "cpu"

    def _chunks(self, mel: Floats, chunk_frames: int, progress: Progress) -> Iterator[Floats]:
        frames, hop = mel.shape[2], self._spec.hop
        pending = np.zeros((mel.shape[0], 1, 0), np.float32)
        with progress.task("Vocoding", frames, "frames") as task:
            for piece in self._pieces(mel, task.advance):
                pending = np.concatenate([pending, piece], axis=2)
                while pending.shape[2] >= chunk_frames * hop:
                    yield pending[:, :, : chunk_frames * hop]
                    pending = pending[:, :, chunk_frames * hop :]
        if pending.shape[2]:
            yield pending

    def _pieces(self, mel: Floats, advance: Callable[[float], None]) -> Iterator[Floats]:
        """Consecutive waveforms of some thirty seconds, already faded into each other."""
        spec, frames = self._spec, mel.shape[2]
        length = max(8, round(_PIECE_S * spec.frame_rate))
        overlap = max(2, round(_OVERLAP_S * spec.frame_rate))
        fade = np.sin(0.5 * np.pi * (np.arange(overlap * spec.hop) + 0.5) / (overlap * spec.hop))
        rise, fall = (fade**2).astype(np.float32), (fade[::-1] ** 2).astype(np.float32)
        tail: Floats | None = None
        for at in range(0, frames, length):
            last = at + length >= frames
            stop = frames if last else at + length + overlap
            wave = np.stack([self._rebuild(item[:, at:stop]) for item in mel])[:, np.newaxis]
            if tail is not None:
                head = min(tail.shape[2], wave.shape[2])
                wave[:, :, :head] = (
                    wave[:, :, :head] * rise[:head] + tail[:, :, :head] * fall[:head]
                )
            tail = None if last else wave[:, :, length * spec.hop :]
            yield wave if last else wave[:, :, : length * spec.hop]
            advance(min(length, frames - at))

    def _rebuild(self, mel: Floats) -> Floats:
        """``[n_mels, T]`` to ``[T * hop]``."""
        spectrum = self._inversion(mel).T
        magnitudes = np.sqrt(spectrum) if self._spec.power == 2 else spectrum
        magnitudes = np.ascontiguousarray(magnitudes)
        grid = Grid(self._spec, len(magnitudes))
        estimate = magnitudes * follow_peaks(magnitudes, self._spec, self.seed)
        before = np.zeros_like(estimate)
        for _ in range(self.iterations):
            rebuilt = grid.analyse(grid.synthesise(estimate))
            target = rebuilt + np.float32(_MOMENTUM) * (rebuilt - before)
            size = np.abs(target)
            size += np.float32(1e-12)
            target *= magnitudes / size
            estimate, before = target, rebuilt
        wave = grid.synthesise(estimate)
        return wave[grid.pad : grid.pad + len(magnitudes) * self._spec.hop]


class Grid:
    """The frames of a spec over a signal, forth and back in single precision."""

    def __init__(self, spec: MelSpec, frames: int) -> None:
        self.spec, self.frames = spec, frames
        self.pad = spec.n_fft // 2 if spec.padding == "centre" else (spec.n_fft - spec.hop) // 2
        self._window = window(spec).astype(np.float32)
        # The signal reaches at least to the last sample that is wanted.
        self.length = (frames - 1) * spec.hop + spec.n_fft + spec.hop
        weight = np.zeros(self.length, np.float32)
        for at in range(0, frames * spec.hop, spec.hop):
            weight[at : at + spec.n_fft] += self._window**2
        self._weight = np.maximum(weight, 0.05 * weight.max())

    def analyse(self, signal: Floats) -> Spectrum:
        """``[length]`` to ``[frames, bins]``."""
        views = np.lib.stride_tricks.sliding_window_view(signal, self.spec.n_fft)
        cut = views[:: self.spec.hop][: self.frames] * self._window
        return np.fft.rfft(cut, axis=1).astype(np.complex64, copy=False)

    def synthesise(self, spectrum: Spectrum) -> Floats:
        """The signal whose frames come closest, ``[length]``."""
        pieces = np.fft.irfft(spectrum, n=self.spec.n_fft, axis=1).astype(np.float32, copy=False)
        pieces *= self._window
        signal = np.zeros(self.length, np.float32)
        hop, blocks = self.spec.hop, -(-self.spec.n_fft // self.spec.hop)
        for block in range(blocks):
            part = pieces[:, block * hop : (block + 1) * hop]
            rows = signal[block * hop : block * hop + self.frames * hop]
            if part.shape[1] == hop and len(rows) == self.frames * hop:
                rows.reshape(self.frames, hop)[:] += part
                continue
            for frame in range(self.frames):
                at = block * hop + frame * hop
                signal[at : at + part.shape[1]] += part[frame]
        signal /= self._weight
        return signal


def follow_peaks(magnitudes: Floats, spec: MelSpec, seed: int) -> Spectrum:
    """Unit phases ``[T, bins]`` that let every spectral peak run on as a sine.

    Single pass spectrogram inversion: a parabola through a peak gives its frequency, the phase
    advances by that over a hop, and the bins around the peak, up to the valleys, share it.
    """
    frames, bins = magnitudes.shape
    draw = np.random.default_rng(seed)
    phase = np.asarray(draw.uniform(0, 2 * np.pi, size=bins))
    advance = 2 * np.pi * spec.hop / spec.n_fft
    # Seen from its middle, a window gives neighbouring bins of one sine opposite signs.
    alternate = np.pi * (np.arange(bins) % 2)
    index = np.arange(bins)
    phases = np.empty((frames, bins), np.float32)
    for t in range(frames):
        row = magnitudes[t]
        inner = row[1:-1]
        peaks = np.flatnonzero((inner > row[:-2]) & (inner >= row[2:])) + 1
        if len(peaks):
            left, middle, right = row[peaks - 1], row[peaks], row[peaks + 1]
            curve = left - 2 * middle + right
            shift = 0.5 * (left - right) / np.where(curve < 0, curve, -1.0)
            moved = phase[peaks] + advance * (peaks + shift)
            # A bin belongs to the peak on its side of the lowest point between two.
            edges = _valleys(row, peaks)
            phase = moved[np.searchsorted(edges, index, side="right")]
        else:
            phase = phase + advance * index
        phases[t] = np.mod(phase + alternate, 2 * np.pi)
    return np.asarray(np.exp(1j * phases), dtype=np.complex64)


def _valleys(row: Floats, peaks: NDArray[np.intp]) -> NDArray[np.intp]:
    """Find where the row is lowest between each two peaks."""
    if len(peaks) < 2:
        return np.empty(0, np.intp)
    lowest = np.minimum.reduceat(row, peaks)[:-1]
    owner = np.searchsorted(peaks, np.arange(len(row)), side="right") - 1
    inside = (owner >= 0) & (owner < len(peaks) - 1)
    places = np.flatnonzero(inside & (row == lowest[np.clip(owner, 0, len(lowest) - 1)]))
    first = np.searchsorted(owner[places], np.arange(len(peaks) - 1))
    return np.asarray(places[first])


def load_griffin_lim(
    *, device: str = "auto", spec: MelSpec | str = DEFAULT_SPEC, iterations: int = 32, seed: int = 0
) -> GriffinLim:
    """Griffin-Lim for a spec or the name of a preset.

    Raises:
        UnknownNameError: no such preset.
        DeviceError: a device other than the CPU was asked for.
    """
    if device not in ("auto", "cpu"):
        raise DeviceError("Griffin-Lim runs on the CPU only.", step="Use the device auto or cpu.")
    chosen = MelSpec.preset(spec) if isinstance(spec, str) else spec
    return GriffinLim(chosen, iterations=iterations, seed=seed)
