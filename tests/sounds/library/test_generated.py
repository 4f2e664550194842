"""Feedback: what models made, in a next training, marked and never tested on."""

import numpy as np
import pytest

from milonga.audio import Clip, read
from milonga.audio.export.receipt import Provenance, check_export
from milonga.errors import SoundError
from milonga.sounds import Corpus, MelStore, TrainSettings, train_into_library
from milonga.sounds.corpus.split import assign
from milonga.sounds.folder import ModelFolder
from milonga.sounds.library.generated import marked, use
from milonga.sounds.library.history import History
from milonga.sounds.library.history_entry import PlayedModel
from milonga.sounds.model.architecture import Architecture
from milonga.sounds.model.file import save, sound_hash
from milonga.sounds.model.play_settings import PlaySettings
from milonga.sounds.train_model import lineage
from milonga.sounds.training.run_state import TrainingState

RATE = 44_100
SHAPE = Architecture(latent=4, widths=(8,) * 4, blocks=(1,) * 4, hidden=8)


@pytest.fixture
def history(library, sound_models):
    library.save("tiny", *sound_models.small_model())
    return History()


def put(history, seed, seconds=4.0):
    samples = 0.03 * np.random.default_rng(1000 + seed).standard_normal(round(seconds * RATE))
    return history.record(
        Clip(samples, RATE),
        models=[PlayedModel(model="tiny", sha256="0" * 64)],
        settings=PlaySettings(seed=seed),
        made=Provenance(model="tiny", seed=seed),
    ).number


def test_chosen_sounds_lie_with_the_model_and_keep_their_receipts(history):
    number = put(history, 3)
    (path,) = use([number], "tiny")
    assert path.parent == history.library.folder / "tiny" / "generated"
    assert check_export(path).made == Provenance(model="tiny", seed=3)
    assert np.array_equal(read(path).samples, history.clip(number).samples)
    assert use([number], "tiny") == [path]


def test_an_unfinished_training_is_left_alone(history):
    number = put(history, 0)
    folder = ModelFolder(history.library.folder / "tiny")
    state = TrainingState(adds=False, fingerprint="", fixed={})
    state.write(folder)
    with pytest.raises(SoundError, match="unfinished training"):
        use([number], "tiny")
    state.model_copy(update={"done": True}).write(folder)
    assert use([number], "tiny")


def test_a_sound_that_has_gone_for_room_is_told(history):
    number = put(history, 0)
    put(history, 1)
    history.prune(max_bytes=history.get(2).size * 1.1)
    with pytest.raises(SoundError, match="gone for room"):
        use([number], "tiny")


@pytest.mark.parametrize("real", [1, 2, 3, 8])
@pytest.mark.parametrize("seed", range(4))
def test_generated_files_are_never_for_validation(history, tmp_path, make_corpus, real, seed):
    folder = make_corpus(tmp_path / "real", "noisy", files=real, seconds=2.0, seed=seed)
    files = use([put(history, seed), put(history, seed + 50)], "tiny")
    # One is a near duplicate of a recording: that recording isn't for validation, either.
    copy = read(folder / "noisy 0.wav")
    number = history.record(
        copy,
        models=[PlayedModel(model="tiny", sha256="0" * 64)],
        settings=PlaySettings(),
        made=Provenance(),
    ).number
    files += use([number], "tiny")
    home = history.library.folder / "tiny"
    corpus = marked(Corpus.inspect(folder).joined(Corpus.inspect(files[0].parent)), home)
    made = {file.sha256 for file in corpus.files if file.generated}
    assert len(made) == 3
    parts = assign(corpus, seed, {})
    assert {parts[key] for key in made} == {"train"}
    twins = [group for group in corpus.alike if "noisy 0.wav" in group]
    assert twins
    first = next(file for file in corpus.files if file.name == "noisy 0.wav")
    assert parts[first.sha256] == "train"
    if real > 1:
        assert set(parts.values()) != {"train"}
    # Nor if an earlier training took them for recordings and tested on them.
    parts = assign(corpus, seed, dict.fromkeys(made, "validation"))
    assert {parts[key] for key in made} == {"train"}


def test_the_next_training_learns_from_them_and_says_so(history, tmp_path, sound_models):
    corpus = sound_models.steady_corpus(tmp_path / "noises", files=4, seconds=2.6)
    settings = TrainSettings(
        steps=2, batch=2, frames=64, evaluate_every=2, architecture=SHAPE, checkpoint_s=0.0
    )
    (path,) = use([put(history, 5)], "tiny")
    made = train_into_library(corpus, "tiny", settings=settings, restart=True)
    found = {file.name: file.generated for file in made.model.header.corpus.files}
    assert found == {path.name: True, **{f"noise {n}.wav": False for n in range(4)}}
    assert made.corpus.to_dict()["generated"] == [path.name]
    assert made.model.header.training["lineage"] == []
    store = MelStore.open(made.model.folder / "training" / "store")
    index = [file.name for file in made.corpus.files].index(path.name)
    assert index in {track.file for track in store.tracks("train")}
    assert index not in {track.file for track in store.tracks("validation")}
    assert store.tracks("validation")


def test_a_model_that_goes_on_names_its_ancestors(tmp_path, sound_models):
    header, tensors = sound_models.small_model()
    header = header.model_copy(update={"training": {"lineage": ["0" * 64]}})
    save(tmp_path / "start.safetensors", header, tensors)
    own = sound_hash(tmp_path / "start.safetensors")
    assert lineage((header, tensors), tmp_path / "start.safetensors") == (own, "0" * 64)
    assert lineage(None, tmp_path) == ()
