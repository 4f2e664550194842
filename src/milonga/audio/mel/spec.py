"""``MelSpec``, every number that defines a mel-spectrogram, and the analysis it stands for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from milonga.audio.clip import Clip, check_rate
from milonga.audio.mel.filters import Scale, filter_bank
from milonga.errors import AudioError, UnknownNameError

Floats = NDArray[np.float32]

_BLOCK_FRAMES = 256
_LARGEST_BANK = 1 << 26
"""Bands times length of the transform; the largest that is in use has 2^19."""
_LARGEST = 1e100


@dataclass(frozen=True, slots=True, kw_only=True)
class MelSpec:
    """All numbers that define a mel-spectrogram; two mels agree only if all of them do.

    Attributes:
        sample_rate: samples per second.
        n_fft: length of the transform, samples.
        win_length: length of the periodic Hann window, centred in the transform, samples.
        hop: samples from one frame to the next.
        n_mels: bands.
        f_min: lower corner of the first band, Hz.
        f_max: upper corner of the last band, Hz.
        scale: where the bands lie.
        norm: "slaney" for triangles of area 1 in Hz, None for height 1.
        power: 1 for magnitudes, 2 for energies; applied before the bands are summed.
        padding: "same" mirrors ``(n_fft - hop) / 2`` samples a side and gives
            ``samples // hop`` frames; "centre" puts frame ``t`` around sample ``t * hop`` and
            gives ``samples // hop + 1``.
        pad_mode: what is beyond the ends: their mirror image, or zeros.
        epsilon: added to the energy of a bin before the root (power 1 only).
        compression: what is taken of a band's sum ``m``: "log" is ``ln(max(m, floor))``,
            "log10" the same to base 10, "log1p" ``ln(1 + m)``, "none" the sum itself.
        floor: the least sum that "log" and "log10" see.

    Raises:
        AudioError: a number is impossible, alone or with the others.
    """

    sample_rate: int
    n_fft: int
    win_length: int
    hop: int
    n_mels: int
    f_min: float
    f_max: float
    scale: Scale = "slaney"
    norm: Literal["slaney"] | None = "slaney"
    power: Literal[1, 2] = 1
    padding: Literal["same", "centre"] = "same"
    pad_mode: Literal["reflect", "constant"] = "reflect"
    epsilon: float = 0.0
    compression: Literal["log", "log10", "log1p", "none"] = "log"
    floor: float = 1e-5

    def __post_init__(self) -> None:
        check_rate(self.sample_rate)
        problem = _problem(self)
        if problem:
            raise AudioError(f"There is no such mel-spectrogram: {problem}.")

    @classmethod
    def preset(cls, name: str) -> MelSpec:
        """Return a named convention.

        Raises:
            UnknownNameError: lists the names there are.

        Examples:
            >>> import milonga
            >>> milonga.MelSpec.preset("librosa-default").n_mels
            128
        """
        if name not in PRESETS:
            raise UnknownNameError("mel preset", name, PRESETS)
        return PRESETS[name]

    @classmethod
    def from_bigvgan_config(cls, config: Mapping[str, Any]) -> MelSpec:
        """Make the spec that a BigVGAN ``config.json`` was trained on.

        Raises:
            AudioError: an entry is missing or impossible.
        """
        try:
            rate = int(config["sampling_rate"])
            f_max = config.get("fmax")
            return cls(
                sample_rate=rate,
                n_fft=int(config["n_fft"]),
                win_length=int(config["win_size"]),
                hop=int(config["hop_size"]),
                n_mels=int(config["num_mels"]),
                f_min=float(config["fmin"]),
                f_max=rate / 2 if f_max is None else float(f_max),
                epsilon=1e-9,
            )
        except KeyError as error:
            raise AudioError(f"The vocoder's config has no entry {error.args[0]!r}.") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise AudioError(f"The vocoder's config is damaged: {error}.") from None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MelSpec:
        """Make a spec from the fields of ``to_dict``.

        Raises:
            AudioError: a field is missing, unknown or impossible.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        wrong = sorted(names ^ set(values))
        if wrong:
            raise AudioError(f"Missing or unknown fields of a mel spec: {', '.join(wrong)[:200]}.")
        try:
            return cls(**values)
        except TypeError as error:
            raise AudioError(f"A field of the mel spec has the wrong type: {error}.") from None

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return dataclasses.asdict(self)

    def differences(self, other: MelSpec) -> tuple[str, ...]:
        """Name the fields in which two specs differ.

        Examples:
            >>> import milonga
            >>> librosa = milonga.MelSpec.preset("librosa-default")
            >>> librosa.differences(milonga.MelSpec.preset("tacotron-22k-80band"))[:3]
            ('n_fft', 'win_length', 'hop')
        """
        mine, theirs = self.to_dict(), other.to_dict()
        return tuple(name for name in mine if mine[name] != theirs[name])

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop

    def frames(self, samples: int) -> int:
        """Count the frames that ``samples`` samples give."""
        return samples // self.hop + (self.padding == "centre")

    def filters(self) -> NDArray[np.float64]:
        """The filter bank, ``[n_mels, n_fft // 2 + 1]``."""
        return _filters(self)

    def compress(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn band sums into the values that this spec stores."""
        if self.compression == "none":
            return sums
        if self.compression == "log1p":
            return np.asarray(np.log1p(sums))
        logarithm = np.log if self.compression == "log" else np.log10
        return np.asarray(logarithm(np.maximum(sums, self.floor)))

    def expand(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Invert ``compress``, never negative; the floor stays where it was cut."""
        wide = np.asarray(values, dtype=np.float64)
        if self.compression == "log1p":
            wide = np.expm1(wide)
        elif self.compression == "log":
            wide = np.exp(wide)
        elif self.compression == "log10":
            wide = np.asarray(10.0**wide)
        return np.maximum(wide, 0.0)

    def analyse(self, clip: Clip) -> Floats:
        """Compute the mel-spectrogram of a clip.

        Args:
            clip: any channels, at this spec's rate.

        Returns:
            ``[channels, n_mels, frames]``, ``frames`` as ``frames(clip.n_samples)`` says.

        Raises:
            AudioError: the clip has another rate.

        Examples:
            >>> import numpy as np
            >>> import milonga
            >>> spec = milonga.MelSpec.preset("bigvgan-v2-44khz-128band-512x")
            >>> spec.analyse(milonga.Clip(np.zeros((2, 44100)), 44100)).shape
            (2, 128, 86)
        """
        if clip.sample_rate != self.sample_rate:
            raise AudioError(
                f"The clip has {clip.sample_rate} Hz, "
                f"the mel-spectrogram needs {self.sample_rate} Hz.",
                step="Resample it first.",
            )
        count = self.frames(clip.n_samples)
        mel = np.empty((clip.channels, self.n_mels, count), dtype=np.float32)
        for channel, row in enumerate(clip.samples):
            for at in range(0, count, _BLOCK_FRAMES):
                spectrum = stft(self, row, at, min(_BLOCK_FRAMES, count - at))
                mel[channel, :, at : at + _BLOCK_FRAMES] = self.from_spectrum(spectrum)
        return mel

    def from_spectrum(self, spectrum: NDArray[np.complex128]) -> Floats:
        """Compute mel values ``[n_mels, frames]`` of a complex spectrum ``[frames, bins]``."""
        energy = spectrum.real**2 + spectrum.imag**2
        bins = energy if self.power == 2 else np.sqrt(energy + self.epsilon)
        return self.compress(self.filters() @ bins.T).astype(np.float32)


def stft(spec: MelSpec, row: Floats, first: int, count: int) -> NDArray[np.complex128]:
    """Transform frames ``first`` to ``first + count`` of one channel, ``[count, bins]``.

    Double precision: a quiet band beside a loud one would drown in float32 rounding.
    """
    pad = spec.n_fft // 2 if spec.padding == "centre" else (spec.n_fft - spec.hop) // 2
    start = first * spec.hop - pad
    stop = start + (count - 1) * spec.hop + spec.n_fft
    piece = _with_ends(row, start, stop, spec.pad_mode).astype(np.float64)
    frames = sliding_window_view(piece, spec.n_fft)[:: spec.hop]
    return np.fft.rfft(frames * window(spec), axis=-1)


@lru_cache(maxsize=16)
def window(spec: MelSpec) -> NDArray[np.float64]:
    """The periodic Hann window, zero-padded on both sides to ``n_fft``."""
    length = spec.win_length
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    left = (spec.n_fft - length) // 2
    return np.pad(hann, (left, spec.n_fft - length - left))


def _with_ends(row: Floats, start: int, stop: int, mode: str) -> Floats:
    """``row[start:stop]`` where both may lie beyond the ends."""
    length = len(row)
    inside = row[max(start, 0) : max(min(stop, length), 0)]
    if start >= 0 and stop <= length:
        return inside
    if mode == "constant" or length < 2:
        index = np.arange(start, stop)
        kept = (index >= 0) & (index < length)
        padded = np.zeros(stop - start, dtype=np.float32)
        padded[kept] = inside
        return padded
    # A mirror repeats with the period 2 (length - 1), which also serves very short clips.
    index = np.abs(np.arange(start, stop)) % (2 * length - 2)
    return row[np.where(index < length, index, 2 * length - 2 - index)]


@lru_cache(maxsize=16)
def _filters(spec: MelSpec) -> NDArray[np.float64]:
    bank = filter_bank(
        sample_rate=spec.sample_rate,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        f_min=spec.f_min,
        f_max=spec.f_max,
        scale=spec.scale,
        norm=spec.norm,
    )
    # Oracles hold their banks in single precision; the rounding is part of the convention.
    bank = bank.astype(np.float32).astype(np.float64)
    bank.flags.writeable = False
    return bank


def _problem(spec: MelSpec) -> str | None:
    for name in ("n_fft", "win_length", "hop", "n_mels"):
        value = getattr(spec, name)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            return f"{name} is {str(value)[:20]!r}, which is no whole number"
    for name in ("f_min", "f_max", "epsilon", "floor"):
        value = getattr(spec, name)
        if not isinstance(value, (int, float, np.floating)) or not -_LARGEST < value < _LARGEST:
            return f"{name} is {str(value)[:20]!r}, which is no number of that kind"
    if not 2 <= spec.n_fft <= 1 << 20:
        return f"n_fft is {spec.n_fft}"
    if not 1 <= spec.win_length <= spec.n_fft:
        return f"win_length is {spec.win_length}, n_fft {spec.n_fft}"
    if not 1 <= spec.hop <= spec.n_fft:
        return f"hop is {spec.hop}, n_fft {spec.n_fft}"
    if not 1 <= spec.n_mels * spec.n_fft <= _LARGEST_BANK:
        return f"n_mels is {spec.n_mels}, n_fft {spec.n_fft}"
    if not 0 <= spec.f_min < spec.f_max <= spec.sample_rate / 2:
        return f"bands from {spec.f_min} to {spec.f_max} Hz at {spec.sample_rate} Hz"
    if spec.floor <= 0 or spec.epsilon < 0:
        return f"floor is {spec.floor}, epsilon {spec.epsilon}"
    chosen = {
        "scale": (spec.scale, ("slaney", "htk")),
        "norm": (spec.norm, ("slaney", None)),
        "power": (spec.power, (1, 2)),
        "padding": (spec.padding, ("same", "centre")),
        "pad_mode": (spec.pad_mode, ("reflect", "constant")),
        "compression": (spec.compression, ("log", "log10", "log1p", "none")),
    }
    for name, (value, known) in chosen.items():
        if value not in known:
            return f"{name} is {value!r}"
    return None


def _bigvgan(rate: int, bands: int, n_fft: int, hop: int, f_max: float | None = None) -> MelSpec:
    return MelSpec(
        sample_rate=rate,
        n_fft=n_fft,
        win_length=n_fft,
        hop=hop,
        n_mels=bands,
        f_min=0.0,
        f_max=f_max or rate / 2,
        epsilon=1e-9,
    )


PRESETS: dict[str, MelSpec] = {
    "bigvgan-v2-44khz-128band-512x": _bigvgan(44_100, 128, 2048, 512),
    "bigvgan-v2-44khz-128band-256x": _bigvgan(44_100, 128, 1024, 256),
    "bigvgan-v2-24khz-100band-256x": _bigvgan(24_000, 100, 1024, 256),
    "bigvgan-v2-22khz-80band-256x": _bigvgan(22_050, 80, 1024, 256),
    "bigvgan-v2-22khz-80band-fmax8k-256x": _bigvgan(22_050, 80, 1024, 256, 8_000.0),
    "torchaudio-htk-48k": MelSpec(
        sample_rate=48_000,
        n_fft=2048,
        win_length=2048,
        hop=512,
        n_mels=128,
        f_min=0.0,
        f_max=24_000.0,
        scale="htk",
        norm=None,
        power=2,
        padding="centre",
        compression="log1p",
    ),
    "librosa-default": MelSpec(
        sample_rate=22_050,
        n_fft=2048,
        win_length=2048,
        hop=512,
        n_mels=128,
        f_min=0.0,
        f_max=11_025.0,
        power=2,
        padding="centre",
        pad_mode="constant",
        compression="none",
    ),
    "tacotron-22k-80band": MelSpec(
        sample_rate=22_050,
        n_fft=1024,
        win_length=1024,
        hop=256,
        n_mels=80,
        f_min=0.0,
        f_max=8_000.0,
        padding="centre",
    ),
}
"""Conventions by name."""
