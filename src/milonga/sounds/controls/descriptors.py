"""The meaning of the controls: seven descriptors of sound, computed from the log-mel alone.

All are differentiable, so training can ask the decoder for them, and the same code measures a
recording (through its mel). They follow a sound in time: each frame's value is taken over a
Hann window of half a second around it (brightness, warmth, roughness, tension) or two seconds
(loudness, pulse, density). All but loudness do not change with a gain, down to the mel's floor.

==========  ======================================  =============================================
control     the field's term                        measured as
==========  ======================================  =============================================
loudness    level, K-weighted                       dB over the bands
brightness  spectral centroid                       octaves above 1 kHz, magnitude-weighted
warmth      low-to-mid energy ratio                 dB, 60-350 Hz against 350-2800 Hz
roughness   fast amplitude fluctuation of bands     dB, share of band magnitude above some 15 Hz
tension     tonal dissonance                        0 to 1, from the tonal interval vector
pulse       depth of slow loudness modulation       dB, 0.5 to 8 Hz
density     onset density                           soft count of onsets a second
==========  ======================================  =============================================

References:
    ITU-R BS.1770-4 (K-weighting; the analogue shelf and high-pass behind its tables).
    Peeters, Giordano, Susini, Misdariis, McAdams, "The Timbre Toolbox" (2011): centroid.
    Daniel, Weber, "Psychoacoustical roughness" (1997); Vassilakis, "Auditory roughness" (2005):
        roughness from amplitude fluctuation of bands between some 15 and 150 Hz.
    Fastl, Zwicker, "Psychoacoustics" (2007): fluctuation strength, specific loudness.
    Bernardes, Cocharro, Caetano, Guedes, Davies, "A multi-level tonal interval space for
        modelling pitch relatedness and musical consonance" (2016): weights and dissonance.
    Bock, Widmer, "Maximum filter vibrato suppression for onset detection" (2013): lagged flux.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from milonga.audio.mel.filters import band_edges
from milonga.audio.mel.spec import MelSpec
from milonga.errors import SoundError

if TYPE_CHECKING:
    import torch

    from milonga.sounds.controls.smoothing import Smoother

    Tables = dict[str, torch.Tensor]

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Control:
    """One control.

    Attributes:
        name: as the user writes it.
        term: the field's term for what is measured.
        unit: of the measured value.
        least_spread: standard deviation over a corpus below which nothing can be learnt about
            the control, and it is disabled; about what a listener just notices.
        low, high: no sound that we ask for lies beyond.
    """

    name: str
    term: str
    unit: str
    least_spread: float
    low: float
    high: float


CONTROLS = (
    Control("loudness", "K-weighted level", "dB", 1.0, -48.0, -3.0),
    Control("brightness", "spectral centroid", "octaves re 1 kHz", 0.1, -3.5, 4.0),
    Control("warmth", "low-to-mid energy ratio", "dB", 1.0, -30.0, 30.0),
    Control("roughness", "fluctuation of bands above 15 Hz", "dB", 0.7, -45.0, 0.0),
    Control("tension", "tonal dissonance", "0 to 1", 0.015, 0.0, 1.0),
    Control("pulse", "loudness modulation, 0.5 to 8 Hz", "dB", 1.0, -40.0, 6.0),
    Control("density", "onset density", "onsets/s", 0.15, 0.0, 12.0),
)
"""In the order of the descriptor axis."""

NAMES = tuple(control.name for control in CONTROLS)
LOUDNESS = NAMES.index("loudness")

_SHORT_S, _LONG_S = 0.5, 2.0
_LOW_HZ, _SPLIT_HZ, _MID_HZ = 60.0, 350.0, 2800.0
_TONAL_HZ = (400.0, 5000.0)
_FLUCTUATION_S = 0.08
"""A Hann window of this length leaves what is slower than some 15 Hz."""
_PULSE_S = 0.1
_TIV_WEIGHTS = (2.0, 11.0, 17.0, 16.0, 19.0, 7.0)
"""Bernardes 2016, table 1: interval classes by their consonance in listening tests."""
_GROUPS = 16
_LAG_S = 0.035
_ONSET_NATS = 0.5
"""A rise of the bands' mean log magnitude that counts as half an onset."""
LOUDNESS_CONTEXT_S = _LONG_S / 2
"""What the loudness of a frame depends on, on either side."""
_WINDOWS = ("short", "long", "fluctuation", "pulse", "onset")


