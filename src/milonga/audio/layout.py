"""Loudspeaker layouts: the place of each channel, its weight in the loudness and in a downmix.

Channels stand in the order of WAVE (FL FR FC LFE BL BR FLC FRC BC SL SR ...), in which FLAC has
them, too; Ogg has an order of its own. A WAVE_FORMAT_EXTENSIBLE header names its channels. Where
a file names none, the layouts of FLAC are assumed (RFC 9639, 9.1.3), which Vorbis and Opus share:
3.0, quadraphonic, 5.0, 5.1, 6.1, 7.1. More than eight channels without names have no layout: they
count alike.

References:
    ITU-R BS.1770-5, Annex 1, table 3, and Annex 3: the LFE isn't counted, sources at 60 to 120
    degrees count 1.5 dB more. Back channels are surrounds where there are no side channels.
    ITU-R BS.775-4, Annex 4, table 2: centre and surrounds go into stereo 3 dB lower. One back
    channel is shared by both sides, 3 dB lower again. The LFE is left out.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = TypeVar("Floats", NDArray[np.float32], NDArray[np.float64])
Layout = tuple[str, ...]
"""The place of each channel; a channel without a known one is ``""``."""

ORDER: Layout = (
    *("FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC"),
    *("TFL", "TFC", "TFR", "TBL", "TBC", "TBR"),
)
"""By the bits of a WAVE channel mask."""

_USUAL: dict[int, Layout] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}

_OGG: dict[int, Layout] = {
    3: ("FL", "FC", "FR"),
    5: ("FL", "FC", "FR", "BL", "BR"),
    6: ("FL", "FC", "FR", "BL", "BR", "LFE"),
    7: ("FL", "FC", "FR", "SL", "SR", "BC", "LFE"),
    8: ("FL", "FC", "FR", "SL", "SR", "BL", "BR", "LFE"),
}
"""Vorbis I, 4.3.9, and Opus (RFC 7845, 5.1.1.2)."""

_MINUS_3_DB = math.sqrt(0.5)
_SURROUND = 1.41
"""+1.5 dB of energy, as BS.1770 writes it."""


def usual_layout(channels: int) -> Layout:
    """Return the layout that is assumed where a file names none."""
    return _USUAL.get(channels, ("",) * channels)


def ogg_layout(channels: int) -> Layout:
    """Return the order in which Ogg files have the channels of the usual layout."""
    return _OGG.get(channels, usual_layout(channels))


def wave_order(layout: Layout) -> list[int]:
    """Find where in a layout the channels stand that WAVE has first, second and so on."""
    known = [ORDER.index(place) if place else 0 for place in layout]
    return sorted(range(len(layout)), key=known.__getitem__)


def to_mono(samples: Floats, layout: Layout) -> Floats:
    """Mix ``[channels, time]`` to ``[time]``: the mean of left and right."""
    stereo = samples if len(samples) <= 2 else stereo_gains(layout) @ samples
    mono: Floats = stereo.mean(axis=0, dtype=samples.dtype)
    return mono


def loudness_weights(layout: Layout) -> NDArray[np.float64]:
    """Return how much the energy of each channel counts in the loudness, ``[channels]``."""
    beside = {"SL", "SR"} if {"SL", "SR"} & set(layout) else {"BL", "BR"}
    weights = [0.0 if place == "LFE" else _SURROUND if place in beside else 1.0 for place in layout]
    return np.array(weights)


def stereo_gains(layout: Layout) -> NDArray[np.float32]:
    """Return the gain of each channel in left and right, ``[2, channels]``."""
    gains = np.zeros((2, len(layout)), dtype=np.float32)
    for index, place in enumerate(layout):
        if place == "LFE":
            continue
        if place in ("FL", "FR"):
            gain = 1.0
        elif place == "BC":
            gain = 0.5
        else:
            # More than eight channels that nobody named: their mean.
            gain = _MINUS_3_DB if place else 1 / len(layout)
        # FL, BL, FLC, SL, TFL: left; FC, TC, no name: both.
        left, right = "L" in place, "R" in place
        gains[0, index] = gain * (left or not right)
        gains[1, index] = gain * (right or not left)
    return gains
