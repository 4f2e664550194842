"""Tiny generators with random weights, and NVIDIA's own code as the oracle."""

import json
import warnings

import numpy as np
import pytest
import torch

TINY = {
    "resblock": "1",
    "upsample_rates": [4, 2, 2],
    "upsample_kernel_sizes": [8, 4, 4],
    "upsample_initial_channel": 64,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "activation": "snakebeta",
    "snake_logscale": True,
    "use_tanh_at_final": False,
    "use_bias_at_final": False,
    "sampling_rate": 16_000,
    "num_mels": 20,
    "n_fft": 64,
    "win_size": 64,
    "hop_size": 16,
    "fmin": 0,
    "fmax": None,
}


@pytest.fixture(scope="session")
def oracle():
    """Makes the reference generator of a config, with weights at levels like those of trained
    ones: the output neither vanishes nor saturates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import bigvgan
        from bigvgan.env import AttrDict

    def make(config, seed=0):
        torch.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = bigvgan.BigVGAN(AttrDict(dict(config))).eval()
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, value in model.named_parameters():
                noise = torch.randn(value.shape, generator=draw)
                if name.endswith("weight_g"):
                    value.copy_(0.7 + 0.1 * noise)
                elif name.endswith(("alpha", "beta")):
                    value.add_(0.3 * noise)
                elif name.endswith("bias"):
                    value.copy_(0.05 * noise)
            before = []
            hook = model.conv_post.register_forward_hook(lambda *a: before.append(a[2].std()))
            model(torch.randn(1, config["num_mels"], 30, generator=draw) * 2 - 4)
            hook.remove()
            model.conv_post.weight_g.mul_(0.15 / before[0])
        return model

    return make


@pytest.fixture(scope="session")
def mel():
    def make(frames, bands=20, batch=1, seed=0):
        values = np.random.default_rng(seed).normal(-4, 2, (batch, bands, frames))
        return values.clip(-11.5, 2).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def folder(tmp_path_factory, oracle):
    """Writes a model as NVIDIA publishes it; returns the folder and the reference."""

    def make(changes=None, seed=0):
        config = TINY | (changes or {})
        model = oracle(config, seed)
        target = tmp_path_factory.mktemp("model")
        (target / "config.json").write_text(json.dumps(config))
        torch.save({"generator": model.state_dict()}, target / "bigvgan_generator.pt")
        return target, model

    return make
