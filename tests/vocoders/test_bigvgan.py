"""Our generator against NVIDIA's own code, with the same random weights."""

import json
import random
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from milonga.errors import DamagedFileError, NotDownloadedError, UnsafeFileError
from milonga.vocoders import VocoderError, get_vocoder
from milonga.vocoders.bigvgan.loading import load_generator

CONFIGS = {
    "tiny": {},
    "snake": {"activation": "snake"},
    "linear parameters": {"snake_logscale": False},
    "tanh and bias": {"use_tanh_at_final": True, "use_bias_at_final": True},
    "block 2": {"resblock": "2", "resblock_dilation_sizes": [[1, 3], [1, 3], [1, 3]]},
    "other kernels": {
        "resblock_kernel_sizes": [5, 9],
        "resblock_dilation_sizes": [[1, 2], [2, 6, 12]],
    },
    "odd rates": {
        "upsample_rates": [5, 3],
        "upsample_kernel_sizes": [11, 7],
        "hop_size": 15,
        "upsample_initial_channel": 48,
    },
    "narrow": {"upsample_initial_channel": 16},
}


def run_reference(model, mel):
    with torch.inference_mode():
        return model(torch.from_numpy(mel)).numpy()


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("engine", ["torch", "fast"])
def test_agrees_with_the_reference(folder, mel, changes, engine):
    path, model = folder(changes)
    values = mel(37)
    theirs = run_reference(model, values)
    peak = np.abs(theirs).max()
    # Parity says nothing about silence or a waveform that is cut off.
    assert peak > 0.05
    assert np.mean(np.abs(theirs) > 0.999) < 0.01
    ours = get_vocoder("bigvgan", "cpu", model=path, engine=engine).mel_to_waveform(values)
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    # The requirement is 1e-4 of the peak.
    assert np.abs(ours - theirs).max() < 1e-4 * peak


def test_weights_load_with_either_weight_norm_or_none(folder, mel):
    path, model = folder()
    values = mel(9)
    expected = get_vocoder("bigvgan", "cpu", model=path).mel_to_waveform(values)
    weights = model.state_dict()
    renamed = {
        name.replace("weight_g", "parametrizations.weight.original0").replace(
            "weight_v", "parametrizations.weight.original1"
        ): value
        for name, value in weights.items()
    }
    torch.save(renamed, path / "bigvgan_generator.pt")
    again = get_vocoder("bigvgan", "cpu", model=path).mel_to_waveform(values)
    assert np.array_equal(again, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.remove_weight_norm()
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()},
        path / "bigvgan_generator.safetensors",
    )
    plain = get_vocoder("bigvgan", "cpu", model=path).mel_to_waveform(values)
    np.testing.assert_allclose(plain, expected, atol=1e-5)


def test_rate_and_spec_come_from_the_config(folder):
    path, _ = folder()
    vocoder = get_vocoder("bigvgan", "cpu", model=path)
    assert vocoder.sample_rate == 16_000
    assert (vocoder.mel_spec.hop, vocoder.mel_spec.n_mels, vocoder.mel_spec.f_max) == (16, 20, 8000)
    assert vocoder.device == "cpu"


def test_folders_that_hold_no_model_are_explained(folder, tmp_path):
    path, _ = folder()
    (path / "bigvgan_generator.pt").rename(path / "elsewhere.pt")
    with pytest.raises(VocoderError, match="no checkpoint"):
        load_generator(path)
    (path / "bigvgan_generator.pt").write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(DamagedFileError, match="checkpoint"):
        load_generator(path)
    torch.save({"generator": {"conv_pre.bias": torch.zeros(3)}}, path / "bigvgan_generator.pt")
    with pytest.raises(VocoderError, match=r"missing: conv_pre\.weight.* more.*wrong shape"):
        load_generator(path)
    (path / "config.json").write_text("{")
    with pytest.raises(DamagedFileError, match="JSON"):
        load_generator(path)
    with pytest.raises(DamagedFileError, match=r"config\.json"):
        load_generator(tmp_path)


