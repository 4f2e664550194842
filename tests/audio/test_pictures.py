import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from milonga.analysis.report.axes import hertz_ticks
from milonga.analysis.spectra import mel_picture, picture_hertz
from milonga.audio import Clip, pictures
from milonga.audio.colours import palette


def decoded(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def lightness(rgb):
    """OKLab's L of sRGB colours, ``[..., 3]`` as 0 to 255 (Ottosson 2020)."""
    value = rgb / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    lms = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.cbrt(lms) @ np.array([0.2104542553, 0.7936177850, -0.0040720468])


def test_lightness_of_the_colours_rises_evenly():
    steps = np.diff(lightness(palette(64).astype(float)))
    # 0.795 over 63 steps; rounding to 8 bits moves a dark colour by up to 0.004.
    assert np.all(np.abs(steps - 0.795 / 63) < 0.008)
    assert np.all(steps > 0)


@given(st.integers(1, 300), st.integers(1, 300))
def test_fitting_keeps_a_constant_and_the_length(have, want):
    picture = np.full((3, have), 0.25, dtype=np.float32)
    fitted = pictures.fit_columns(picture, want)
    assert fitted.shape == (3, want)
    assert np.allclose(fitted, 0.25, atol=1e-6)


@given(st.integers(2, 40), st.integers(1, 12))
def test_fitting_down_averages_and_loses_no_energy_overall(columns, factor):
    rng = np.random.default_rng(columns * 100 + factor)
    picture = rng.random((2, columns * factor), dtype=np.float32)
    fitted = pictures.fit_columns(picture, columns)
    # float32 means of at most 480 values below 1.
    assert np.allclose(fitted.mean(axis=1), picture.mean(axis=1), atol=1e-5)


def test_a_spectrogram_is_loud_where_the_level_is_and_ends_where_the_sound_ends():
    levels = np.full((96, 200), -100.0, dtype=np.float32)
    levels[10, :] = -6.0
    image = decoded(pictures.spectrogram_png(levels, seconds=5.0, span=10.0, top_db=-6.0))
    assert image.shape == (96, pictures.WIDTH, 4)
    assert np.all(image[96 - 1 - 10, : pictures.WIDTH // 2, :3] == palette(64)[-1])
    assert np.all(image[0, : pictures.WIDTH // 2, :3] == palette(64)[0])
    assert np.all(image[:, : pictures.WIDTH // 2, 3] == 255)
    assert np.all(image[:, pictures.WIDTH // 2 :, 3] == 0)


@pytest.mark.parametrize("hertz", [500, 1000, 4000])
def test_a_tone_lies_beside_its_label(hertz):
    clip = Clip(0.5 * np.sin(2 * np.pi * hertz * np.arange(44100) / 44100), 44100)
    image = decoded(pictures.spectrogram_png(mel_picture(clip), 1.0, 1.0, -6.0))
    brightest = int(image[:, 560, :3].sum(axis=1).argmax())
    name = f"{hertz // 1000}k" if hertz >= 1000 else str(hertz)
    (label,) = [tick for tick in hertz_ticks(picture_hertz().tolist()) if tick.text == name]
    # Half a band, and the rounding of the label's place.
    assert abs(brightest + 0.5 - label.at / 100 * len(image)) < 1.01


def test_a_recording_at_8_khz_is_empty_above_4_khz():
    clip = Clip(np.random.default_rng(0).normal(0, 0.1, 8000), 8000)
    image = decoded(pictures.spectrogram_png(mel_picture(clip), 1.0, 1.0, 0.0))
    above = picture_hertz()[::-1] > 4200
    assert np.all(image[above, :, 3] == 0)
    assert np.all(image[picture_hertz()[::-1] < 3800, :, 3] == 255)


def test_bands_beyond_a_sampling_rate_are_transparent():
    levels = np.zeros((8, 10), dtype=np.float32)
    levels[6:] = np.nan
    image = decoded(pictures.spectrogram_png(levels, 1.0, 1.0, 0.0))
    assert np.all(image[:2, :, 3] == 0)
    assert np.all(image[2:, :, 3] == 255)


def test_a_chromagram_has_c_at_the_bottom():
    chroma = np.zeros((12, 5), dtype=np.float32)
    chroma[0] = 1.0
    image = decoded(pictures.chromagram_png(chroma, 1.0, 1.0))
    assert np.all(image[-pictures.CHROMA_ROW :, :, :3] == palette(64)[-1])
    assert np.all(image[: -pictures.CHROMA_ROW, :, :3] == palette(64)[0])


def test_pictures_are_the_same_bytes_each_time():
    levels = np.random.default_rng(3).normal(-40, 20, (96, 700)).astype(np.float32)
    once, again = (pictures.spectrogram_png(levels, 3.0, 4.0, 0.0) for _ in range(2))
    assert once == again


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 3), st.floats(1.0, 4.0))
def test_a_waveform_keeps_every_peak(frames, channels, stretch):
    rng = np.random.default_rng(frames)
    clip = Clip(rng.normal(0, 0.3, (channels, frames)), 8000)
    wave = pictures.wave(clip, clip.seconds * stretch)
    assert len(wave.low) == len(wave.high) == len(wave.rms) <= pictures.WAVE_COLUMNS
    assert wave.peak == clip.peak
    assert wave.high.max() == clip.samples.max()
    assert wave.low.min() == clip.samples.min()
    # Each column's RMS, weighted by its samples, gives that of the whole: float32 sums.
    columns = len(wave.low)
    sizes = np.diff(np.append((np.arange(columns) * frames) // columns, frames))
    whole = np.sqrt(np.sum(wave.rms.astype(float) ** 2 * sizes) / frames)
    assert whole == pytest.approx(np.sqrt(np.mean(clip.samples.astype(float) ** 2)), rel=1e-4)


def test_paths_stay_in_their_box_and_end_with_the_sound():
    clip = Clip(np.sin(np.arange(8000) / 20.0), 8000)
    peak, rms = pictures.wave_paths(pictures.wave(clip, 2.0), 1.0)
    for path in (peak, rms):
        points = [tuple(map(int, p.split())) for p in path.strip("MZ").split("L")]
        assert max(x for x, _ in points) == pictures.WAVE_COLUMNS // 2
        assert min(y for _, y in points) >= 0
        assert max(y for _, y in points) <= 100
    assert pictures.wave_paths(pictures.wave(clip, 1.0), 1.0) != (peak, rms)


def test_silence_is_a_line():
    silent = Clip(np.zeros((2, 4000)), 8000)
    peak, rms = pictures.wave_paths(pictures.wave(silent, 0.5), 1.0)
    assert peak == rms
    assert {p.split()[1] for p in peak.strip("MZ").split("L")} == {"49", "51"}
