"""The metre of a recording whose beat is known: what comes again after two, three or four beats.

What begins in the bass, and the changes of harmony, come again with the bar; in 6/8 a beat falls
into thirds rather than halves (Gouyon, Herrera, "Determination of the meter of musical audio
signals", AES 114, 2003).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.pairs.sketch import HOP_S, ONSET_S

_LEAST_BARS = 3
_CLEAR, _CLEAR_PARTS = 0.15, 0.03
_BASS, _BASS_COUNTS = 4, 3.0
"""Groups of bands that are bass, and how much their likeness counts beside that of the harmony,
which is told from chance by more: set by the guide's takes in five metres."""
_STRAY = 0.01


@dataclass(frozen=True, slots=True)
class HeardMetre:
    """How beats are grouped and parted.

    Attributes:
        triple: bars of three beats (True) or of two and four; None where neither is clear.
        compound: beats of three parts (True) or of two; None where neither is clear.
        bars: how much more likely three are than two or four, in likeness.
        parts: how much more likely thirds are than halves.
    """

    triple: bool | None
    compound: bool | None
    bars: float
    parts: float

    @property
    def name(self) -> str:
        """In words; empty where nothing is clear."""
        group = {True: "bars of three", False: "bars of two or four", None: ""}[self.triple]
        part = {True: "beats in thirds", False: "beats in halves", None: ""}[self.compound]
        return ", ".join(filter(None, (group, part)))


def metre_at(
    onsets: NDArray[np.floating],
    chroma: NDArray[np.floating],
    beat_s: float,
    *,
    onset_s: float = ONSET_S,
    chroma_s: float = HOP_S,
) -> HeardMetre:
    """Find how beats are grouped and parted.

    Args:
        onsets: what begins in each group of bands, the lowest first, ``[steps, groups]``.
        chroma: strength of the pitch classes, ``[frames, 12]``.
        beat_s: seconds of a beat.
        onset_s: seconds of a step.
        chroma_s: seconds of a frame.
    """
    if len(onsets) * onset_s < _LEAST_BARS * 4 * beat_s:
        return HeardMetre(None, None, 0.0, 0.0)
    rises = np.sqrt(np.maximum(onsets, 0.0))
    parts_of = _Lags(_likeness(rises), beat_s / onset_s)
    bass = _Lags(_likeness(rises[:, :_BASS]), beat_s / onset_s)
    changes = _changes(chroma, max(1, round(beat_s / chroma_s)))
    harmony = _Lags(_likeness(changes[:, np.newaxis]), beat_s / chroma_s)
    bars = _BASS_COUNTS * _three(bass) + _three(harmony)
    thirds = (parts_of.at(1 / 3) + parts_of.at(2 / 3)) / 2
    halves = max(parts_of.at(1 / 2), (parts_of.at(1 / 4) + parts_of.at(3 / 4)) / 2)
    parts = thirds - halves
    return HeardMetre(
        None if abs(bars) < _CLEAR else bars > 0,
        None if abs(parts) < _CLEAR_PARTS else parts > 0,
        bars,
        parts,
    )


@dataclass(frozen=True, slots=True)
class _Lags:
    """A curve of likeness that is read in beats."""

    curve: NDArray[np.float64]
    steps: float

    def at(self, beats: float) -> float:
        lag = beats * self.steps
        reach = max(1.0, _STRAY * lag)
        first, last = int(lag - reach), int(lag + reach) + 2
        return float(self.curve[first:last].max()) if last <= len(self.curve) else 0.0


def _three(lags: _Lags) -> float:
    """How much more likely bars of three beats are than those of two or four."""
    four = (lags.at(4) + max(lags.at(2), lags.at(8))) / 2
    return (lags.at(3) + lags.at(6)) / 2 - four


def _changes(chroma: NDArray[np.floating], beat: int) -> NDArray[np.float64]:
    """How much the notes of the beat after each frame differ from those before, ``[frames]``."""
    count = len(chroma)
    total = np.cumsum(np.pad(chroma.astype(np.float64), ((1, 0), (0, 0))), axis=0)
    at = np.arange(count)
    after = total[np.minimum(at + beat, count)] - total[at]
    before = total[at] - total[np.maximum(at - beat, 0)]
    sizes = np.linalg.norm(after, axis=1) * np.linalg.norm(before, axis=1)
    found = 1 - np.einsum("ij,ij->i", after, before) / np.maximum(sizes, 1e-9)
    # Silence doesn't change; the ends have but one side.
    found[sizes < 1e-6] = 0.0
    inner = found[beat:-beat]
    found[:beat] = found[len(found) - beat :] = inner.mean() if len(inner) else 0.0
    return np.asarray(found)


def _likeness(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Correlate a sequence with itself at each lag, 1 for identity, ``[steps // 2]``."""
    rows = np.asarray(rows, dtype=np.float64)
    rows = rows - rows.mean(axis=0)
    size = 1 << (2 * len(rows) - 1).bit_length()
    spectra = np.fft.rfft(rows, size, axis=0)
    raw = np.fft.irfft((spectra.real**2 + spectra.imag**2).sum(axis=1), size)[: len(rows) // 2]
    overlap = 1 - np.arange(len(raw)) / len(rows)
    return np.asarray(raw / max(float(raw[0]) if len(raw) else 0.0, 1e-12) / overlap)
