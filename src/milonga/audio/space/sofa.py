"""A listener's own head: SOFA files (AES69) of the convention SimpleFreeFieldHRIR.

The file is read with h5py and is not trusted: only plain arrays within it, of the shapes that
the convention gives, small enough, finite.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import check_rate
from milonga.audio.space.binaural import HeadResponse, fractional_impulse
from milonga.errors import AudioError, needs_extra
from milonga.runtime.memory import raise_if_short

if TYPE_CHECKING:
    import h5py

CONVENTION = "SimpleFreeFieldHRIR"
_MOST_DIRECTIONS, _MOST_TAPS = 100_000, 65_536
_MOST_VALUES = 1 << 28
_MOST_BYTES = 4 << 30
_QUIETEST, _LOUDEST = 1e-12, 1e12
_MARGIN = 64
"""Samples kept before the response: resampling rings a little ahead."""

_STEP = "Use a file of the convention SimpleFreeFieldHRIR (see docs/export.md)."


@dataclass(frozen=True, slots=True, eq=False)
class SofaHead:
    """Measured responses, used at the nearest direction there is.

    All are scaled by one gain, so that white noise keeps its level in the mean of all
    directions and ears.

    Attributes:
        path: the file.
        sha256: of the file.
        sample_rate: of the measurement, Hz.
        directions: unit vectors ``[m, 3]``: front, left, up.
        taps: ``[m, 2, n]``: left, right.
        delays: ``[m, 2]``, samples before the first tap.
    """

    path: Path
    sha256: str
    sample_rate: int
    directions: NDArray[np.float64]
    taps: NDArray[np.float64]
    delays: NDArray[np.float64]

    def nearest(self, azimuth: float, elevation: float) -> tuple[int, float]:
        """Find the index of the nearest direction measured, and its distance in degrees."""
        wanted = _vectors(np.array([[azimuth, elevation]]))[0]
        cosines = self.directions @ wanted
        index = int(np.argmax(cosines))
        # By the chord: the arc cosine is blind near 0.
        chord = float(np.linalg.norm(self.directions[index] - wanted))
        return index, math.degrees(2 * math.asin(min(1.0, chord / 2)))

    def response(self, azimuth: float, elevation: float, sample_rate: int) -> HeadResponse:
        import soxr

        index, _ = self.nearest(azimuth, elevation)
        length = self.taps.shape[2] + math.ceil(self.delays[index].max()) + 2 * _MARGIN
        ears = np.zeros((2, length + _MARGIN))
        for ear, (taps, delay) in enumerate(zip(self.taps[index], self.delays[index], strict=True)):
            shift = fractional_impulse(_MARGIN + float(delay), length + 1 - len(taps))
            ears[ear, :length] = np.convolve(shift, taps)
        if sample_rate == self.sample_rate:
            return HeadResponse(ears, _MARGIN)
        # The sum over taps, not their height, has to stay.
        ratio = sample_rate / self.sample_rate
        ears = soxr.resample(ears.T, self.sample_rate, sample_rate, quality="VHQ").T / ratio
        # A whole number of samples at the new rate: the rest is moved into the taps.
        exact = _MARGIN * ratio
        before = math.ceil(exact)
        shift = fractional_impulse(32 + before - exact, 65)
        ears = np.stack([np.convolve(shift, taps) for taps in ears])
        return HeadResponse(ears, before + 32)


def read_sofa(path: str | os.PathLike[str]) -> SofaHead:
    """Read a head from a SOFA file.

    Raises:
        AudioError: missing, damaged, of another convention, or with values that can't be.
        MissingExtraError: h5py isn't installed.
    """
    path = Path(path)
    with needs_extra("A SOFA file", "sofa"):
        import h5py
    try:
        with open(path, "rb") as handle:
            if os.fstat(handle.fileno()).st_size > _MOST_BYTES:
                raise AudioError("It is larger than 4 GB.", where=path, step=_STEP)
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        # Read-only, and without a lock that a read-only disk can't give.
        with h5py.File(path, "r", locking=False) as file:
            return _head(path, digest, _Sofa(path, file))
    except AudioError:
        raise
    except OSError as error:
        raise_if_short(error)
        if error.errno:
            reason = error.strerror or os.strerror(error.errno)
            raise AudioError(f"The SOFA file can't be read: {reason}.", where=path) from None
        raise AudioError("It is not an HDF5 file, or is damaged.", where=path, step=_STEP) from None
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise_if_short(error)
        # What h5py raises where the file's own structure is broken.
        raise AudioError(f"The SOFA file is damaged ({error}).", where=path, step=_STEP) from None


class _Sofa:
    """The checked view of an open file."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self._path, self._file = path, file

    def refused(self, message: str) -> AudioError:
        return AudioError(message, where=self._path, step=_STEP)

    def text(self, name: str, of: str | None = None, default: str = "") -> str:
        value: Any = (self._dataset(of) if of else self._file).attrs.get(name, default)
        if isinstance(value, np.ndarray):
            value = value.flat[0] if value.size else default
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def has(self, name: str) -> bool:
        return name in self._file

    def _dataset(self, name: str) -> h5py.Dataset:
        import h5py

        # A link may name another file of this machine, and so may a dataset's storage.
        if not isinstance(self._file.get(name, getlink=True), h5py.HardLink):
            raise self.refused(f"It has no {name} of its own.")
        found = self._file[name]
        if not isinstance(found, h5py.Dataset) or found.external or found.is_virtual:
            raise self.refused(f"Its {name} is not an array within the file.")
        return found

    def array(self, name: str) -> NDArray[np.float64]:
        found = self._dataset(name)
        if found.dtype.kind not in "fiu":
            raise self.refused(f"Its {name} holds no real numbers, but {found.dtype}.")
        if found.size is None or not 0 < found.size <= _MOST_VALUES:
            raise self.refused(f"Its {name} has the shape {found.shape}.")
        values = np.asarray(found[()], dtype=np.float64)
        if not np.isfinite(values).all():
            raise self.refused(f"Its {name} holds NaN or infinite values.")
        return values


