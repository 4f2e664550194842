"""A vocoder of a sound model's own, on a model trained for a few steps on recordings made here."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import torch
from warm_process import run_warm

from milonga.audio import Clip, read, write
from milonga.errors import (
    Cancelled,
    CorpusError,
    NotDownloadedError,
    SoundError,
    UnknownNameError,
    VocoderError,
)
from milonga.runtime.progress import Progress
from milonga.sounds.corpus.mel_store import MelStore
from milonga.sounds.instrument.chosen_vocoder import choose_vocoder
from milonga.sounds.instrument.own_vocoder import load_own, preference
from milonga.sounds.instrument.vocoder_recordings import gather
from milonga.sounds.instrument.vocoder_tuning import Remaker, fine_tune_vocoder
from milonga.sounds.library.library import Library
from milonga.sounds.model.architecture import Architecture
from milonga.sounds.train_model import train_into_library
from milonga.sounds.training.settings import TrainSettings
from milonga.vocoders.training.distances import Distances
from milonga.vocoders.training.vocoder_file import Duel, Evaluation, load_generator, save

QUICK = {"minutes": None, "steps": 3, "batch": 1, "frames": 8, "critics_from": 2,
         "critics_width": 0.05}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few_pairs():
    """A fresh generator's level is found from fewer pairs, which is a tenth of the work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("milonga.vocoders.training.fresh._PAIRS", 2)
        patch.setattr("milonga.vocoders.training.fresh._FRAMES", 16)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_corpus):
    """A library with one model, its recordings beside it."""
    place = tmp_path_factory.mktemp("own")
    recordings = make_corpus(place / "recordings", files=5, seconds=2.5)
    library = Library(place / "sounds")
    small = Architecture(latent=4, widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1), hidden=8)
    settings = TrainSettings(steps=2, batch=2, architecture=small, effect_seeds=1)
    train_into_library(recordings, "bells", settings=settings, library=library)
    fine_tune_vocoder("bells", changes=QUICK, size="tiny", start="fresh", library=library)
    return place


@pytest.fixture
def home(trained, tmp_path, monkeypatch):
    """A copy of it, without any weights on this machine."""
    shutil.copytree(trained / "sounds", tmp_path / "home" / "sounds")
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def entry(home):
    return Library().model("bells")


def test_it_is_trained_kept_and_compared(trained, entry):
    header, _ = load_generator(entry.files.vocoder)
    assert header.steps == 3
    assert header.start == {"kind": "fresh", "size": "tiny"}
    assert len(header.corpus["used"]) == 5
    found = header.evaluation
    assert found.against == "griffin-lim"
    assert found.seconds == pytest.approx(2.5, abs=0.05)
    for duel in (found.clean, found.model):
        assert duel.own != duel.default
    # Three steps teach nothing.
    chosen = preference(entry.model_path)
    assert not chosen.own
    assert "isn't better than griffin-lim" in chosen.reason


def test_an_own_vocoder_plays(entry):
    vocoder = load_own(entry.model_path, "cpu")
    assert vocoder.name == "own:bells"
    mel = np.full((1, 128, 20), -6, np.float32)
    whole = vocoder.mel_to_waveform(mel)
    assert whole.shape == (1, 1, 20 * 512)
    assert np.abs(whole).max() <= 1.0


def _rewritten(entry, **changes):
    path = entry.files.vocoder
    header, generator = load_generator(path)
    save(path, header.model_copy(update=changes), generator.state_dict())
    return entry


def _evaluation(own, default, against="griffin-lim"):
    duel = Duel(
        own=Distances(log_mel=own[0], stft=own[1]),
        default=Distances(log_mel=default[0], stft=default[1]),
    )
    return Evaluation(against=against, seconds=5.0, clean=duel, model=duel)


WON = _evaluation((0.1, 0.5), (0.2, 0.6))


def _voice(entry, name="auto"):
    return choose_vocoder(name, entry.header.spec, "cpu", model=entry.model_path)


def test_one_that_is_better_by_both_distances_is_taken_and_says_so(entry):
    _rewritten(entry, evaluation=WON)
    voice = _voice(entry)
    assert voice.vocoder.name == "own:bells"
    assert "better than griffin-lim" in voice.note
    assert "0.100 against 0.200" in voice.note
    assert _voice(entry, "griffin-lim").vocoder.name == "griffin-lim"


