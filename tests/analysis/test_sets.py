from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from milonga import audio
from milonga.analysis.sets import (
    compare_sets,
    compare_vectors,
    frechet_distance,
    kernel_distance,
    mfcc_embedding,
)
from milonga.audio import Clip
from milonga.errors import ComparisonError

SAMPLES = Path("/usr/share/sonic-pi/samples")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_frechet_is_the_formula_with_a_matrix_root(seed, d):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(40, d)) @ rng.normal(size=(d, d)), rng.normal(1, 2, (30, d))
    one, two = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (a, b))
    mean = a.mean(0) - b.mean(0)
    theirs = mean @ mean + np.trace(one + two - 2 * np.real(sqrtm(one @ two)))
    # Roots of covariances that are almost singular lose half the digits.
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-6, abs=1e-5)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-5)


def test_the_kernel_distance_is_right_on_average():
    """Unbiased: over many draws of one distribution the mean is 0 within its standard error."""
    rng = np.random.default_rng(0)
    values = [
        kernel_distance(rng.normal(size=(12, 4)), rng.normal(size=(12, 4))) for _ in range(400)
    ]
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_half_of_a_set_is_not_far_from_the_other_half():
    rng = np.random.default_rng(1)
    inside = {"frechet": 0, "kernel": 0}
    for _ in range(20):
        every = rng.normal(size=(160, 8)) * np.arange(1, 9)
        found = compare_vectors(every[:80], every[80:])
        for name in inside:
            interval = getattr(found, name)
            inside[name] += interval.low <= 0.02 * 8 and interval.high >= 0
    # Of 20 at 95 %: 16 or fewer have a chance under 2 %.
    assert min(inside.values()) >= 17


@pytest.mark.parametrize("name", ["frechet", "kernel"])
def test_the_distance_grows_with_the_shift(name):
    rng = np.random.default_rng(2)
    base, other = rng.normal(size=(80, 6)), rng.normal(size=(80, 6))
    values = [getattr(compare_vectors(other + shift, base), name).value for shift in (0, 0.5, 1, 2)]
    assert values == sorted(values)
    # A shift of 1 deviation in 6 numbers: 6 by the formula, give or take the sampling.
    if name == "frechet":
        assert values[2] == pytest.approx(6, rel=0.35)


def test_small_sets_are_refused_with_the_size_that_would_do():
    rng = np.random.default_rng(3)
    found = compare_vectors(rng.normal(size=(9, 26)), rng.normal(size=(60, 26)))
    assert found.frechet is None
    assert found.kernel is None
    assert found.refused == {
        "kernel": "it takes 10 recordings in each set; there are 9",
        "frechet": "it takes 52 recordings in each set with 26 numbers a recording; there are 9",
    }
    found = compare_vectors(rng.normal(size=(51, 26)), rng.normal(size=(60, 26)))
    assert found.kernel is not None
    assert "there are 51" in found.refused["frechet"]
    assert found.to_dict()["frechet"] is None


def test_formats_do_not_move_a_recording():
    clip = audio.read(SAMPLES / "loop_garzul.flac")
    plain = mfcc_embedding(clip)
    quiet = mfcc_embedding(clip.scaled(0.05))
    high = mfcc_embedding(audio.resample(clip, 96_000))
    # Coefficients run to hundreds; a resampler's edge near 11 kHz moves a band or two.
    assert np.abs(plain - quiet).max() < 0.05
    assert np.abs(plain - high).max() < 1.0
    with pytest.raises(ComparisonError, match="silent recording"):
        mfcc_embedding(Clip(np.zeros(8000), 8000))


def test_drums_are_nearer_to_drums_than_to_pads():
    def pieces(pattern):
        found = [audio.read(path) for path in sorted(SAMPLES.glob(pattern))]
        parts = (clip.between(at, at + 1) for clip in found for at in range(int(clip.seconds)))
        return [part for part in parts if part.peak > 0.05][:40]

    drums, pads = pieces("loop_*.flac"), pieces("ambi_*.flac")
    assert min(len(drums), len(pads)) >= 20
    half = compare_sets(drums[::2], drums[1::2]).kernel
    across = compare_sets(pads, drums[1::2]).kernel
    assert half.value < across.low
