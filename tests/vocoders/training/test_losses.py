import warnings

import numpy as np
import pytest
import torch

from milonga.audio.mel.spec import MelSpec
from milonga.vocoders.training.discriminators import Verdict
from milonga.vocoders.training.distances import Distances, Meter, distances
from milonga.vocoders.training.losses import (
    MelLoss,
    adversarial_loss,
    critics_loss,
    feature_loss,
)

SPEC = MelSpec.preset("bigvgan-v2-44khz-128band-512x")


@pytest.fixture(scope="module")
def reference():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bigvgan import loss
    return loss


@pytest.fixture(scope="module")
def verdicts():
    draw = torch.Generator().manual_seed(0)

    def make():
        return [
            Verdict(
                torch.randn(2, n, generator=draw),
                tuple(torch.randn(2, 3, n, generator=draw) for _ in range(3)),
            )
            for n in (7, 11)
        ]

    return make(), make()


def test_adversarial_losses_are_those_of_the_reference(reference, verdicts):
    real, made = verdicts
    scores = [[v.score for v in side] for side in verdicts]
    features = [[list(v.features) for v in side] for side in verdicts]
    # The same sums in single precision.
    close = {"rtol": 1e-6, "atol": 1e-6}
    expected = reference.discriminator_loss(*scores)[0]
    torch.testing.assert_close(critics_loss(real, made), expected, **close)
    torch.testing.assert_close(adversarial_loss(made), reference.generator_loss(scores[1])[0])
    # The reference doubles feature matching within.
    expected = reference.feature_loss(*features) / 2
    torch.testing.assert_close(feature_loss(real, made), expected, **close)


def test_the_mel_loss_is_that_of_the_reference(reference):
    draw = torch.Generator().manual_seed(1)
    made, real = (0.2 * torch.randn(2, 1, 8192, generator=draw) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = reference.MultiScaleMelSpectrogramLoss(44_100)(made, real)
    # Filters rounded to single precision on either side.
    torch.testing.assert_close(MelLoss(44_100)(made, real), expected, rtol=1e-4, atol=0)


def test_the_mel_loss_of_silence_can_be_learnt_from():
    made = torch.zeros(1, 1, 4096, requires_grad=True)
    loss = MelLoss(44_100)(made, 0.1 * torch.randn(1, 1, 4096))
    loss.backward()
    assert torch.isfinite(made.grad).all()


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_distances_of_a_gain_are_known(gain):
    real = (0.1 * np.random.default_rng(0).standard_normal(30_000)).astype(np.float32)
    found = distances(real * np.float32(gain), real, SPEC)
    # White noise is far above the floors everywhere, so that only rounding is left.
    assert found.log_mel == pytest.approx(abs(np.log(gain)), rel=1e-3)
    assert found.stft == pytest.approx(abs(gain - 1) + abs(np.log(gain)), rel=1e-3)


def test_equal_sound_is_at_distance_0_and_both_must_be_better():
    real = (0.1 * np.random.default_rng(0).standard_normal(9_000)).astype(np.float32)
    assert distances(real, real, SPEC) == Distances(log_mel=0.0, stft=0.0)
    assert Distances(log_mel=0.1, stft=1.0).better_than(Distances(log_mel=0.2, stft=1.1))
    assert not Distances(log_mel=0.1, stft=1.2).better_than(Distances(log_mel=0.2, stft=1.1))
    assert not Distances(log_mel=0.2, stft=1.1).better_than(Distances(log_mel=0.2, stft=1.1))


def test_a_clip_of_silence_does_not_rule_the_mean():
    draw = np.random.default_rng(0)
    real = (0.1 * draw.standard_normal(9_000)).astype(np.float32)
    alone, both = Meter(SPEC), Meter(SPEC)
    for meter in (alone, both):
        meter.add(real * np.float32(0.5), real)
    silence = np.zeros(9_000, np.float32)
    both.add(silence + np.float32(1e-3), silence)
    # Offset 1e-3 against floor 1e-5 would alone be a spectral convergence over 100.
    assert both.result().stft < alone.result().stft + 5
