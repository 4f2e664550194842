import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import eval_legendre, spherical_jn, spherical_yn

from milonga.audio import Clip
from milonga.audio.space.binaural import TRAVEL_S, SphericalHead, binaural, fractional_impulse
from milonga.errors import AudioError

RATES = (44_100, 48_000, 96_000)
HEAD = SphericalHead()


def responses(azimuth, rate=48_000, elevation=0.0):
    """Both ears' transfer functions in steps of 1 Hz, ``[2, hertz]``."""
    return np.fft.rfft(HEAD.response(azimuth, elevation, rate).taps, rate, axis=1)


def itd_us(azimuth, hertz, rate=48_000):
    """By how much the right ear is later, from the phases' slope up to ``hertz``."""
    left, right = responses(azimuth, rate)
    phase = np.unwrap(np.angle(left / right))
    return float(1e6 * phase[hertz] / (2 * math.pi * hertz))


def sphere(hertz, incidence):
    """Pressure on a rigid sphere from infinitely far away (Duda and Martens 1998, eq. 3)."""
    ka = 2 * math.pi * hertz * TRAVEL_S
    n = np.arange(int(ka) + 30)
    derivative = spherical_jn(n, ka, True) - 1j * spherical_yn(n, ka, True)
    terms = 1j ** (n + 1) * (2 * n + 1) * eval_legendre(n, math.cos(incidence)) / derivative
    return terms.sum() / ka**2


def decibels(value):
    return 20 * math.log10(abs(value))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("azimuth", [0, 10, 30, 45, 60, 80, 90])
def test_delay_between_the_ears_is_woodworths(azimuth, rate):
    angle = math.radians(azimuth)
    woodworth = 1e6 * TRAVEL_S * (angle + math.sin(angle))
    # At 16 kHz the phases of both shadows are worth up to 6 microseconds.
    assert itd_us(azimuth, 16_000, rate) == pytest.approx(woodworth, abs=6)
    assert itd_us(-azimuth, 16_000, rate) == pytest.approx(-woodworth, abs=6)


@pytest.mark.parametrize("azimuth", [10, 30, 45, 60, 80, 90])
def test_low_frequencies_are_later_as_on_a_sphere(azimuth):
    # Kuhn 1977: 3 a / c sin(azimuth). Brown and Duda's filter has some 14 % more at the side.
    kuhn = 3e6 * TRAVEL_S * math.sin(math.radians(azimuth))
    assert itd_us(azimuth, 100) == pytest.approx(kuhn, rel=0.15)
    assert itd_us(azimuth, 100) > itd_us(azimuth, 3000) > itd_us(azimuth, 16_000)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("azimuth", [-120, -30, 0, 45, 90])
def test_levels_are_the_published_filters(azimuth, rate):
    both = responses(azimuth, rate)
    cosine = math.sin(math.radians(azimuth))
    for ear, side in zip(both, (cosine, -cosine), strict=True):
        alpha = 1.05 + 0.95 * math.cos(1.2 * math.acos(side))
        for hertz in (50, 500, 1000, 2000, 4000, 8000, 16_000):
            pole = 2j * math.pi * hertz * TRAVEL_S / 2
            expected = decibels((1 + alpha * pole) / (1 + pole))
            # The bilinear transform bends the axis of frequency: 0.2 dB at 4 kHz, 1.4 at 16.
            assert decibels(ear[hertz]) == pytest.approx(
                expected, abs=0.2 if hertz <= 4000 else 1.5
            )


def test_levels_against_the_exact_sphere():
    """The level of one ear by Duda and Martens' series; tolerances are what the model misses."""
    for incidence in range(0, 181, 15):
        near = responses(90 - incidence)[0]
        for hertz in (100, 200, 500, 1000):
            exact = decibels(sphere(hertz, math.radians(incidence)))
            assert decibels(near[hertz]) == pytest.approx(exact, abs=3), (incidence, hertz)
        for hertz in (2000, 4000, 8000):
            exact = decibels(sphere(hertz, math.radians(incidence)))
            # The lit side within 3 dB; towards the shadow the model is darker, never brighter.
            low = -3 if incidence <= 60 else -10.5
            assert low < decibels(near[hertz]) - exact < 3, (incidence, hertz)


