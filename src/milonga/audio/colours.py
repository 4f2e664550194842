"""A colour map with evenly rising lightness, from ink through wine and amber to cream.

The path runs through OKLCh (B. Ottosson, "A perceptual color space for image processing", 2020):
lightness is linear in the value, hue and chroma follow a few anchors. Reading a level off a
picture then works in print and for colour-blind eyes, where lightness is all there is.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_DARKEST, _LIGHTEST = 0.17, 0.965
_AT = (0.0, 0.25, 0.5, 0.75, 1.0)
_CHROMA = (0.02, 0.11, 0.16, 0.13, 0.035)
_HUE = (330.0, 365.0, 388.0, 425.0, 455.0)
"""Degrees, beyond 360 so that interpolation runs through red."""

_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_LINEAR_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@cache
def palette(levels: int) -> NDArray[np.uint8]:
    """Return ``[levels, 3]`` sRGB colours, dark to light."""
    value = np.linspace(0.0, 1.0, levels)
    lightness = _DARKEST + (_LIGHTEST - _DARKEST) * value
    chroma = np.interp(value, _AT, _CHROMA)
    hue = np.deg2rad(np.interp(value, _AT, _HUE))
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    linear = np.clip((lab @ _TO_LMS.T) ** 3 @ _TO_LINEAR_RGB.T, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: NDArray[np.uint8] = np.round(encoded * 255).astype(np.uint8)
    colours.setflags(write=False)
    return colours