def _head(path: Path, digest: str, sofa: _Sofa) -> SofaHead:
    if sofa.text("Conventions") != "SOFA":
        raise sofa.refused("It is not a SOFA file.")
    if (convention := sofa.text("SOFAConventions")) != CONVENTION:
        raise sofa.refused(f"Its convention is {convention!r}, not {CONVENTION}.")
    if (kind := sofa.text("DataType")) != "FIR":
        raise sofa.refused(f"Its data are {kind!r}, not impulse responses (FIR).")
    taps = sofa.array("Data.IR")
    if taps.ndim != 3 or taps.shape[1] != 2 or taps.shape[0] > _MOST_DIRECTIONS:
        raise sofa.refused(f"Its Data.IR has the shape {taps.shape}, not [directions, 2, taps].")
    if taps.shape[2] > _MOST_TAPS:
        raise sofa.refused(f"Its responses have {taps.shape[2]:,} taps: too long for a head.")
    delays = np.zeros((1, 2))
    if sofa.has("Data.Delay"):
        delays = sofa.array("Data.Delay")
    if delays.ndim != 2 or delays.shape[0] not in (1, len(taps)) or delays.shape[1] != 2:
        raise sofa.refused(f"Its Data.Delay has the shape {delays.shape}.")
    if delays.min() < 0 or delays.max() > _MOST_TAPS:
        raise sofa.refused("Its Data.Delay goes below 0 or is too long for a head.")
    peak = float(np.abs(taps).max())
    if not _QUIETEST < peak < _LOUDEST:
        raise sofa.refused(f"Its responses peak at {peak:g}: silent, or too large to be any.")
    energy = float(np.mean(np.sum(taps**2, axis=2)))
    if _right_ear_first(sofa):
        taps, delays = taps[:, ::-1], delays[:, ::-1]
    return SofaHead(
        path=path,
        sha256=digest,
        sample_rate=_rate(sofa),
        directions=_directions(sofa, len(taps)),
        taps=taps / math.sqrt(energy),
        delays=np.broadcast_to(delays, (len(taps), 2)),
    )


