import pytest
import torch

from milonga.errors import VocoderError
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.training.fresh import fresh_generator
from milonga.vocoders.training.outlook import TrainingOutlook, foresee
from milonga.vocoders.training.settings import VocoderSettings
from milonga.vocoders.training.sizes import config_of


@pytest.fixture(scope="module")
def generator(pairs, config):
    # Its frames are long enough for the losses, with few channels.
    wide = {**config, "upsample_rates": [8, 8, 4], "upsample_kernel_sizes": [16, 16, 8],
            "hop_size": 256, "n_fft": 512, "win_size": 512}  # fmt: skip
    from milonga.vocoders.training.pairs import Pairs

    made = BigVGANConfig.from_dict(wide)
    return fresh_generator(made, Pairs(pairs._waves, made.mel_spec), 0)


def test_more_pairs_take_more_of_both(generator):
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    few = foresee(generator, VocoderSettings(batch=1, frames=8, critics_width=0.05))
    many = foresee(generator, VocoderSettings(batch=8, frames=32, critics_width=0.05))
    assert few.parameters == sum(p.numel() for p in generator.parameters())
    # Kept signals grow with batch times frames, 32 times here; weights and torch don't.
    assert many.memory > few.memory
    assert few.mel_step_s > 0
    assert few.step_s > 0
    for name, value in generator.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in generator.parameters())


def test_what_it_says():
    outlook = TrainingOutlook(parameters=600_000, memory=900_000_000, step_s=1.0, mel_step_s=0.5)
    by_clock = VocoderSettings(minutes=1.0, critics_from=40)
    assert outlook.steps_in(1.0, 40) == 40 + 40
    text = outlook.describe(by_clock)
    assert "0.6 million" in text
    assert "900 MB" in text
    assert "some 80 steps in 1 minutes" in text
    assert "1.3 minutes for 100 steps" in outlook.describe(
        VocoderSettings(minutes=None, steps=100, critics_from=40)
    )


def test_too_little_memory_is_said_beforehand():
    TrainingOutlook(1, 1, 1.0, 1.0).check()
    with pytest.raises(VocoderError, match="takes about 1000000"):
        TrainingOutlook(1, 10**15, 1.0, 1.0).check()


def test_sizes_are_named():
    from milonga.errors import UnknownNameError

    with pytest.raises(UnknownNameError, match="no vocoder size 'huge'"):
        config_of("huge", BigVGANConfig.from_dict(config_of("tiny", _spec())).mel_spec)
    assert BigVGANConfig.from_dict(config_of("small", _spec())).mel_spec == _spec()


def _spec():
    from milonga.audio.mel.spec import MelSpec

    return MelSpec.preset("bigvgan-v2-44khz-128band-512x")
