"""Against the discriminators of NVIDIA's package, with the same weights."""

import sys
import types
import warnings

import pytest
import torch

from milonga.vocoders.training.discriminators import (
    PERIODS,
    Critics,
    PeriodCritic,
    SpectrogramCritic,
)
from milonga.vocoders.training.distances import RESOLUTIONS

WIDTH = 0.125


@pytest.fixture(scope="module")
def reference():
    """Its module asks for torchaudio, for other discriminators than these."""
    absent = {}
    for name in ("torchaudio", "torchaudio.transforms"):
        if name not in sys.modules:
            absent[name] = sys.modules[name] = types.ModuleType(name)
    transforms = sys.modules["torchaudio.transforms"]
    for name in ("Spectrogram", "Resample"):
        if not hasattr(transforms, name):
            setattr(transforms, name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bigvgan import discriminators
    yield discriminators
    for name in absent:
        del sys.modules[name]


@pytest.fixture(scope="module")
def settings():
    from bigvgan.env import AttrDict

    return AttrDict(discriminator_channel_mult=WIDTH, use_spectral_norm=False)


@pytest.fixture(scope="module")
def wave():
    return 0.3 * torch.randn(2, 1, 4099, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("period", PERIODS)
def test_by_period(reference, settings, wave, period):
    theirs = _made(lambda: reference.DiscriminatorP(settings, period))
    ours = PeriodCritic(period, WIDTH)
    _same(ours, theirs, wave)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_by_spectrogram(reference, settings, wave, resolution):
    theirs = _made(lambda: reference.DiscriminatorR(settings, list(resolution)))
    ours = SpectrogramCritic(resolution, WIDTH)
    # The package windows with a rectangle, the papers with a Hann window.
    assert 0 <= float(ours.window.min()) < float(ours.window.max()) == 1
    ours.window.fill_(1.0)
    _same(ours, theirs, wave)


def test_as_many_parameters_as_published():
    # HiFi-GAN's paper gives no number; its code has 41.1 million in five periods.
    count = sum(p.numel() for p in Critics(1.0).by_period.parameters())
    assert 41.0e6 < count < 41.2e6


def test_the_shortest_sound_that_the_losses_take():
    verdicts = Critics(WIDTH)(torch.zeros(1, 1, 1025))
    assert len(verdicts) == len(PERIODS) + len(RESOLUTIONS)
    assert all(torch.isfinite(verdict.score).all() for verdict in verdicts)


def _made(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def _same(ours, theirs, wave):
    names = {"weight_g": "parametrizations.weight.original0"}
    names["weight_v"] = "parametrizations.weight.original1"
    weights = {}
    for name, value in theirs.state_dict().items():
        stem, _, last = name.rpartition(".")
        weights[f"{stem}.{names.get(last, last)}"] = value
    ours.load_state_dict(weights)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score, features = theirs(wave)
        verdict = ours(wave)
    assert verdict.score.shape == score.shape
    assert [f.shape for f in verdict.features] == [f.shape for f in features]
    # Single precision, the same operations.
    torch.testing.assert_close(verdict.score, score, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(list(verdict.features), features, rtol=1e-4, atol=1e-5)