def test_playing_takes_it_then_and_only_then(entry):
    from milonga.sounds.instrument.instrument import Instrument

    default = Instrument.open("bells", device="cpu").chosen_vocoder
    assert default.vocoder.name == "griffin-lim"
    assert "isn't better than griffin-lim" in default.note
    _rewritten(entry, evaluation=WON)
    voice = Instrument.open("bells", device="cpu").chosen_vocoder
    assert voice.vocoder.name == "own:bells"
    assert "better than griffin-lim" in voice.note
    assert (
        dict(voice.files)["vocoder.safetensors"]
        == hashlib.sha256(entry.files.vocoder.read_bytes()).hexdigest()
    )
    assert (
        Instrument.open("bells", vocoder="griffin-lim").chosen_vocoder.vocoder.name == "griffin-lim"
    )
    entry.files.vocoder.unlink()
    assert "own" not in Instrument.open("bells").chosen_vocoder.note
    with pytest.raises(VocoderError, match="no vocoder of its own"):
        Instrument.open("bells", vocoder="own")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"training": {"steps": 0}}, "untrained"),
        ({"training": {}}, "untrained"),
        ({"evaluation": None}, "hasn't been compared"),
        ({"evaluation": WON.model_copy(update={"model": None})}, "hasn't been compared"),
        ({"evaluation": _evaluation((0.1, 0.7), (0.2, 0.6))}, "isn't better"),
        ({"evaluation": _evaluation((0.3, 0.5), (0.2, 0.6))}, "isn't better"),
        ({"evaluation": _evaluation((0.2, 0.6), (0.2, 0.6))}, "isn't better"),
        ({"evaluation": _evaluation((0.1, 0.1), (0.2, 0.6), "bigvgan")}, "compared with bigvgan"),
        ({"model": "0" * 64}, "as it was before"),
    ],
)
def test_any_other_is_not_taken(entry, changes, reason):
    _rewritten(entry, **{"evaluation": WON, **changes})
    voice = _voice(entry)
    assert voice.vocoder.name == "griffin-lim"
    assert reason in voice.note
    # It is still there for who asks for it.
    assert _voice(entry, "own").vocoder.name == "own:bells"


def test_a_damaged_one_or_none_leaves_the_default(entry):
    path = entry.files.vocoder
    path.write_bytes(path.read_bytes()[:-50])
    voice = _voice(entry)
    assert voice.vocoder.name == "griffin-lim"
    assert "damaged" in voice.note
    with pytest.raises(VocoderError, match="damaged"):
        _voice(entry, "own")
    path.unlink()
    assert "own" not in _voice(entry).note
    with pytest.raises(VocoderError, match="no vocoder of its own"):
        _voice(entry, "own")
    with pytest.raises(UnknownNameError):
        _voice(entry, "vocos")