def test_a_checkpoint_that_wants_to_run_code_is_refused(folder, tmp_path):
    path, _ = folder()

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"generator": Evil()}, path / "bigvgan_generator.pt")
    with pytest.raises(UnsafeFileError, match="run code"):
        load_generator(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hop_size": 20}, "hop 20"),
        ({"resblock_kernel_sizes": [3, 7, 10]}, "odd"),
        ({"activation": "relu"}, "relu"),
        ({"resblock": "3"}, "'3'"),
        ({"upsample_initial_channel": 60}, "halved"),
        ({"upsample_rates": [4, 2, 2, 1]}, "kernels"),
        ({"upsample_rates": None}, "damaged"),
    ],
)
def test_impossible_configs_are_refused(folder, changes, message):
    path, _ = folder()
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(VocoderError, match=message):
        load_generator(path)


ABSURD = [
    ({"upsample_initial_channel": 1 << 40}, "larger than any can be"),
    ({"upsample_kernel_sizes": [1 << 40, 4, 4]}, "larger than any can be"),
    ({"resblock_dilation_sizes": [[1 << 40, 3, 5]] * 3}, "larger than any can be"),
    ({"resblock_dilation_sizes": [[0, 3, 5]] * 3}, "less than 1"),
    ({"upsample_rates": [-4, -2, 2]}, "less than 1"),
    ({"num_mels": 1 << 40}, "n_mels"),
    ({"fmin": 10**400}, "damaged"),
    ({"hop_size": float("inf")}, "damaged"),
]


def test_absurd_configs_are_refused(folder):
    path, _ = folder()
    config = json.loads((path / "config.json").read_text())
    for changes, message in ABSURD:
        (path / "config.json").write_text(json.dumps(config | changes))
        with pytest.raises(VocoderError, match=message):
            load_generator(path)


def test_a_config_with_a_byte_order_mark_is_read(folder):
    path, _ = folder()
    text = (path / "config.json").read_bytes()
    (path / "config.json").write_bytes(b"\xef\xbb\xbf" + text)
    assert load_generator(path).config.channels == 64


NOT_WHOLE = [
    (lambda w: w.pop("conv_post.weight_g"), r"conv_post\.weight_v .*weight_g is missing"),
    (lambda w: w.update({"conv_post.weight_g": torch.ones(7)}), r"weight_g is of shape \[7\]"),
    (lambda w: w.pop("conv_post.weight_v"), r"missing: conv_post\.weight"),
    (lambda w: w.update({5: torch.ones(1)}), "holds no generator"),
    (lambda w: w.update(x="text"), "holds no generator"),
    (lambda w: w.update(x=torch.ones(2, 2).to_sparse()), "holds no generator"),
    (lambda w: w.update({"conv_post.weight_v": torch.ones(())}), "conv_post"),
]


def test_weights_that_are_not_whole_are_named(folder):
    path, model = folder()
    for change, message in NOT_WHOLE:
        weights = dict(model.state_dict())
        change(weights)
        torch.save({"generator": weights}, path / "bigvgan_generator.pt")
        with pytest.raises(VocoderError, match=message) as caught:
            load_generator(path)
        assert caught.value.where == str(path / "bigvgan_generator.pt")


def test_nothing_is_computed_of_weights_that_do_not_fit(folder, monkeypatch):
    """A config of a larger model: its shapes are compared before memory is asked for."""
    path, _ = folder()
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"upsample_initial_channel": 4096}))
    norms = []
    norm = torch.Tensor.norm
    monkeypatch.setattr(
        torch.Tensor, "norm", lambda self, *a, **k: norms.append(self.device) or norm(self, *a, **k)
    )
    with pytest.raises(VocoderError, match="wrong shape"):
        load_generator(path)
    assert {device.type for device in norms} == {"meta"}


ODD = [0, -1, 1, None, "x", [], [1], {}, 1e308, 10**400, 1 << 62, float("nan"), True, 100_000, 3]


def test_any_config_ends_in_a_named_error(folder):
    path, _ = folder()
    config, chance = json.loads((path / "config.json").read_text()), random.Random(0)
    for _ in range(60):
        changes = {chance.choice(list(config)): chance.choice(ODD) for _ in range(2)}
        (path / "config.json").write_text(json.dumps(config | changes))
        try:
            load_generator(path)
        except VocoderError as error:
            assert error.where.startswith(str(path))  # noqa: PT017 - or the entry doesn't matter


def test_weights_that_are_not_here_are_an_error_when_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(NotDownloadedError, match="bigvgan"):
        get_vocoder("bigvgan", "cpu")
    with pytest.raises(NotDownloadedError, match="bigvgan_v2_24khz"):
        get_vocoder("bigvgan", "cpu", model="nvidia/bigvgan_v2_24khz_100band_256x")