def _rate(sofa: _Sofa) -> int:
    rates = sofa.array("Data.SamplingRate")
    # The convention writes one rate, and allows one for each direction.
    rate = float(rates.flat[0])
    if (rates != rate).any() or rate != round(rate):
        raise sofa.refused("Its Data.SamplingRate is not one whole number.")
    if sofa.text("Units", "Data.SamplingRate", "hertz").lower() not in ("hertz", "hz"):
        raise sofa.refused("Its Data.SamplingRate is not in hertz.")
    try:
        check_rate(round(rate))
    except AudioError as error:
        raise sofa.refused(error.message) from None
    return round(rate)


def _directions(sofa: _Sofa, count: int) -> NDArray[np.float64]:
    positions = sofa.array("SourcePosition")
    if positions.shape not in ((count, 3), (1, 3)):
        raise sofa.refused(f"Its SourcePosition has the shape {positions.shape}.")
    if sofa.has("ListenerView") and not np.allclose(_view(sofa), (1, 0, 0), atol=1e-6):
        raise sofa.refused("Its listener does not look straight ahead (ListenerView).")
    kind = sofa.text("Type", "SourcePosition", "spherical")
    if kind == "cartesian":
        lengths = np.linalg.norm(positions, axis=1, keepdims=True)
        if not ((lengths > 0) & np.isfinite(lengths)).all():
            raise sofa.refused("A SourcePosition lies in the head's centre.")
        vectors = positions / lengths
    elif kind == "spherical":
        if "rad" in sofa.text("Units", "SourcePosition").lower():
            raise sofa.refused("Its SourcePosition is not in degrees.")
        if np.abs(positions[:, 1]).max() > 90.001 or np.abs(positions[:, 0]).max() > 360.001:
            raise sofa.refused("Its SourcePosition has angles beyond 360 and 90 degrees.")
        vectors = _vectors(positions)
    else:
        raise sofa.refused(f"Its SourcePosition is {kind!r}, not spherical or cartesian.")
    return np.broadcast_to(vectors, (count, 3))


def _view(sofa: _Sofa) -> NDArray[np.float64]:
    """The direction in which the listener looks, cartesian and of length 1, ``[m, 3]``."""
    view = np.atleast_2d(sofa.array("ListenerView"))
    if view.ndim != 2 or view.shape[1] != 3:
        raise sofa.refused(f"Its ListenerView has the shape {view.shape}.")
    if sofa.text("Type", "ListenerView", "cartesian") == "spherical":
        return _vectors(view)
    return np.asarray(view / np.maximum(np.linalg.norm(view, axis=1, keepdims=True), 1e-12))


def _right_ear_first(sofa: _Sofa) -> bool:
    """Tell whether the right ear comes first; by the convention it is the left one."""
    if not sofa.has("ReceiverPosition"):
        return False
    positions = sofa.array("ReceiverPosition")
    if positions.ndim < 2 or positions.shape[:2] != (2, 3):
        raise sofa.refused(f"Its ReceiverPosition has the shape {positions.shape}.")
    first, second = positions.reshape(2, 3, -1)[:, :, 0]
    if sofa.text("Type", "ReceiverPosition", "cartesian") == "spherical":
        first, second = _vectors(np.stack([first, second]))
    return bool(first[1] < second[1])


def _vectors(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert azimuth and elevation in degrees, ``[m, 2 or more]``, to unit vectors ``[m, 3]``."""
    azimuth, elevation = np.radians(angles[:, 0]), np.radians(angles[:, 1])
    level = np.cos(elevation)
    vectors = [level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)]
    return np.stack(vectors, axis=1)
