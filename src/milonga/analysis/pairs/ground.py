"""Two recordings on common ground: one band, one layout, one level, one tuning, one course."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import N_MFCC
from milonga.analysis.pairs.pitch import chroma, tuning
from milonga.analysis.pairs.sketch import GROUP, HOP_S, Sketch, edges_hz
from milonga.analysis.spectra import quantile

Floats = NDArray[np.float32]

_SOUNDING_DB = 45.0
"""Frames this far under the loud ones are rests: they have no spectrum of their own."""

_RANGE_DB, _FADE_DB = 60.0, 20.0
_SILENT_DB = -110.0
"""Digital silence, and what rounding leaves of it."""


@dataclass(frozen=True)
class View:
    """A recording as far as the bands that both have go, at one level.

    What is computed from it is kept: a baseline is held against many others.

    Attributes:
        levels: loudness of each frame in dB; the mean energy of the sounding ones is 0.
        spectrum: bands in dB on the same scale, at most 60 dB under the loudest, ``[frames, n]``.
        floor: those 60 dB under the loudest: what lies there isn't heard.
        sounding: whether a frame is no rest.
        onsets: ``[steps]``.
        pitch: ``[frames, 207]``.
    """

    levels: NDArray[np.float64]
    spectrum: Floats
    floor: float
    sounding: NDArray[np.bool_]
    onsets: Floats
    pitch: Floats

    @cached_property
    def sounding_s(self) -> float:
        """Seconds that aren't rests."""
        return float(np.count_nonzero(self.sounding)) * HOP_S

    @cached_property
    def span(self) -> slice:
        """Frames from the first sounding one to the last."""
        at = np.flatnonzero(self.sounding)
        return slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(0, 0)

    @cached_property
    def tuned(self) -> float:
        """Tuning of the sounding frames, in semitones from A440."""
        return tuning(self.pitch[self.sounding])

    @cached_property
    def chroma(self) -> Floats:
        """Chroma in its own tuning, ``[frames, 12]``."""
        return chroma(self.pitch, self.tuned)

    @cached_property
    def classes(self) -> Floats:
        """Chroma from A440, ``[frames, 12]``."""
        return chroma(self.pitch, 0.0)

    @cached_property
    def mean(self) -> Spectrum:
        """The mean spectrum of its span."""
        return mean_spectrum(self, self.span)


def view(sketch: Sketch, groups: int) -> View:
    """Look at a recording through the lowest ``groups`` groups of bands."""
    if groups not in sketch.views:
        sketch.views[groups] = _view(sketch, groups)
    seen: View = sketch.views[groups]
    return seen


def _view(sketch: Sketch, groups: int) -> View:
    count = groups * GROUP
    bands = sketch.bands[:, :count]
    power = 10.0 ** (bands.astype(np.float64) / 10)
    energy = power @ widths_hz(count)
    levels = 10 * np.log10(np.maximum(energy, 1e-20))
    loud = float(quantile(levels, 0.95))
    sounding = (levels > loud - _SOUNDING_DB) & (levels > _SILENT_DB)
    level = 10 * np.log10(energy[sounding].mean()) if sounding.any() else 0.0
    floor = float(bands.max() - level - _RANGE_DB)
    spectrum = np.maximum(bands - np.float32(level), floor)
    frames = len(spectrum)
    pitch = sketch.pitch[:frames]
    if len(pitch) < frames:
        pitch = np.pad(pitch, ((0, frames - len(pitch)), (0, 0)))
    return View(
        levels=levels - level,
        spectrum=spectrum.astype(np.float32),
        floor=floor,
        sounding=sounding,
        onsets=onset_strength(sketch, groups),
        pitch=pitch,
    )


def onset_strength(sketch: Sketch, groups: int | None = None) -> Floats:
    """Average the rises over bands that are heard, ``[steps]``.

    Groups of bands count less the further their loudest moment lies under the loudest of all,
    and not at all from 60 dB on: what rises there is noise.
    """
    groups = groups or sketch.groups
    tops = sketch.bands[:, : groups * GROUP].reshape(len(sketch.bands), groups, GROUP)
    highest = tops.max(axis=(0, 2))
    weights = np.clip((highest - highest.max() + _RANGE_DB) / _FADE_DB, 0, 1)
    weighted = sketch.onsets[:, :groups] @ weights.astype(np.float32)
    return np.asarray(weighted / np.float32(GROUP * weights.sum()))


def widths_hz(count: int) -> NDArray[np.float64]:
    """Return the widths of the first bands in Hz."""
    edges = edges_hz()
    return (edges[2:] - edges[:-2])[:count] / 2


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The mean spectrum of the sounding frames.

    Attributes:
        cepstrum: coefficients 1 to 12 of the mean bands in dB: the tone colour at any level.
        centroid_hz, bandwidth_hz, rolloff_hz: as in ``Features``, of the common band.
    """

    cepstrum: NDArray[np.float64]
    centroid_hz: float
    bandwidth_hz: float
    rolloff_hz: float


def mean_spectrum(seen: View, part: slice | None = None) -> Spectrum:
    """Average over the sounding frames of a part (the whole where None)."""
    part = part or slice(None)
    chosen = seen.spectrum[part][seen.sounding[part]].astype(np.float64)
    count = chosen.shape[1]
    rows = np.arange(1, N_MFCC)[:, np.newaxis]
    cosines = np.cos(np.pi * rows * (np.arange(count) + 0.5) / count) * np.sqrt(2.0 / count)
    widths, centres = widths_hz(count), edges_hz()[1 : count + 1]
    # The floor is no sound: without this its wide high bands would outweigh a dark recording.
    amounts = np.maximum(10.0 ** (chosen / 20) - 10.0 ** (seen.floor / 20), 1e-9) * widths
    total = amounts.sum(axis=1)
    centroid = amounts @ centres / total
    spread = np.maximum(amounts @ centres**2 / total - centroid**2, 0)
    cumulated = np.cumsum(amounts, axis=1) / total[:, np.newaxis]
    tops = edges_hz()[2 : count + 2]
    # The line between the two bands around 85 %.
    after = np.minimum(np.count_nonzero(cumulated < 0.85, axis=1), count - 1)
    frames = np.arange(len(cumulated))
    before = np.maximum(after - 1, 0)
    low, high = cumulated[frames, before], cumulated[frames, after]
    share = np.clip((0.85 - low) / np.maximum(high - low, 1e-12), 0, 1)
    edges = tops[before] + share * (tops[after] - tops[before])
    return Spectrum(
        cosines @ chosen.mean(axis=0),
        float(centroid.mean()),
        float(np.sqrt(spread).mean()),
        float(np.mean(edges)),
    )
