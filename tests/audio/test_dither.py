import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from milonga.audio import Clip, read, write
from milonga.audio.dither import holds, quantised

RATE, BITS = 48_000, 16
STEP = 2.0**-15


def sine(level, hertz=1000.0, seconds=20):
    return (level * np.sin(2 * np.pi * hertz * np.arange(seconds * RATE) / RATE)).astype(np.float32)


def dithered(wave, seed=1):
    out = quantised(wave[:, np.newaxis], BITS, np.random.default_rng(seed))[:, 0]
    return out * STEP


def spectrum(wave):
    """Power per bin of 10 Hz, the mean of some 400 windows: random within 0.22 dB."""
    return welch(wave, RATE, nperseg=4800, window="blackmanharris", detrend=False)[1]


@pytest.mark.parametrize("level", [0.0, 1e-5, 0.01, 0.7])
def test_the_error_is_white_and_as_strong_as_theory_says(level):
    wave = sine(level)
    error = (dithered(wave) - wave) / STEP
    # 1/12 from rounding and 1/6 from two uniform draws, in steps squared.
    assert error.var() == pytest.approx(0.25, rel=0.01)
    assert abs(error.mean()) < 0.005
    power = spectrum(error)[4:-4]
    bands = power[: len(power) // 24 * 24].reshape(24, -1).mean(axis=1)
    # 100 bins a band: 0.03 dB at one sigma.
    assert np.abs(10 * np.log10(bands / bands.mean())).max() < 0.15
    lags = [np.mean(error[lag:] * error[: len(error) - lag]) / 0.25 for lag in (1, 2, 3, 24, 48)]
    # One sigma of a million samples is 0.001.
    assert np.abs(lags).max() < 0.005


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5, 0.9])
def test_the_noise_does_not_follow_the_signal(offset):
    wave = np.full(400_000, offset * STEP, dtype=np.float32)
    error = (dithered(wave) - wave) / STEP
    assert error.mean() == pytest.approx(0.0, abs=0.005)
    # One sigma: sqrt(2 / 400,000) = 0.2 %.
    assert error.var() == pytest.approx(0.25, rel=0.01)


def test_a_quiet_sine_keeps_its_level_and_gets_no_harmonics():
    wave = sine(0.8 * STEP)
    plain = np.rint(wave / STEP) * STEP
    harmonics = 100 * np.arange(3, 23, 2)
    floor = np.ones(len(spectrum(wave)), dtype=bool)
    for bin_ in 100 * np.arange(24):
        floor[max(0, bin_ - 6) : bin_ + 7] = False

    without, with_dither = spectrum(plain), spectrum(dithered(wave))
    # A rounded sine is nearly a square wave: its third harmonic stands 10 dB under the sine.
    assert 10 * np.log10(without[300] / without[100]) > -15
    above = 10 * np.log10(with_dither[harmonics] / np.median(with_dither[floor]))
    assert above.max() < 1.0
    assert with_dither[100] == pytest.approx(spectrum(wave)[100], rel=0.02)


def test_what_rounding_loses_dither_keeps():
    wave = sine(0.4 * STEP)
    assert not np.rint(wave / STEP).any()
    kept = dithered(wave)
    assert spectrum(kept)[100] == pytest.approx(spectrum(wave)[100], rel=0.05)


@settings(max_examples=30, deadline=None)
@given(
    frames=st.integers(1, 3000),
    channels=st.integers(1, 3),
    cut=st.integers(0, 3000),
    bits=st.sampled_from([16, 24]),
)
def test_blocks_equal_the_whole(frames, channels, cut, bits):
    samples = np.random.default_rng(0).uniform(-1.2, 1.2, (frames, channels)).astype(np.float32)
    whole = quantised(samples, bits, np.random.default_rng(5))
    generator = np.random.default_rng(5)
    parts = [quantised(part, bits, generator) for part in (samples[:cut], samples[cut:])]
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_without_dither_what_a_file_held_is_written_again_bit_by_bit(tmp_path, bits, suffix):
    steps = np.random.default_rng(2).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (2, 3000))
    clip = Clip((steps / 2.0 ** (bits - 1)).astype(np.float32), 44_100)
    assert holds(clip.samples, bits)
    assert not holds(clip.samples[:, :100] * np.float32(0.3), bits)
    write(tmp_path / f"x{suffix}", clip, subtype=f"PCM_{bits}")
    assert np.array_equal(read(tmp_path / f"x{suffix}").samples, clip.samples)


def test_other_bits_are_refused():
    with pytest.raises(ValueError, match="not 32"):
        quantised(np.zeros((1, 1), np.float32), 32, np.random.default_rng(0))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize("bits", [16, 24])
def test_files_hold_the_very_integers(tmp_path, suffix, bits):
    clip = Clip(np.random.default_rng(3).uniform(-1, 1, (2, 70_000)), 44_100)
    path = tmp_path / f"x{suffix}"
    write(path, clip, subtype=f"PCM_{bits}", dither=np.random.default_rng(8))
    kind = "int16" if bits == 16 else "int32"
    held = soundfile.read(path, dtype=kind)[0]
    assert np.array_equal(held, quantised(clip.samples.T, bits, np.random.default_rng(8)))
    # At most half a step of rounding and one of dither.
    assert np.abs(read(path).samples - clip.samples).max() < 1.51 * 2.0 ** (1 - bits)


def test_the_same_seed_writes_the_same_file_and_float_stays_as_it_is(tmp_path):
    clip = Clip(np.random.default_rng(3).uniform(-1, 1, (2, 1000)), 44_100)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(tmp_path / f"{name}.flac", clip, subtype="PCM_16", dither=np.random.default_rng(seed))
    a, b, c = ((tmp_path / f"{name}.flac").read_bytes() for name in "abc")
    assert a == b
    assert a != c
    write(tmp_path / "x.wav", clip, subtype="FLOAT", dither=np.random.default_rng(1))
    assert np.array_equal(read(tmp_path / "x.wav").samples, clip.samples)