def test_level_difference_grows_with_frequency_and_azimuth():
    table = [
        [decibels(left[f] / right[f]) for f in (250, 500, 1000, 2000, 4000, 8000)]
        for left, right in (responses(azimuth) for azimuth in (15, 30, 45, 60))
    ]
    assert (np.diff(table, axis=0) > 0).all()
    assert (np.diff(table, axis=1) > 0).all()
    exact = [
        decibels(sphere(500, math.radians(90 - a)) / sphere(500, math.radians(90 + a)))
        for a in (15, 30, 45, 60)
    ]
    assert [row[1] for row in table] == pytest.approx(exact, abs=0.6)


def test_front_and_back_are_alike_and_sides_mirror():
    front, back = HEAD.response(40, 0, 48_000).taps, HEAD.response(140, 0, 48_000).taps
    assert front == pytest.approx(back, abs=1e-9)
    other = HEAD.response(-40, 0, 48_000).taps
    assert front == pytest.approx(other[::-1], abs=1e-9)
    assert HEAD.response(320, 0, 48_000).taps == pytest.approx(other, abs=1e-9)
    above = HEAD.response(90, 90, 48_000).taps
    assert above[0] == pytest.approx(above[1], abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(at=st.floats(40, 100))
def test_fractional_impulse_is_flat_and_exactly_late(at):
    response = np.fft.rfft(fractional_impulse(at, 140), 4800)[:2000]
    turned = response * np.exp(2j * np.pi * np.arange(2000) / 4800 * at)
    # Up to 0.83 of half the rate; 80 dB is what a Kaiser window of beta 8 gives.
    assert np.abs(turned - 1).max() < 1e-4


def test_time_0_is_arrival_at_the_centre():
    clip = Clip(np.eye(1, 1000, 500), 48_000)
    left, right = binaural(clip, HEAD, azimuth=90).samples
    assert np.argmax(np.abs(left)) == pytest.approx(500 - TRAVEL_S * 48_000, abs=1)
    assert np.argmax(np.abs(right)) == pytest.approx(500 + TRAVEL_S * 48_000 * math.pi / 2, abs=3)


def test_stereo_becomes_two_loudspeakers_of_the_same_level():
    generator = np.random.default_rng(4)
    stereo = Clip(0.1 * generator.standard_normal((2, 96_000)), 48_000)
    ears = binaural(stereo, HEAD, spread=60)
    alone = [
        binaural(Clip(channel, 48_000), HEAD, azimuth=angle).samples
        for channel, angle in zip(stereo.samples, (30, -30), strict=True)
    ]
    assert ears.samples == pytest.approx(np.add(*alone) / math.sqrt(2), abs=1e-6)
    turned = binaural(stereo, HEAD, azimuth=10, spread=0)
    summed = Clip(stereo.samples.sum(axis=0) / math.sqrt(2), 48_000)
    assert turned.samples == pytest.approx(binaural(summed, HEAD, azimuth=10).samples, abs=1e-6)
    level = 10 * math.log10(np.mean(ears.samples**2) / np.mean(stereo.samples**2))
    # Noise to both sides: the lit ear gains up to 6 dB above 1.2 kHz, the other loses.
    assert -1 < level < 4


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(0, 3000),
    channels=st.integers(1, 2),
    azimuth=st.floats(-360, 360),
    elevation=st.floats(-90, 90),
    rate=st.sampled_from([8000, *RATES]),
)
def test_any_length_and_direction(frames, channels, azimuth, elevation, rate):
    clip = Clip(np.random.default_rng(1).uniform(-1, 1, (channels, frames)), rate)
    out = binaural(clip, HEAD, azimuth=azimuth, elevation=elevation)
    assert (out.channels, out.n_samples, out.sample_rate) == (2, frames, rate)
    # Twice the pressure at most, from each of two loudspeakers 3 dB down, and the sinc's ripple.
    assert out.peak < 2 * math.sqrt(2) * 1.6


@pytest.mark.parametrize(
    "angles", [{"azimuth": 361}, {"elevation": -91}, {"spread": 181}, {"azimuth": math.nan}]
)
def test_angles_out_of_range(angles):
    with pytest.raises(AudioError, match="degrees, not between"):
        binaural(Clip(np.zeros((1, 10)), 48_000), HEAD, **angles)


def test_more_channels_are_refused():
    with pytest.raises(AudioError, match="not 3"):
        binaural(Clip(np.zeros((3, 10)), 48_000), HEAD)
