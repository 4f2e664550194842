"""The network: shapes, bounded reach, what its architecture may be."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.errors import ModelFileError
from milonga.sounds.controls.reach import Reach
from milonga.sounds.model.architecture import FACTOR, Architecture
from milonga.sounds.model.network import CARRIERS, SoundNet, encoder_reach, reach
from milonga.sounds.training.losses import carriers, changed

TINY = Architecture(latent=6, widths=(12, 12, 16, 16), blocks=(1, 2, 1, 2), hidden=8)


def _net(shape=TINY):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = SoundNet(shape).eval()
        for parameter in net.parameters():
            # Fresh blocks are nearly the identity; here everything should count.
            parameter.data = 0.3 * torch.randn_like(parameter)
    return net


def test_the_default_has_one_to_four_million_parameters():
    count = sum(p.numel() for p in SoundNet(Architecture()).parameters())
    assert 1e6 < count < 4e6


@settings(max_examples=10, deadline=None)
@given(vectors=st.integers(1, 40), batch=st.integers(1, 3))
def test_eight_frames_a_vector(vectors, batch):
    net, frames = _net(), FACTOR * vectors
    with torch.inference_mode():
        mean, spread = net.encode(torch.randn(batch, 128, frames), torch.zeros(batch, 7, frames))
        assert mean.shape == spread.shape == (batch, 6, vectors)
        made = net.decode(mean, torch.zeros(batch, 7, frames), torch.zeros(batch, CARRIERS, frames))
        assert made.shape == (batch, 128, frames)


def test_a_frame_depends_on_no_more_than_the_reach():
    net, vectors = _net(), 64
    latent = torch.randn(1, 6, vectors, requires_grad=True)
    condition = torch.randn(1, 7, FACTOR * vectors, requires_grad=True)
    made = net.decode(latent, condition, torch.randn(1, CARRIERS, FACTOR * vectors))
    made[:, :, 32 * FACTOR : 33 * FACTOR].sum().backward()
    for gradient, unit in ((latent.grad, 1), (condition.grad, FACTOR)):
        used = torch.nonzero(gradient.abs().sum((0, 1)))[:, 0] / unit
        assert 32 - used.min() <= reach(TINY)
        assert used.max() - 32 < reach(TINY) + 1
    mel = torch.randn(1, 128, FACTOR * vectors, requires_grad=True)
    net.encode(mel, torch.zeros(1, 7, FACTOR * vectors))[0][:, :, 32].sum().backward()
    used = torch.nonzero(mel.grad.abs().sum((0, 1)))[:, 0] / FACTOR
    assert max(32 - used.min(), used.max() - 33) <= encoder_reach(TINY)


def test_a_gain_is_taken_from_the_latent_and_given_to_the_mel():
    net = _net()
    mel, controls = torch.randn(1, 128, 64), torch.randn(1, 7, 64)
    louder = controls.clone()
    louder[:, 0] += 2.0
    # A spread is 1 dB in a fresh network: 2 dB are 0.2303 nats.
    with torch.inference_mode():
        same = net.encode(mel, controls)[0]
        # The random weights make large latents.
        error = (net.encode(mel + 0.230259, louder)[0] - same).abs().max()
        assert error < 1e-5 * same.abs().max()


def test_what_controls_tell_of_the_latent_is_taken_away_and_given_back():
    net = _net()
    mel, controls = torch.randn(1, 128, 160), torch.randn(1, 7, 160)
    carriers = torch.zeros(1, CARRIERS, 160)
    with torch.inference_mode():
        before = net.encode(mel, controls)[0]
        decoded = net.decode(before, controls, carriers)
        net.predicted.copy_(100 * torch.randn_like(net.predicted))
        after = net.encode(mel, controls)[0]
        assert (after - before).abs().max() > 10.0
        again = net.decode(after, controls, carriers)
        # The random weights make large values; sums in float32.
        assert (again - decoded).abs().max() < 1e-4 * decoded.abs().max()


def test_an_architecture_survives_and_nonsense_is_refused():
    values = Architecture().to_dict()
    assert Architecture.from_dict({**values, "atlas_vectors": 3}) == Architecture()
    for change in ({"widths": [4096] * 4}, {"widths": [64]}, {"latent": 0}, {"blocks": "many"},
                   {"hidden": None}, {"floor": 5.0}, {"latent": float("nan")}):  # fmt: skip
        with pytest.raises(ModelFileError):
            Architecture.from_dict({**values, **change})
    with pytest.raises(ModelFileError, match="widths"):
        Architecture.from_dict({k: v for k, v in values.items() if k != "widths"})


def _reach():
    one = torch.ones(7)
    return Reach(-2 * one, 2 * one, one, 0.5 * one, one.bool())


@settings(max_examples=30, deadline=None)
@given(value=st.floats(-50, 50), more=st.floats(0.01, 5))
def test_reach_keeps_the_inside_rises_and_ends(value, more):
    def at(number):
        return float(_reach()(torch.full((1, 7, 1), number, dtype=torch.float64))[0, 0, 0])

    assert at(value + more) >= at(value)
    assert -3.0 <= at(value) <= 2.5
    if abs(value) <= 2:
        assert at(value) == pytest.approx(value)


def test_what_is_asked_in_training_differs_and_stays_within_reach():
    draw = torch.Generator().manual_seed(0)
    own = torch.zeros(64, 7, 8)
    asked = changed(own, _reach(), draw)
    assert asked.abs().max() <= 3.0
    moved = (asked[:, :, 0] != 0).sum(1)
    assert (moved == 1).sum() > 20
    assert (moved > 1).sum() > 10
    drive = carriers(2, 400, 86.13, draw)
    assert drive.shape == (2, CARRIERS, 400)
    # Sine and cosine of one angle.
    assert torch.allclose(drive[:, -2] ** 2 + drive[:, -1] ** 2, torch.ones(2, 400), atol=1e-4)
