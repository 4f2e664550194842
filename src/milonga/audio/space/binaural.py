"""Binaural rendering: one or two sources around a head, for headphones.

Directions are those of SOFA (AES69) and of BS.2051: azimuth in degrees counter-clockwise as
seen from above, 0 in front, 90 at the left ear; elevation from -90 (below) to 90 (above).

``SphericalHead`` needs no data. A rigid sphere tells left from right by time and level, as far
away sources do; it has no pinnae, no torso and no room. So front and back sound alike, a raised
source only moves towards the middle, and distance is not rendered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from milonga.audio.clip import Clip
from milonga.audio.space.convolution import convolved
from milonga.errors import AudioError

HEAD_RADIUS_M = 0.0875
SOUND_SPEED_M_S = 343.0
TRAVEL_S = HEAD_RADIUS_M / SOUND_SPEED_M_S
"""Time that sound takes along the radius: 255 microseconds."""

_LEAST, _DARKEST_DEG = 0.1, 150.0
"""Brown and Duda's alpha_min and theta_min: the shadow is deepest at 150 degrees, since
behind it the waves that come around the sphere meet again."""

_SINC_REACH = 32
_KAISER_BETA = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class HeadResponse:
    """Impulse responses of both ears to one direction.

    Attributes:
        taps: ``[2, taps]``: left, right.
        before: taps before the moment when the sound would pass the head's centre.
    """

    taps: NDArray[np.float64]
    before: int


class Head(Protocol):
    """A head: the sound of each direction at both ears."""

    def response(self, azimuth: float, elevation: float, sample_rate: int) -> HeadResponse:
        """Return the responses to a far source in a direction (degrees), at a rate in Hz."""
        ...


def ear_delay_s(incidence: float) -> float:
    """Compute the arrival at an ear against that at the head's centre, in seconds.

    Woodworth's rays around a sphere, from infinitely far (Woodworth, "Experimental
    Psychology", 1938; valid above some 2 kHz: Kuhn, J. Acoust. Soc. Am. 62, 1977).

    Args:
        incidence: angle between the directions of the source and of the ear, 0 to pi.
    """
    if incidence < math.pi / 2:
        return -TRAVEL_S * math.cos(incidence)
    return TRAVEL_S * (incidence - math.pi / 2)


class SphericalHead:
    """A rigid sphere of radius 8.75 cm, an ear at either end of its diameter.

    Woodworth's delay and the head shadow of one pole and one zero of Brown and Duda ("A
    structural model for binaural sound synthesis", IEEE Trans. Speech and Audio Processing 6,
    1998). The shadow's own phase adds at low frequencies what the rays leave out there. Against
    the exact sphere (Duda and Martens, J. Acoust. Soc. Am. 104, 1998) an ear's level is within
    3 dB up to 1 kHz; above, the far ear is darker, by up to 10 dB at 8 kHz, for the model has
    no bright spot. Human heads, which are no spheres, lie between.
    """

    def response(self, azimuth: float, elevation: float, sample_rate: int) -> HeadResponse:
        # The cosine of the angle to the left ear.
        side = math.sin(math.radians(azimuth)) * math.cos(math.radians(elevation))
        angle = math.acos(min(1.0, max(-1.0, side)))
        before = _SINC_REACH + math.ceil(TRAVEL_S * sample_rate)
        # The shadow's impulse response has fallen by 120 dB after 2 ms.
        length = before + math.ceil((2 * TRAVEL_S + 0.002) * sample_rate) + _SINC_REACH
        taps = [
            self._ear(incidence, sample_rate, before, length)
            for incidence in (angle, np.pi - angle)
        ]
        return HeadResponse(np.stack(taps), before)

    def _ear(
        self, incidence: float, sample_rate: int, before: int, length: int
    ) -> NDArray[np.float64]:
        delayed = fractional_impulse(before + ear_delay_s(incidence) * sample_rate, length)
        return _shadowed(delayed, incidence, sample_rate)


def fractional_impulse(at: float, length: int) -> NDArray[np.float64]:
    """Make a unit impulse between samples: a sinc in a Kaiser window of 64 samples, ``[length]``.

    Flat and exact in phase up to 0.9 of half the rate (Laakso, Valimaki, Karjalainen and Laine,
    "Splitting the unit delay", IEEE Signal Processing Magazine 13, 1996).
    """
    distance = np.arange(length) - at
    inside = np.abs(distance) < _SINC_REACH
    window = np.zeros(length)
    window[inside] = np.i0(_KAISER_BETA * np.sqrt(1 - (distance[inside] / _SINC_REACH) ** 2))
    return np.asarray(np.sinc(distance) * window / np.i0(_KAISER_BETA))


def _shadowed(taps: NDArray[np.float64], incidence: float, sample_rate: int) -> NDArray[np.float64]:
    """Apply Brown and Duda's equations 3 to 5, by the bilinear transform."""
    from scipy.signal import lfilter

    turn = incidence / math.radians(_DARKEST_DEG) * math.pi
    alpha = (1 + _LEAST / 2) + (1 - _LEAST / 2) * math.cos(turn)
    corner, double = 2 / TRAVEL_S, 2.0 * sample_rate
    zeros = [corner + alpha * double, corner - alpha * double]
    return np.asarray(lfilter(zeros, [corner + double, corner - double], taps))


def binaural(
    clip: Clip,
    head: Head,
    *,
    azimuth: float = 0.0,
    elevation: float = 0.0,
    spread: float = 60.0,
) -> Clip:
    """Render both ears' signals, as long as the clip.

    Time 0 is when sound passes the head's centre.

    Args:
        clip: ``[1, time]``, a source at ``azimuth``; ``[2, time]``, two loudspeakers, left and
            right of it by half the ``spread``, each 3 dB down so that the level stays.
        azimuth: degrees, 0 in front, 90 at the left, -90 or 270 at the right.
        elevation: degrees, -90 to 90.
        spread: degrees between the two loudspeakers, 0 to 180.

    Raises:
        AudioError: more than two channels, or an angle out of range.
    """
    check_angles(azimuth, elevation, spread)
    if clip.channels > 2:
        raise AudioError(f"Binaural sound is made from one or two channels, not {clip.channels}.")
    angles = [azimuth] if clip.channels == 1 else [azimuth + spread / 2, azimuth - spread / 2]
    ears = np.zeros((2, clip.n_samples), dtype=np.float32)
    for channel, angle in zip(clip.samples, angles, strict=True):
        response = head.response(angle, elevation, clip.sample_rate)
        for ear, taps in enumerate(response.taps / math.sqrt(clip.channels)):
            ears[ear] += convolved(channel, taps, response.before)
    return Clip(ears, clip.sample_rate, copy=False)


def check_angles(azimuth: float, elevation: float, spread: float) -> None:
    """Raise an AudioError unless the angles are in range."""
    for name, value, low, high in (
        ("azimuth", azimuth, -360, 360),
        ("elevation", elevation, -90, 90),
        ("spread", spread, 0, 180),
    ):
        if not low <= value <= high:
            raise AudioError(f"The {name} is {value:g} degrees, not between {low} and {high}.")
