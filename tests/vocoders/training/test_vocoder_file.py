import json
import struct

import numpy as np
import pytest
import torch

from milonga.audio.mel.spec import MelSpec
from milonga.errors import VocoderError
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.bigvgan.generator import BigVGANGenerator
from milonga.vocoders.training import fresh
from milonga.vocoders.training.distances import Distances
from milonga.vocoders.training.evaluation import measure
from milonga.vocoders.training.pairs import Pairs
from milonga.vocoders.training.sizes import SIZES, config_of
from milonga.vocoders.training.vocoder_file import (
    FORMAT,
    Duel,
    Evaluation,
    VocoderHeader,
    load_generator,
    load_trained,
    read_header,
    save,
)

FULL = MelSpec.preset("bigvgan-v2-44khz-128band-512x")


def _header(config, **changes):
    spec = MelSpec.from_bigvgan_config(config).to_dict()
    values = {"created": "2026-01-01T00:00:00Z", "config": config, "mel_spec": spec}
    return VocoderHeader(**{**values, "training": {"steps": 3}, **changes})


@pytest.fixture
def saved(config, tmp_path):
    torch.manual_seed(0)
    tensors = BigVGANGenerator(BigVGANConfig.from_dict(config)).state_dict()
    path = tmp_path / "vocoder.safetensors"
    save(path, _header(config), tensors)
    return path, tensors


@pytest.mark.parametrize("size", SIZES)
def test_every_size_runs_on_the_fast_engine(size, tmp_path, monkeypatch):
    # The level of the output is all that more of them would say more of.
    monkeypatch.setattr(fresh, "_PAIRS", 1)
    monkeypatch.setattr(fresh, "_FRAMES", 12)
    config = config_of(size, FULL)
    draw = np.random.default_rng(0)
    pairs = Pairs([(0.1 * draw.standard_normal(12 * 512)).astype(np.float32)], FULL)
    generator = fresh.fresh_generator(BigVGANConfig.from_dict(config), pairs, 0)
    count = sum(p.numel() for p in generator.parameters())
    assert 1e5 < count < 5e6
    path = tmp_path / "vocoder.safetensors"
    save(path, _header(config), generator.state_dict())
    mel = pairs.pair(0, 0, 12, remade=False).mel[np.newaxis].copy()
    fast = load_trained(path, "own:x", engine="fast", device="cpu")
    plain = load_trained(path, "own:x", engine="torch", device="cpu")
    assert (fast.engine, fast.name, fast.mel_spec) == ("fast", "own:x", FULL)
    expected = plain.mel_to_waveform(mel)
    assert expected.shape == (1, 1, 12 * 512)
    # As the engines are tested with published sizes: 1e-4 of the peak.
    peak = np.abs(expected).max()
    assert peak > 0.01
    np.testing.assert_allclose(fast.mel_to_waveform(mel), expected, atol=1e-4 * peak)
    pieces = np.concatenate(list(fast.stream(mel, 8)), axis=2)
    np.testing.assert_allclose(pieces, expected, atol=1e-4 * peak)


def test_what_is_saved_is_what_is_loaded(saved, config, tmp_path):
    path, tensors = saved
    header, generator = load_generator(path)
    assert header == _header(config) == read_header(path)
    assert header.steps == 3
    for name, value in generator.state_dict().items():
        assert torch.equal(value, tensors[name])
    again = tmp_path / "again.safetensors"
    save(again, header, generator.state_dict())
    assert again.read_bytes() == path.read_bytes()


def test_an_evaluation_says_who_won():
    own = Distances(log_mel=0.1, stft=0.5)
    duel = Duel(own=own, default=Distances(log_mel=0.2, stft=0.6))
    assert duel.won
    assert not Duel(own=own, default=Distances(log_mel=0.2, stft=0.4)).won
    assert not Duel(own=own, default=own).won
    evaluation = Evaluation(against="griffin-lim", seconds=3.0, clean=duel)
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_comparing_gives_each_its_distances(pairs, config):
    spec = pairs.spec
    from milonga.vocoders.griffin_lim import GriffinLim

    vocoders = {"few": GriffinLim(spec, iterations=0), "many": GriffinLim(spec, iterations=30)}
    excerpts = pairs.excerpts_of(1.5, remade=False)
    found = {name: measure(vocoder, excerpts, spec) for name, vocoder in vocoders.items()}
    assert found["many"].better_than(found["few"])
    again = pairs.excerpts_of(1.5, remade=False)
    assert {name: measure(vocoder, again, spec) for name, vocoder in vocoders.items()} == found


@pytest.mark.parametrize(
    "fault", ["cut", "empty", "noise", "other", "length", "pickle", "gone", "folder"]
)
def test_damaged_files(saved, fault, tmp_path):
    path, tensors = saved
    data = path.read_bytes()
    if fault == "cut":
        path.write_bytes(data[:-100])
    elif fault == "empty":
        path.write_bytes(b"")
    elif fault == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(4000))
    elif fault == "other":
        from safetensors.torch import save_file

        save_file(tensors, path)
    elif fault == "length":
        path.write_bytes(struct.pack("<Q", 1 << 40) + data[8:])
    elif fault == "pickle":
        torch.save(tensors, path)
    elif fault == "gone":
        path.unlink()
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(VocoderError) as error:
        load_trained(path, "own:x", device="cpu")
    assert error.value.where == str(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h, t: h.update(version=2), "version 2"),
        (lambda h, t: h.update(extra=1), "extra"),
        (lambda h, t: h["config"].update(upsample_initial_channel=1 << 30), "larger than any"),
        (lambda h, t: h["config"].update(resblock_dilation_sizes=[[1] * 99] * 2), "larger"),
        (lambda h, t: h["config"].update(num_mels=41), "contradict"),
        (lambda h, t: h["config"].update(hop_size=63), "multiply"),
        (lambda h, t: h["mel_spec"].pop("hop"), "hop"),
        (lambda h, t: h.pop("config"), "config"),
        (lambda h, t: t.pop("conv_pre.bias"), "conv_pre.bias"),
        (lambda h, t: t.update(more=torch.zeros(1)), "more"),
        (lambda h, t: t.update({"conv_pre.bias": torch.zeros(9)}), "type or shape"),
        (lambda h, t: t.update({"conv_pre.bias": torch.zeros(32).half()}), "type or shape"),
        (lambda h, t: t.update({"conv_pre.bias": torch.full((32,), torch.nan)}), "NaN"),
    ],
)
def test_hostile_files(saved, config, change, message):
    from safetensors.torch import save_file

    path, tensors = saved
    tensors = {name: value.clone() for name, value in tensors.items()}
    header = json.loads(_header(config).model_dump_json())
    change(header, tensors)
    save_file(tensors, path, {FORMAT: json.dumps(header)})
    with pytest.raises(VocoderError, match=message):
        load_trained(path, "own:x", device="cpu")


def test_what_could_not_be_loaded_is_not_saved(saved, config):
    path, tensors = saved
    before = path.read_bytes()
    with pytest.raises(VocoderError):
        save(path, _header(config), {**tensors, "conv_pre.bias": torch.full((32,), torch.inf)})
    assert path.read_bytes() == before
