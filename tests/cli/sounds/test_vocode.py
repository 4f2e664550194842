"""``milonga vocode`` in real processes: recordings, mel files, refusals."""

import json

import numpy as np
import pytest
import torch

from milonga.audio import Clip, read, write
from milonga.audio.mel.files import Mel, read_mel, write_mel
from milonga.audio.mel.spec import MelSpec
from milonga.vocoders.bigvgan.config import BigVGANConfig
from milonga.vocoders.bigvgan.generator import BigVGANGenerator

AMEN = "/usr/share/sonic-pi/samples/loop_amen.flac"
CONFIG = {
    "resblock": "1", "upsample_rates": [4, 4], "upsample_kernel_sizes": [8, 8],
    "upsample_initial_channel": 32, "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]], "activation": "snakebeta", "snake_logscale": True,
    "use_tanh_at_final": False, "use_bias_at_final": False, "sampling_rate": 16_000,
    "num_mels": 20, "n_fft": 64, "win_size": 64, "hop_size": 16, "fmin": 0, "fmax": None,
}  # fmt: skip
OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.fixture
def offline(tmp_path):
    return OFFLINE | {"HF_HOME": str(tmp_path / "hub")}


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    generator = BigVGANGenerator(BigVGANConfig.from_dict(CONFIG))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    torch.save({"generator": generator.state_dict()}, folder / "bigvgan_generator.pt")
    return folder


def test_a_stereo_recording_is_rebuilt_offline(milonga, tmp_path, offline):
    clip = read(AMEN)
    write(tmp_path / "in.wav", Clip(clip.samples[:, :50_000].repeat(2, 0)[:2], clip.sample_rate))
    done = milonga("vocode", "in.wav", "-o", "out.wav", "--json", **offline)
    assert done.status == 0, done.err
    assert "griffin-lim stands in" in done.err
    made = read(tmp_path / "out.wav")
    assert (made.channels, made.n_samples, made.sample_rate) == (2, 50_000, 44_100)
    report = done.json
    assert report["vocoder"] == "griffin-lim"
    assert report["seconds"] == pytest.approx(50_000 / 44_100, abs=1e-5)
    assert report["real_time_factor"] > 0
    assert report["peak_memory_mb"] > 10
    assert 0 < report["log_mel_distance_db"] < 3


def test_bigvgan_renders_recordings_and_mels(milonga, tmp_path, offline, model):
    write(tmp_path / "in.wav", Clip(read(AMEN).mono[:30_000], 44_100))
    done = milonga("vocode", "in.wav", "-o", "a.wav", "--model", model, "--json", **offline)
    assert done.status == 0, done.err
    assert (done.json["vocoder"], done.json["sample_rate"]) == ("bigvgan", 16_000)
    assert done.json["engine"] in ("fast", "torch")
    made = milonga("vocode", "in.wav", "-o", "mel.npz", "--model", model, **offline)
    assert made.status == 0, made.err
    assert read_mel(tmp_path / "mel.npz").spec.n_mels == 20
    again = milonga("vocode", "mel.npz", "-o", "b.wav", "--model", model, **offline)
    assert again.status == 0, again.err
    assert np.array_equal(read(tmp_path / "a.wav").samples, read(tmp_path / "b.wav").samples)


def test_another_convention_needs_the_adapter(milonga, tmp_path, offline, model):
    spec = MelSpec.preset("torchaudio-htk-48k")
    tone = 0.3 * np.sin(np.arange(24_000) * 0.05)
    write_mel(tmp_path / "in.npz", Mel(spec.analyse(Clip(tone, 48_000)), spec, 24_000))
    refused = milonga("vocode", "in.npz", "-o", "out.wav", "--model", model, **offline)
    assert refused.status == 1
    assert "sample_rate, n_fft" in refused.err
    assert "--adapt" in refused.err
    done = milonga(
        "vocode", "in.npz", "-o", "out.wav", "--model", model, "--adapt", "--json", **offline
    )
    assert done.status == 0, done.err
    assert done.json["adapted"]
    assert done.json["seconds"] == pytest.approx(0.5, abs=0.01)


def test_bare_arrays_with_their_convention(milonga, tmp_path, offline):
    spec = MelSpec.preset("tacotron-22k-80band")
    np.save(tmp_path / "in.npy", spec.analyse(Clip(np.zeros(9000, np.float32), 22_050))[0])
    assert milonga("vocode", "in.npy", "-o", "out.wav", **offline).status == 1
    options = ("--convention", "tacotron-22k-80band", "--vocoder", "griffin-lim")
    done = milonga("vocode", "in.npy", "-o", "out.wav", *options, **offline)
    assert done.status == 0, done.err
    assert read(tmp_path / "out.wav").sample_rate == 22_050


def test_refusals_come_before_any_work(milonga, tmp_path, offline):
    write(tmp_path / "in.wav", Clip(np.zeros(1000, np.float32), 44_100))
    there = milonga("vocode", "in.wav", "-o", "in.wav", **offline)
    assert there.status == 1
    assert "--force" in there.err
    assert "no such file" in milonga("vocode", "none.wav", "-o", "a.wav", **offline).err
    assert "'.txt'" in milonga("vocode", "in.wav", "-o", "a.txt", **offline).err
    needs = milonga("vocode", "in.wav", "-o", "a.wav", "--vocoder", "bigvgan", **offline)
    assert needs.status == 1
    assert "milonga weights get bigvgan" in needs.err
    wrong = milonga(
        "vocode", "in.wav", "-o", "a.wav", "--vocoder", "griffin-lim", "--model", "x", **offline
    )
    assert wrong.status == 2


def test_help_loads_no_torch(milonga):
    assert milonga("vocode", "--help", PYTHONPROFILEIMPORTTIME="1").err.count("torch") == 0
