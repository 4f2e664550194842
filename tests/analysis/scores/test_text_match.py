"""A tiny CLAP of the real classes: its figures are random, its arithmetic is not."""

import numpy as np
import pytest
import torch
from tiny_clap import tiny_clap

from milonga.analysis.scores.text_match import OTHERS, ClapListener, TextMatch
from milonga.audio import Clip
from milonga.errors import Cancelled, ComparisonError
from milonga.runtime.progress import Progress


@pytest.fixture(scope="module")
def parts():
    return tiny_clap()


@pytest.fixture(scope="module")
def clap(parts):
    return ClapListener(*parts)


def sound(seconds, rate=48_000, seed=0):
    return Clip(0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate)), rate)


def test_a_window_is_what_the_library_says_of_it(parts, clap):
    model, tokenizer, extractor = parts
    clip = sound(3)
    inputs = extractor(clip.mono, sampling_rate=48_000, return_tensors="pt")
    texts = tokenizer([OTHERS[0]], return_tensors="pt")
    with torch.no_grad():
        found = model(
            input_ids=texts["input_ids"], attention_mask=texts["attention_mask"],
            input_features=inputs["input_features"], is_longer=torch.zeros(1, 1, dtype=torch.bool),
        )  # fmt: skip
    theirs = float(found.logits_per_audio[0, 0] / model.logit_scale_a.detach().exp())
    ours = float(clap.of_texts([OTHERS[0]])[0] @ clap.of_sound(clip))
    # Float32 over two layers.
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_a_long_recording_is_the_mean_of_its_windows(clap):
    first, second = sound(10, seed=1), sound(10, seed=2)
    both = Clip(np.concatenate([first.samples, second.samples], axis=1), 48_000)
    mean = clap.of_sound(first) + clap.of_sound(second)
    np.testing.assert_allclose(clap.of_sound(both), mean / np.linalg.norm(mean), atol=1e-6)
    np.testing.assert_array_equal(clap.of_sound(both), clap.of_sound(both))


def test_a_match_is_a_rank_with_its_yardsticks(clap):
    found = clap.match(sound(2), "tango, bandoneón and violin")
    assert found.among == len(OTHERS)
    assert 1 <= found.rank <= found.among
    near = clap.of_texts(OTHERS) @ clap.of_sound(sound(2))
    own = near[OTHERS.index("tango, bandoneón and violin")]
    assert found.rank == 1 + np.count_nonzero(near > own + 1e-9)
    assert found.cosine == pytest.approx(own, abs=1e-6)


def test_verdicts_are_never_kinder_than_the_yardsticks():
    def verdict(rank, noise):
        return TextMatch("x", 0.3, rank, 20, 0.1, noise, -0.2).verdict

    assert "than to 19 other descriptions" in verdict(1, 0.1)
    assert "says nothing" in verdict(1, 0.3)
    assert "doesn't hear" in verdict(9, 0.1)
    assert verdict(3, 0.1) == "2 of 19 other descriptions are nearer."


def test_nothing_and_cancel(clap):
    with pytest.raises(ComparisonError, match="empty"):
        clap.of_sound(Clip(np.zeros((1, 0)), 48_000))
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        clap.of_sound(sound(11), progress)