class Descriptors:
    """The descriptors for mels of one convention (natural log of band magnitudes).

    Args:
        spec: the convention.

    Raises:
        SoundError: it is one of another kind.
    """

    def __init__(self, spec: MelSpec) -> None:
        _tables(spec)
        self.spec = spec
        self._floor = spec.floor
        self._rate = spec.frame_rate
        self._placed: dict[str, tuple[Tables, Smoother]] = {}

    def _on(self, device: torch.device) -> tuple[Tables, Smoother]:
        """The tables where a mel is, and the windows."""
        import torch

        from milonga.sounds.controls.smoothing import Smoother

        key = str(device)
        if key not in self._placed:
            # What is made in inference mode couldn't be used in training later.
            with torch.inference_mode(False):
                tables = {
                    name: torch.tensor(value, dtype=torch.float32, device=device)
                    for name, value in _tables(self.spec).items()
                }
            smoother = Smoother({name: tables[name] for name in _WINDOWS})
            self._placed[key] = (tables, smoother)
        return self._placed[key]

    def __call__(self, mel: torch.Tensor) -> torch.Tensor:
        """Descriptors of mels.

        Args:
            mel: ``[B, n_mels, T]`` natural-log magnitudes, T at least 1.

        Returns:
            ``[B, 7, T]`` in the units of ``CONTROLS``, finite for every finite mel (silence, too).
        """
        import torch

        t, smooth = self._on(mel.device)
        magnitude = self._magnitude(mel)
        band = magnitude * t["width"]
        energy = magnitude**2 * t["width"]
        loudness = self._loudness(t, smooth, energy)

        weight = smooth(band.sum(1, keepdim=True), "short")
        centroid = smooth((band * t["hz"]).sum(1, keepdim=True), "short") / weight
        brightness = torch.log2(centroid.clamp(min=50.0) / 1000.0)

        parts = torch.cat(
            [
                (energy * t["is_low"]).sum(1, keepdim=True),
                (energy * t["is_mid"]).sum(1, keepdim=True),
                energy.sum(1, keepdim=True),
            ],
            1,
        )
        shares = smooth(parts, "short")
        low, mid, whole = shares[:, :1], shares[:, 1:2], shares[:, 2:]
        warmth = 10 * torch.log10((low + 1e-3 * whole) / (mid + 1e-3 * whole))
        return torch.cat(
            [
                loudness,
                brightness,
                warmth,
                self._roughness(t, smooth, magnitude),
                self._tension(t, smooth, energy),
                self._pulse(t, smooth, energy),
                self._density(t, smooth, magnitude),
            ],
            1,
        )

    def loudness(self, mel: torch.Tensor) -> torch.Tensor:
        """Loudness of mels alone, ``[B, 1, T]`` in dB: the first of the descriptors."""
        t, smooth = self._on(mel.device)
        return self._loudness(t, smooth, self._magnitude(mel) ** 2 * t["width"])

    def _magnitude(self, mel: torch.Tensor) -> torch.Tensor:
        import torch

        # What the floor holds is no sound; the rest keeps its gradient.
        return torch.relu(torch.exp(mel) - self._floor) + 1e-3 * self._floor

    def _loudness(self, t: Tables, smooth: Smoother, energy: torch.Tensor) -> torch.Tensor:
        import torch

        total = smooth((energy * t["k"]).sum(1, keepdim=True), "long")
        return 10 * torch.log10(total * t["calibration"] + 1e-9)

    def _roughness(self, t: Tables, smooth: Smoother, magnitude: torch.Tensor) -> torch.Tensor:
        import torch

        steady = smooth(magnitude, "fluctuation")
        # The mean of absolute values, squared: a lone onset must not count like steady beating.
        fast = smooth(torch.sqrt((magnitude - steady) ** 2 + 1e-14), "short") ** 2
        slow = smooth(steady, "short") ** 2
        # Specific loudness grows with some 0.6 of the exponent of magnitude.
        loudness = (slow * t["width"]) ** 0.3
        # Bands 60 dB under the loudest are masked.
        weight = torch.relu(loudness - 0.0158 * loudness.amax(1, keepdim=True))
        share = fast / (slow + 0.1 * fast + 1e-16)
        return 10 * torch.log10((weight * share).sum(1, True) / weight.sum(1, True) + 1e-4)

    def _tension(self, t: Tables, smooth: Smoother, energy: torch.Tensor) -> torch.Tensor:
        import torch

        tonal = smooth(torch.einsum("kb,nbt->nkt", t["tiv"], energy), "short")
        total, vector = tonal[:, :1], tonal[:, 1:]
        norm = torch.sqrt((vector**2).sum(1, keepdim=True) + 1e-12 * total**2 + 1e-24)
        return 1.0 - norm / (total + 1e-12)

    def _pulse(self, t: Tables, smooth: Smoother, energy: torch.Tensor) -> torch.Tensor:
        import torch

        specific = (energy + 1e-12) ** 0.3
        loudness = smooth(specific.sum(1, keepdim=True), "pulse")
        slow = smooth(loudness, "long")
        depth2 = smooth((loudness - slow) ** 2, "long") / (slow**2 + 1e-16)
        return 10 * torch.log10(depth2 + 1e-4)

    def _density(self, t: Tables, smooth: Smoother, magnitude: torch.Tensor) -> torch.Tensor:
        import torch
        from torch.nn import functional

        batch, _, frames = magnitude.shape
        sums = torch.einsum("gb,nbt->ngt", t["groups"], magnitude)
        sums = smooth(sums, "onset")
        # 30 dB under the local level an onset doesn't count.
        ground = 0.03 * smooth(sums.mean(1, keepdim=True), "long")
        level = torch.log(sums + ground + 1e-9)
        lag = max(1, round(_LAG_S * self._rate))
        if frames <= lag:
            return torch.zeros(batch, 1, frames, device=magnitude.device) + 0.0 * level.sum()
        rise = torch.relu(level[:, :, lag:] - level[:, :, :-lag]).mean(1, keepdim=True)
        rise = functional.pad(rise, (lag - lag // 2, lag // 2))
        onset = rise**2 / (rise**2 + _ONSET_NATS**2)
        # An onset is seen for the lag and the smoothing.
        return smooth(onset, "long") * self._rate / (lag + 2)


def describe(mel: Floats, spec: MelSpec) -> Floats:
    """Descriptors of a mel as NumPy, in bounded memory.

    Args:
        mel: ``[C, n_mels, T]`` natural-log magnitudes, T at least 1.
        spec: its convention.

    Returns:
        ``[C, 7, T]`` in the units of ``CONTROLS``.
    """
    import torch

    measure = _shared(spec)
    margin, step = round(2.5 * spec.frame_rate), 1024
    frames = mel.shape[2]
    out = np.empty((mel.shape[0], len(CONTROLS), frames), np.float32)
    with torch.inference_mode():
        for at in range(0, frames, step):
            start, stop = max(0, at - margin), min(frames, at + step + margin)
            piece = torch.from_numpy(np.ascontiguousarray(mel[:, :, start:stop], np.float32))
            values = measure(piece).numpy()
            out[:, :, at : at + step] = values[:, :, at - start : at - start + step]
    return out


def sounding(mel: Floats, range_db: float = 50.0) -> NDArray[np.bool_]:
    """Frames that aren't silence: within ``range_db`` of the loudest frame of a mel ``[C, n, T]``;
    none if all is at the floor."""
    peak = mel.max(axis=1)
    top = float(peak.max()) if peak.size else -np.inf
    return np.asarray((peak > top - range_db * np.log(10) / 20) & (peak > -11.0))


@lru_cache(maxsize=4)
def _shared(spec: MelSpec) -> Descriptors:
    return Descriptors(spec)


def _hann(seconds: float, rate: float) -> NDArray[np.float64]:
    """A window of odd length without its zero ends."""
    half = max(1, round(seconds * rate / 2))
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.arange(-half + 0.0, half + 1) / (half + 1)))


