"""audiobox-aesthetics at tiny size: its figures are random, its arithmetic is its authors'."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_aesthetics import golden, numbers, windows

from milonga.analysis.scores.aesthetics import FIGURES, Aesthetics, AestheticsListener
from milonga.analysis.scores.wavlm_heads import RATE, WavLMHeads
from milonga.audio import Clip
from milonga.errors import Cancelled, ComparisonError, WeightsError
from milonga.runtime.progress import Progress


@pytest.fixture(scope="module")
def parts():
    found = golden()
    tensors = {name: torch.from_numpy(array) for name, array in numbers(found["shapes"]).items()}
    return tensors, found["config"]


@pytest.fixture(scope="module")
def listener(parts):
    return AestheticsListener(WavLMHeads(*parts))


def sound(seconds, rate=RATE, seed=0):
    return Clip(0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate)), rate)


def test_the_network_says_what_its_authors_program_says(parts):
    found = golden()
    network = WavLMHeads(*parts)
    for number, (wave, length) in enumerate(
        zip(windows(found["lengths"]), found["lengths"], strict=True)
    ):
        ours = network(torch.from_numpy(wave), length)
        theirs = {axis: scores[number] for axis, scores in found["scores"].items()}
        # Float32 through nine layers, at figures of 5 to 15.
        assert ours == pytest.approx(theirs, abs=2e-5)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 25 * RATE))
def test_windows_cover_a_recording_and_are_weighed_by_their_length(listener, samples):
    clip = sound(samples / RATE)
    rows, lengths = listener.windows(clip)
    assert len(rows) == len(lengths) == -(-clip.n_samples // (10 * RATE))
    assert lengths.sum() == pytest.approx(clip.n_samples / RATE)
    assert np.isfinite(rows).all()


def test_ratings_come_with_yardsticks(listener):
    clip = sound(12, 24_000, seed=3)
    rated = listener.rate(clip)
    rows, lengths = listener.windows(clip)
    assert list(rated.figures) == list(FIGURES)
    np.testing.assert_allclose(list(rated.figures.values()), lengths @ rows / lengths.sum())
    assert rated.opening == rated.figures
    assert rated.spoilt != rated.figures
    assert rated.to_dict()["verdict"] == rated.verdict
    louder = listener.rate(clip.scaled(0.5))
    assert louder.silence == rated.silence


def figures(value):
    return dict.fromkeys(FIGURES, value)


@pytest.mark.parametrize(
    ("noise", "spoilt", "says"),
    [
        (2.0, 5.0, "1.0 less in quality"),
        (6.0, 5.0, "Noise or silence gets as much in enjoyment, usefulness, quality"),
        (2.0, 6.0, "Without anything above 1 kHz it gets as much"),
    ],
)
def test_a_verdict_is_never_kinder_than_the_yardsticks(noise, spoilt, says):
    own = figures(6.0)
    rated = Aesthetics(own, figures(noise), figures(1.0), own, figures(spoilt))
    assert says in rated.verdict


def test_what_is_no_such_checkpoint_is_refused(parts):
    tensors, config = parts
    for lacking in ("layer_weights.CU", "wavlm_model.encoder.layer_norm.weight"):
        with pytest.raises(WeightsError, match="whole checkpoint"):
            WavLMHeads({k: v for k, v in tensors.items() if k != lacking}, config)
    headless = {k: v for k, v in tensors.items() if not k.startswith("proj_layer.PC")}
    with pytest.raises(WeightsError, match=r"proj_layer\.PC"):
        WavLMHeads(headless, config)
    with pytest.raises(WeightsError, match="target_transform"):
        WavLMHeads(tensors, {})
    with pytest.raises(WeightsError, match="one layer alone"):
        WavLMHeads(tensors, config | {"use_weighted_layer_sum": False})


def test_nothing_and_cancel(listener):
    with pytest.raises(ComparisonError, match="empty"):
        listener.rate(Clip(np.zeros((1, 0)), RATE))
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        listener.rate(sound(1), progress)
