import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.bigvgan.generator import Activation, BigVGANGenerator
from milonga.vocoders.training.activation import QuickActivation, quicken


@given(length=st.integers(1, 140), batch=st.integers(1, 2), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_gives_what_the_plain_one_gives_and_its_gradients(length, batch, seed):
    draw = torch.Generator().manual_seed(seed)
    plain = _activation(3, draw)
    quick = QuickActivation(plain).double()
    x = torch.randn(batch, 3, length, generator=draw, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(x.shape, generator=draw, dtype=torch.float64)
    # Double precision: what differs is the order of additions.
    torch.testing.assert_close(quick(x), plain(x), rtol=1e-12, atol=1e-12)
    inputs = [x, plain.act.alpha, plain.act.beta]
    expected = torch.autograd.grad((plain(x) * weight).sum(), inputs)
    found = torch.autograd.grad((quick(x) * weight).sum(), inputs)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)


def test_a_quickened_generator_keeps_its_parameters_and_its_sound(config):
    torch.manual_seed(0)
    generator = BigVGANGenerator(BigVGANConfig.from_dict(config))
    mel = torch.randn(1, 40, 9) - 5
    with torch.no_grad():
        before, names = generator(mel), list(generator.state_dict())
        parameters = [id(p) for p in generator.parameters()]
        quick = quicken(quicken(generator))
        after = quick(mel)
    assert list(quick.state_dict()) == names
    assert [id(p) for p in quick.parameters()] == parameters
    # Single precision over some 20 layers.
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-6)


def _activation(channels, draw):
    class Config:
        log_scale, activation = True, "snakebeta"

    plain = Activation(channels, Config).double()
    for value in (plain.act.alpha, plain.act.beta):
        value.data.copy_(torch.randn(channels, generator=draw))
    return plain