@lru_cache(maxsize=4)
def _tables(spec: MelSpec) -> dict[str, NDArray[np.float64]]:
    if spec.compression != "log" or spec.power != 1 or spec.norm != "slaney":
        raise SoundError(
            "Descriptors need natural-log mels of magnitudes with bands of area 1.",
            step="Convert the mel with MelAdapter.",
        )
    edges = band_edges(spec.n_mels, spec.f_min, spec.f_max, spec.scale)
    hz = edges[1:-1]
    width = np.diff((edges[1:] + edges[:-1]) / 2)
    # Faded in and out over half an octave: a hard edge would count a band for all or nothing.
    inside = np.minimum(np.log2(np.maximum(hz, 1.0) / _TONAL_HZ[0]), np.log2(_TONAL_HZ[1] / hz))
    tonal = np.clip(2 * inside, 0.0, 1.0)
    pitch = 12 * np.log2(np.maximum(hz, 1.0) / 440.0)
    weights = np.asarray(_TIV_WEIGHTS)
    angles = 2 * np.pi * np.arange(1, 7)[:, np.newaxis] * pitch / 12
    norm = np.sqrt(np.sum(weights**2))
    # Magnitudes of noise of variance 1 in a Hann window, and the bands' weight per bin.
    noise = 0.5 * np.sqrt(np.pi) * np.sqrt(0.375 * spec.win_length)
    per_band = noise * spec.n_fft / spec.sample_rate
    groups = np.zeros((_GROUPS, spec.n_mels))
    owner = np.arange(spec.n_mels) * _GROUPS // spec.n_mels
    groups[owner, np.arange(spec.n_mels)] = 1.0
    groups /= groups.sum(axis=1, keepdims=True)
    return {
        "hz": hz[:, np.newaxis],
        "width": width[:, np.newaxis],
        "k": _k_weight(hz)[:, np.newaxis],
        "calibration": np.asarray(1.0 / (per_band**2 * spec.sample_rate / 2)),
        "is_low": ((hz >= _LOW_HZ) & (hz < _SPLIT_HZ))[:, np.newaxis] * 1.0,
        "is_mid": ((hz >= _SPLIT_HZ) & (hz < _MID_HZ))[:, np.newaxis] * 1.0,
        "tiv": np.concatenate(
            [
                np.ones((1, len(hz))),
                weights[:, np.newaxis] * np.cos(angles) / norm,
                weights[:, np.newaxis] * np.sin(angles) / norm,
            ]
        )
        * tonal,
        "groups": groups,
        "short": _hann(_SHORT_S, spec.frame_rate),
        "long": _hann(_LONG_S, spec.frame_rate),
        "fluctuation": _hann(_FLUCTUATION_S, spec.frame_rate),
        "pulse": _hann(_PULSE_S, spec.frame_rate),
        "onset": _hann(_LAG_S, spec.frame_rate),
    }


def _k_weight(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power response of the K-weighting's analogue shelf (+4 dB, 1682 Hz) and high-pass (38 Hz)."""
    s = 1j * hz / 1681.97
    high, q = 10 ** (4.0 / 20), 0.7071752
    shelf = (high * s**2 + high**0.4996667 * s / q + 1) / (s**2 + s / q + 1)
    low = 1j * hz / 38.135
    passed = low**2 / (low**2 + low / 0.5003270 + 1)
    return np.asarray(np.abs(shelf * passed) ** 2)
