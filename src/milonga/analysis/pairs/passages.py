"""Passages that two recordings share: what a take took over from its baseline, note for note.

Each second or two of one recording is held against each of the other, at the same speed and
pitch. Only what changes counts: a held chord resembles every other one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.filters import product
from milonga.analysis.pairs.ground import View, view
from milonga.analysis.pairs.sketch import HOP_S, Sketch
from milonga.analysis.spectra import quantile

Floats = NDArray[np.float32]

LEAST_S = 2.5
"""Shorter passages resemble each other by chance."""

_WINDOW = round(LEAST_S / HOP_S)
_AROUND = round(1.0 / HOP_S)
_LIVELY = 0.25
"""Windows with less change than this share of the usual are no passage."""

_BLOCK = 512
_EXTENDS = 0.6


@dataclass(frozen=True, slots=True)
class Passage:
    """The most alike passages of two recordings.

    Attributes:
        at_s: where it begins in the candidate.
        from_s: where it begins in the baseline.
        seconds: how long the two stay alike.
        similarity: correlation of what changes, over the best 2.5 s of it.
    """

    at_s: float
    from_s: float
    seconds: float
    similarity: float


def shared_passage(baseline: Sketch, candidate: Sketch) -> Passage | None:
    """Find the most alike passages of two recordings; None where one is too short or too still."""
    groups = min(baseline.groups, candidate.groups)
    first, second = (_changes(view(one, groups)) for one in (baseline, candidate))
    if min(len(first), len(second)) <= _WINDOW:
        return None
    energies = [_energy(part) for part in (first, second)]
    lively = [energy > _LIVELY * max(float(quantile(energy, 0.5)), 1e-6) for energy in energies]
    scales = [
        np.where(alive, 1 / np.sqrt(np.maximum(energy, 1e-9)), 0).astype(np.float32)
        for alive, energy in zip(lively, energies, strict=True)
    ]
    best, place = 0.0, (0, 0)
    for at in range(0, len(scales[1]), _BLOCK):
        rows = second[at : at + _BLOCK + _WINDOW - 1]
        alike = _diagonals(product(rows, first.T.copy()))
        alike *= scales[1][at : at + len(alike), np.newaxis]
        alike *= scales[0]
        found = int(np.argmax(alike))
        row, column = divmod(found, alike.shape[1])
        if alike[row, column] > best:
            best, place = float(alike[row, column]), (at + row, column)
    if best <= 0:
        return None
    start, stop = _extent(first, second, place)
    shift = place[1] - place[0]
    return Passage(start * HOP_S, (start + shift) * HOP_S, (stop - start) * HOP_S, best)


def _changes(seen: View) -> Floats:
    """Take from each band its mean over the two seconds around, ``[frames, bands]``.

    The level of a frame doesn't count either: beats and rests fall together by chance.
    """
    spectrum = seen.spectrum - seen.spectrum.mean(axis=1, keepdims=True)
    width = 2 * _AROUND + 1
    padded = np.pad(spectrum, ((_AROUND + 1, _AROUND), (0, 0)), mode="edge")
    total = np.cumsum(padded, axis=0, dtype=np.float64)
    moved = spectrum - (total[width:] - total[:-width]) / width
    # Half a frame between the two grids must not matter.
    moved[1:-1] = 0.25 * moved[:-2] + 0.5 * moved[1:-1] + 0.25 * moved[2:]
    return np.asarray(moved, dtype=np.float32)


def _energy(part: Floats) -> NDArray[np.float64]:
    each = np.einsum("ij,ij->i", part, part, dtype=np.float64)
    total = np.concatenate(([0.0], np.cumsum(each)))
    return total[_WINDOW:] - total[:-_WINDOW]


def _diagonals(products: Floats) -> Floats:
    """Sum each run of ``_WINDOW`` products along a diagonal."""
    rows, columns = products.shape[0] - _WINDOW + 1, products.shape[1] - _WINDOW + 1
    out, size, done = None, 1, 0
    # Runs of twice the length from two runs, as the binary digits of the window say.
    run = products
    while size <= _WINDOW:
        if _WINDOW & size:
            part = run[done : done + rows, done : done + columns]
            out = part.copy() if out is None else out + part
            done += size
        run = run[:-size, :-size] + run[size:, size:] if 2 * size <= _WINDOW else run
        size *= 2
    assert out is not None
    return out


def _extent(first: Floats, second: Floats, place: tuple[int, int]) -> tuple[int, int]:
    """Follow the diagonal from the best window on, as long as a second stays alike."""
    shift = place[1] - place[0]
    begin, end = max(0, -shift), min(len(second), len(first) - shift)
    one, other = second[begin:end], first[begin + shift : end + shift]
    width = np.ones(_AROUND)
    sums = [
        np.convolve(np.einsum("ij,ij->i", a, b, dtype=np.float64), width, "same")
        for a, b in ((one, other), (one, one), (other, other))
    ]
    alike = sums[0] / np.maximum(np.sqrt(sums[1] * sums[2]), 1e-9) >= _EXTENDS
    start, stop = place[0] - begin, place[0] - begin + _WINDOW
    while start > 0 and alike[start - 1]:
        start -= 1
    while stop < len(alike) and alike[stop]:
        stop += 1
    return begin + start, begin + stop