def test_the_split_is_that_of_the_sound_model(entry, tmp_path):
    training = entry.folder / "training"
    found = gather(entry, training, tmp_path / "audio")
    store = MelStore.open(training / "store")
    for split, waves in (("train", found.train), ("validation", found.held_out)):
        tracks = [track for track in store.tracks(split) if not track.augmented]
        assert len(tracks) == len(waves)
        assert sorted(t.mel.shape[1] for t in tracks) == sorted(len(w) // 512 for w in waves)
    # Without the store the model's seed gives the same.
    shutil.rmtree(training / "store")
    again = gather(entry, training, tmp_path / "audio")
    assert [len(w) for w in again.held_out] == [len(w) for w in found.held_out]
    assert not again.left_out


def test_recordings_that_are_gone_or_changed_are_reported(trained, entry, tmp_path):
    corpus = entry.folder / "training" / "corpus.json"
    moved = tmp_path / "moved"
    shutil.copytree(trained / "recordings", moved)
    document = json.loads(corpus.read_text())
    for file in document["files"]:
        file["path"] = str(moved / file["name"])
    corpus.write_text(json.dumps(document))
    parts = json.loads((entry.folder / "training" / "store" / "store.json").read_text())["parts"]
    learnt = [f["name"] for f in document["files"] if parts[f["sha256"]] == "train"]
    gone, changed = learnt[:2]
    (moved / gone).unlink()
    clip = read(moved / changed)
    write(moved / changed, Clip(clip.samples[:, ::-1].copy(), clip.sample_rate))
    found = gather(entry, entry.folder / "training", tmp_path / "audio")
    assert len(found.used) == 3
    assert "gone" in found.left_out[gone]
    assert "changed" in found.left_out[changed]
    for path in moved.iterdir():
        path.unlink()
    with pytest.raises(CorpusError, match="none is left") as error:
        gather(entry, entry.folder / "training", tmp_path / "other")
    assert len(error.value.problems) == 5
    assert "--corpus" in str(error.value)
    again = gather(entry, entry.folder / "training", tmp_path / "other", [trained / "recordings"])
    assert len(again.used) == 5


def test_a_model_without_its_training_folder_needs_to_be_told(trained, entry, tmp_path):
    shutil.rmtree(entry.folder / "training")
    with pytest.raises(CorpusError) as error:
        fine_tune_vocoder("bells", changes=QUICK, size="tiny")
    assert "isn't known where" in str(error.value)
    told = []
    tuned = fine_tune_vocoder(
        "bells", changes=QUICK, size="tiny", corpus=[trained / "recordings"], tell=told.append
    )
    assert tuned.header.steps == 3
    assert not tuned.preference.own
    assert "million parameters" in " ".join(told)
    assert "memory" in " ".join(told)


@pytest.mark.slow
def test_cancelled_it_goes_on_and_ends_the_same(entry, trained):
    shutil.rmtree(entry.files.vocoder_training)
    whole, _ = load_generator(entry.files.vocoder), entry.files.vocoder.unlink()
    progress = Progress(
        lambda update: progress.cancel() if update.unit == "steps" and update.done == 2 else None
    )
    with pytest.raises(Cancelled):
        fine_tune_vocoder("bells", changes=QUICK, size="tiny", progress=progress)
    assert not entry.files.vocoder.exists()
    told = []
    tuned = fine_tune_vocoder("bells", changes=QUICK, size="tiny", tell=told.append)
    assert "Going on from step 2." in told
    header, generator = load_generator(tuned.path)
    assert header.evaluation == whole[0].evaluation
    for name, value in generator.state_dict().items():
        assert torch.equal(value, whole[1].state_dict()[name])
    with pytest.raises(VocoderError, match="other settings"):
        fine_tune_vocoder("bells", changes={**QUICK, "seed": 5}, size="tiny")


@pytest.mark.slow
def test_a_bigvgan_on_this_machine_is_fine_tuned(home, entry, tmp_path):
    # A small one of the same mels stands where the catalogue's would be.
    from milonga.vocoders.bigvgan.config import BigVGANConfig
    from milonga.vocoders.bigvgan.generator import BigVGANGenerator
    from milonga.vocoders.training.sizes import config_of

    with pytest.raises(NotDownloadedError, match="bigvgan"):
        fine_tune_vocoder("bells", changes=QUICK, start="bigvgan")
    folder = tmp_path / "bigvgan"
    folder.mkdir()
    config = config_of("tiny", entry.header.spec)
    torch.manual_seed(0)
    before = BigVGANGenerator(BigVGANConfig.from_dict(config)).state_dict()
    (folder / "config.json").write_text(json.dumps(config))
    torch.save({"generator": before}, folder / "bigvgan_generator.pt")
    (home / "config.toml").write_text(f'[weights.sources.bigvgan]\nfolder = "{folder}"\n')
    told = []
    tuned = fine_tune_vocoder("bells", changes=QUICK, again=True, tell=told.append)
    assert any(line.startswith("Fine-tuning bigvgan: 0.2 million") for line in told)
    assert tuned.header.start["kind"] == "bigvgan"
    assert tuned.header.evaluation.against == "bigvgan"
    # Close to where it started: three steps of 1e-4.
    _, generator = load_generator(tuned.path)
    for name, value in generator.state_dict().items():
        assert float((value - before[name]).abs().max()) < 2e-3, name


def test_the_model_remakes_mels(entry):
    from milonga.sounds.library.library import open_model

    remake = Remaker(open_model("bells"))
    mel = np.random.default_rng(0).normal(-6, 1, (128, 37)).astype(np.float32)
    made = remake(mel)
    assert made.shape == mel.shape
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    np.testing.assert_array_equal(made, remake(mel))
    assert not np.allclose(made, mel, atol=0.1)


def test_starting_over_forgets_nothing_before_it_can_begin(entry):
    checkpoint = entry.folder / "training" / "vocoder" / "checkpoint.safetensors"
    checkpoint.write_bytes(b"hours of work")
    (entry.folder / "training" / "corpus.json").unlink()
    with pytest.raises(CorpusError, match="none is left"):
        fine_tune_vocoder("bells", changes=QUICK, size="tiny", again=True)
    assert checkpoint.read_bytes() == b"hours of work"


def test_another_process_keeps_it_out(entry):
    with Library().training("bells"), pytest.raises(SoundError, match="Another process"):
        fine_tune_vocoder("bells", changes=QUICK, size="tiny")


@pytest.mark.slow
def test_the_command(home):
    # The training is done: it goes on by one step.
    command = ["-m", "milonga", "sound", "fine-tune-vocoder"]
    run = [*command, "bells", "--again", "--size", "tiny", "--steps", "1", "--batch", "1", "--json"]
    done = run_warm(run)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["steps"] == 1
    assert document["preferred"] is False
    assert "million parameters" in done.stderr
    both = run_warm([*command, "bells", "--steps", "1", "--minutes", "1"])
    assert both.returncode == 2
    none = run_warm([*command, "nobody"])
    assert none.returncode == 1
    assert "no model 'nobody'" in none.stderr
