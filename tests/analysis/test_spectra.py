import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.analysis.spectra import (
    chroma_picture,
    frame_count,
    magnitudes,
    mel_picture,
    picture_hertz,
)
from milonga.audio import Clip


@settings(max_examples=30, deadline=None)
@given(length=st.integers(1, 200_000))
def test_magnitudes_are_librosa_s(length):
    import librosa

    signal = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    got = np.concatenate(list(magnitudes(signal)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a frame longer than the signal
        wanted = np.abs(librosa.stft(signal)).T
    assert got.shape == (frame_count(length), 1025)
    # Both transform in double precision and round to single: one unit in the last place.
    np.testing.assert_allclose(got, wanted, rtol=3e-7, atol=1e-6)


def sine(hertz, rate, level=1.0, seconds=2.0):
    t = np.arange(round(seconds * rate)) / rate
    return Clip((level * np.sin(2 * np.pi * hertz * t)).astype(np.float32), rate)


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("band", [5, 40, 70])
def test_a_full_scale_sine_is_0_db_in_its_band(rate, band):
    picture = mel_picture(sine(picture_hertz()[band], rate))
    middle = picture[:, 20:80].mean(axis=1)
    assert np.nanargmax(middle) == band
    # Low bands are a few bins wide, so the window's skirts fall to their neighbours.
    assert middle[band] == pytest.approx(0, abs=2.0)


def test_the_picture_s_scale_is_the_same_at_every_rate():
    pictures = {rate: mel_picture(sine(440, rate)) for rate in (8_000, 22_050, 44_100)}
    assert {picture.shape[0] for picture in pictures.values()} == {96}
    columns = [picture.shape[1] for picture in pictures.values()]
    assert max(columns) - min(columns) <= 1
    for rate, picture in pictures.items():
        assert (np.isnan(picture).all(axis=1) == (picture_hertz() > rate / 2)).all()
        assert np.nanmin(picture) >= -120.01


def test_half_the_level_is_6_db_less():
    loud, soft = mel_picture(sine(1000, 44_100)), mel_picture(sine(1000, 44_100, level=0.5))
    assert np.nanmax(loud) - np.nanmax(soft) == pytest.approx(6.02, abs=0.01)


def test_a_long_clip_s_picture_is_bounded(rng):
    clip = Clip(rng.standard_normal(100 * 8_000).astype(np.float32), 8_000)
    assert mel_picture(clip).shape == (96, 2501)
    assert chroma_picture(clip).shape == (12, 2501)
    long = Clip(np.tile(clip.mono, 4), 8_000)
    assert mel_picture(long).shape[1] <= 4096


@pytest.mark.parametrize(("hertz", "row"), [(261.63, 0), (440.0, 9), (415.3, 8), (880.0, 9)])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_note_lights_its_row(hertz, row, rate):
    picture = chroma_picture(sine(hertz, rate))
    assert picture.min() >= 0
    assert picture.max() == pytest.approx(1)
    # The outer columns hold the onset.
    assert (picture[:, 8:-8].argmax(axis=0) == row).all()


def test_silent_columns_are_black():
    half = sine(440, 44_100).samples
    clip = Clip(np.concatenate([half, np.zeros_like(half)], axis=1), 44_100)
    picture = chroma_picture(clip)
    assert picture[:, 120:].max() == 0
    assert chroma_picture(Clip(np.zeros(4410, dtype=np.float32), 44_100)).max() == 0


@pytest.mark.parametrize("frames", [1, 100, 2048])
def test_very_short_clips_have_pictures(frames, rng):
    clip = Clip(rng.standard_normal(frames).astype(np.float32), 44_100)
    assert np.isfinite(mel_picture(clip)).all()
    assert np.isfinite(chroma_picture(clip)).all()
