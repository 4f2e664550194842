"""Glitches in a waveform: clicks, dropouts, and sound that stops changing.

Where each line lies was read from the 164 recordings of sonic-pi and Asterisk: see
``docs/decisions/take-checks.md``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from milonga.analysis.checks.levels import mean_square
from milonga.analysis.checks.runs import runs
from milonga.analysis.filters import mel_bank
from milonga.analysis.spectra import decibels, magnitudes

Floats = NDArray[np.float32]

_BLOCK, _RANK = 64, 8
_STANDS_OUT, _AUDIBLE, _REGULAR = 10.0, 0.02, 0.25
_GAP_S, _BESIDE_S = 0.002, 0.005
_LOUD, _NOTHING = 0.1, 1e-6
_FRAME_S, _APART = 0.04, 4
_BANDS, _HEARD_DB, _RANGE_DB, _STILL_DB = 24, 50.0, 60.0, 0.5


def click_count(mono: Floats) -> int:
    """Count blocks of 64 samples with a jump that stands out from all around it.

    The second difference of a jump is ten times what seven others of its block, and all but
    seven of the blocks beside it, reach: a drum's attack goes on, a click doesn't.
    """
    if len(mono) < 4 * _BLOCK:
        return 0
    bend = np.abs(mono[:-2] - 2 * mono[1:-1] + mono[2:])
    blocks = bend[: len(bend) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    usual = np.partition(blocks, _BLOCK - _RANK, axis=1)[:, _BLOCK - _RANK]
    beside = np.pad(usual, 1, mode="edge")
    around = np.maximum(np.maximum(beside[:-2], usual), beside[2:])
    top = blocks.max(axis=1)
    places = np.flatnonzero((top > _STANDS_OUT * around) & (top > _AUDIBLE))
    gaps = np.diff(places)
    # The pulses of a tone come at one distance, clicks at any.
    if len(gaps) and np.bincount(gaps).max() > _REGULAR * len(gaps):
        return 0
    return len(places)


def gap_lengths(samples: Floats, sample_rate: int) -> NDArray[np.int64]:
    """Measure stretches of digital silence of 2 ms and more that cut into sound at both ends.

    Args:
        samples: ``[channels, time]``.
        sample_rate: samples per second.

    Returns:
        Their lengths in samples, ``[gaps]``.
    """
    level = math.sqrt(float(mean_square(samples).mean()))
    beside = max(1, round(_BESIDE_S * sample_rate))
    nothing = np.ones(samples.shape[1], np.bool_)
    for channel in samples:
        nothing &= channel < _NOTHING
        nothing &= channel > -_NOTHING
    found = runs(nothing)
    found = found[np.diff(found)[:, 0] >= _GAP_S * sample_rate]
    lengths = []
    for start, stop in found.tolist():
        if start < beside or stop + beside > samples.shape[1]:
            continue
        ends = samples[:, start - beside : start], samples[:, stop : stop + beside]
        if min(math.sqrt(float(mean_square(end).mean())) for end in ends) > _LOUD * level:
            lengths.append(stop - start)
    return np.array(lengths, np.int64)


def longest_still(mono: Floats, sample_rate: int) -> tuple[float, float]:
    """Find the longest stretch whose spectrum doesn't change, by less than 0.5 dB in 0.16 s.

    Returns:
        Where it begins and how long it lasts, in seconds.
    """
    size = 1 << max(6, round(np.log2(0.046 * sample_rate)))
    hop = max(1, round(_FRAME_S * sample_rate))
    bank = mel_bank(sample_rate, size, _BANDS, 50.0, sample_rate / 2)
    spectra = [bank(magnitude * magnitude) for magnitude in magnitudes(mono, size, hop)]
    # The outer frames see the cut.
    levels = decibels(np.concatenate(spectra)[2:-2], 1e-12)
    if len(levels) <= _APART:
        return 0.0, 0.0
    top = float(levels.max())
    levels = np.maximum(levels[:, levels.max(axis=0) > top - _HEARD_DB], top - _RANGE_DB)
    change = np.abs(levels[_APART:] - levels[:-_APART]).mean(axis=1)
    # A rest doesn't change, either.
    sounding = levels[_APART:].max(axis=1) > top - _HEARD_DB
    start, stop = max(
        runs((change < _STILL_DB) & sounding).tolist(), key=lambda r: r[1] - r[0], default=(0, 0)
    )
    return (start + 2) * _FRAME_S, (stop - start) * _FRAME_S
