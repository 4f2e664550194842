"""Sound models out into the studio."""

import json

import numpy as np
import onnxruntime
import pytest
import sound_models
import torch

from milonga import audio, export_sound
from milonga.errors import OutputError, SoundError, UnknownNameError
from milonga.sounds import Library
from milonga.sounds.controls.descriptors import NAMES
from milonga.sounds.library.library import open_model


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    found = Library()
    found.save("tiny", *sound_models.small_model("tiny", licence="CC-BY-4.0"))
    return found


def test_a_sampler_instrument_has_its_samples_beside_it(library, tmp_path):
    found = export_sound(
        "tiny", tmp_path / "studio", what=["sfz", "dspreset"], positions=2, takes=2,
        seconds=0.6, vocoder="griffin-lim",
    )  # fmt: skip
    samples = [name for name in found.files if name.endswith(".wav")]
    assert len(samples) == len(found.zones) == 4
    for zone in found.zones:
        info = audio.probe(found.folder / zone.file)
        assert info.n_samples == round(0.6 * 44_100)
        assert 0 < zone.start < zone.end == info.n_samples - 1
        assert info.tags.licence == "CC-BY-4.0"
    # The slider's positions differ, and so do the takes.
    sounds = [audio.read(found.folder / name).samples for name in samples]
    assert all(np.abs(sounds[0] - other).max() > 1e-3 for other in sounds[1:])
    text = (found.folder / "tiny.sfz").read_text()
    assert all(f"sample={name}\n" in text for name in samples)
    assert (found.folder / "tiny.dspreset").exists()
    with pytest.raises(OutputError, match="already there"):
        export_sound("tiny", tmp_path / "studio", what="sfz", vocoder="griffin-lim")


def test_onnx_gives_torch_s_mel(library, tmp_path):
    found = export_sound("tiny", tmp_path / "studio", what="onnx", vocoder="griffin-lim")
    assert found.difference < 1e-4
    facts = json.loads((found.folder / "tiny.onnx.json").read_text())
    assert facts["licence"] == "CC-BY-4.0"
    assert facts["controls"][0]["name"] == NAMES[0]
    session = onnxruntime.InferenceSession(found.folder / "tiny.onnx")
    net = open_model(str(library.model_path("tiny")), library).net
    draw = np.random.default_rng(3)
    # Other lengths than the export itself compares, the shortest among them.
    for vectors in (facts["fewest_vectors"], 101):
        shapes = {"latent": vectors, "controls": 8 * vectors, "carriers": 8 * vectors}
        given = {
            name: draw.standard_normal((1, facts["inputs"][name][1], length), dtype=np.float32)
            for name, length in shapes.items()
        }
        mel = session.run(None, given)[0]
        with torch.no_grad():
            wanted = net.bounded(net.decode(*map(torch.from_numpy, given.values()))).numpy()
        # The bound of the issue.
        assert np.abs(mel - wanted).max() < 1e-4
        assert mel.shape == (1, 128, 8 * vectors)


def test_what_cannot_be_exported_is_refused_before_the_work(library, tmp_path):
    with pytest.raises(UnknownNameError, match="vst"):
        export_sound("tiny", tmp_path / "studio", what="vst")
    with pytest.raises(SoundError, match="can't be an instrument"):
        export_sound("tiny", tmp_path / "studio", seconds=0.1)
    with pytest.raises(SoundError, match="no control 'tension'"):
        export_sound(
            "tiny", tmp_path / "studio", what="sfz", control="tension", vocoder="griffin-lim"
        )
    with pytest.raises(UnknownNameError, match="no control 'glow'"):
        export_sound("tiny", tmp_path / "studio", what="sfz", control="glow", vocoder="griffin-lim")
    assert not list((tmp_path / "studio").glob("*"))
