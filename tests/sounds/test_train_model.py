import json
import shutil
import signal
import textwrap

import pytest
from warm_process import run_warm

from milonga.audio import probe
from milonga.errors import Cancelled, CorpusError, SoundError
from milonga.runtime.progress import Progress
from milonga.sounds import (
    Library,
    PlaySettings,
    ResolvedPlay,
    TrainSettings,
    open_model,
    train_into_library,
)
from milonga.sounds.model.architecture import Architecture
from milonga.sounds.model.file import sound_hash

TINY = Architecture(latent=4, widths=(8,) * 4, blocks=(1,) * 4, hidden=8)
SETTINGS = TrainSettings(
    steps=6,
    batch=2,
    frames=64,
    evaluate_every=3,
    architecture=TINY,
    checkpoint_s=0.0,
    device="cpu",
)
"""A checkpoint after every step."""


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, sound_models):
    return sound_models.steady_corpus(tmp_path_factory.mktemp("steady"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory, corpus):
    """A library with the model 'noises', trained without interruption."""
    library = Library(tmp_path_factory.mktemp("library"))
    train_into_library(corpus, "noises", settings=SETTINGS, library=library)
    return library


@pytest.fixture
def own(trained, tmp_path):
    """A copy of that library for a test that changes it."""
    return Library(shutil.copytree(trained.folder, tmp_path / "library"))


class Stop(Progress):
    """Cancels when a task has come so far."""

    def __init__(self, label, done):
        super().__init__()
        self.label, self.done, self.seen = label, done, []

    def show(self, update):
        if update.label == "Training":
            self.seen.append(update.done)
        if update.label == self.label and update.done >= self.done:
            self.cancel()


def program(library, corpus, more=""):
    """The same training, for another process, which is killed in the middle."""
    return (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from milonga.runtime.progress import Progress\n"
        "from milonga.sounds import Library, TrainSettings, train_into_library\n"
        "from milonga.sounds.model.architecture import Architecture\n"
        f"shape = Architecture({', '.join(f'{k}={v!r}' for k, v in TINY.to_dict().items())})\n"
        "settings = TrainSettings(steps=6, batch=2, frames=64, evaluate_every=3,\n"
        "    architecture=shape, checkpoint_s=0.0, device='cpu')\n"
        "def look(update):\n"
        "    if update.label == 'Training' and update.done >= 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        f"train_into_library(Path({str(corpus)!r}), 'noises', settings=settings, {more}\n"
        "    progress=Progress(look),\n"
        f"    library=Library(Path({str(library.folder)!r})))"
    )


def test_a_trained_model_is_in_the_library_and_plays(trained, corpus):
    entry = trained.model("noises")
    header = entry.header
    assert [file.name for file in header.corpus.files] == [f"noise {n}.wav" for n in range(4)]
    assert header.training["steps"] == 6
    assert header.controls["loudness"].enabled
    assert not header.controls["pulse"].enabled
    assert header.controls["pulse"].reason
    assert header.controls["loudness"].effect.spearman["loudness"] == pytest.approx(1)
    assert not (entry.folder / "training" / "checkpoint.safetensors").exists()
    player = open_model("noises", trained)
    assert player.mel(ResolvedPlay(seconds=1)).shape == (1, 128, 87)
    # Nothing of where the recordings lie goes into a file that is shared.
    assert str(corpus).encode() not in entry.model_path.read_bytes()


def test_what_is_held_out_is_listed_apart_and_played_from_its_file(corpus, tmp_path, monkeypatch):
    held = "noise 1.wav"

    def assign(corpus, seed, earlier):
        parts = {True: "validation", False: "train"}
        return {file.sha256: parts[file.name == held] for file in corpus.files}

    monkeypatch.setattr("milonga.sounds.corpus.mel_store.assign", assign)
    library = Library(tmp_path / "library")
    train_into_library(corpus, "noises", settings=SETTINGS, library=library)
    entry = library.model("noises")
    assert [file.name for file in entry.header.corpus.files if file.held_out] == [held]
    assert entry.header.corpus_text == "9 s in 3 files (1 held out)"
    assert entry.to_dict()["held_out"] == 1
    player = open_model("noises", library)
    assert player.learnt == ["noise 0.wav", "noise 2.wav", "noise 3.wav"]
    assert PlaySettings(like="noise 0.wav").resolve(player).start == "corpus:noise 0.wav"
    like = PlaySettings(like=held).resolve(player)
    assert like.recordings["start"]["recording"] == held
    assert like.start.shape[:2] == (1, 128)
    with pytest.raises(SoundError) as error:
        PlaySettings(like="nothing.wav").resolve(player)
    assert held not in error.value.step
    # A model that came as a file knows no place.
    player.place = tmp_path / "elsewhere.safetensors"
    with pytest.raises(SoundError, match="held out for testing"):
        PlaySettings(like=held).resolve(player)


def test_a_cancelled_training_goes_on_to_the_same_model(trained, corpus, tmp_path):
    library = Library(tmp_path / "library")
    for stop in (("Inspecting recordings", 1), ("Preparing", 4), ("Training", 3)):
        with pytest.raises(Cancelled):
            train_into_library(
                corpus, "noises", settings=SETTINGS, library=library, progress=Stop(*stop)
            )
        assert [entry.header for entry in library.models()] == [None] * (stop[0][0] != "I")
    made = train_into_library(corpus, "noises", settings=SETTINGS, library=library)
    assert made.trained
    assert sound_hash(made.model.model_path) == sound_hash(trained.model_path("noises"))


def test_a_killed_training_goes_on_to_the_same_model(trained, corpus, tmp_path):
    library = Library(tmp_path / "library")
    assert run_warm(["-c", program(library, corpus)]).returncode == -signal.SIGKILL
    assert (library.folder / "noises" / "training" / "checkpoint.safetensors").exists()
    assert library.model("noises").header is None
    assert library.model("noises").in_training
    made = train_into_library(corpus, "noises", settings=SETTINGS, library=library)
    assert sound_hash(made.model.model_path) == sound_hash(trained.model_path("noises"))


def test_the_same_training_again_does_nothing(own, corpus):
    before = own.model_path("noises").read_bytes()
    made = train_into_library(corpus, "noises", settings=SETTINGS, library=own)
    assert not made.trained
    assert made.record.steps == 6
    assert own.model_path("noises").read_bytes() == before


def test_another_corpus_or_other_settings_do_not_take_the_name(own, corpus, recordings):
    before = own.model_path("noises").read_bytes()
    with pytest.raises(SoundError, match="recordings are others") as caught:
        train_into_library(recordings, "noises", settings=SETTINGS, library=own)
    assert "--add" in caught.value.step
    other = TrainSettings(steps=6, batch=3, frames=64, evaluate_every=3, architecture=TINY)
    with pytest.raises(SoundError, match="batch was 2, now 3"):
        train_into_library(corpus, "noises", settings=other, library=own)
    wide = Architecture(latent=4, widths=(8,) * 4, blocks=(1,) * 4, hidden=16)
    larger = TrainSettings(steps=6, batch=2, frames=64, evaluate_every=3, architecture=wide)
    with pytest.raises(SoundError, match=r"the size of its network is another\)"):
        train_into_library(corpus, "noises", settings=larger, library=own)
    assert own.model_path("noises").read_bytes() == before


def test_an_unfinished_training_that_differs_says_in_what(corpus, tmp_path, sound_models):
    library = Library(tmp_path / "library")
    others = sound_models.steady_corpus(tmp_path / "others", seed=5)
    with pytest.raises(Cancelled):
        train_into_library(
            corpus, "noises", settings=SETTINGS, library=library, progress=Stop("Training", 2)
        )
    with pytest.raises(SoundError, match=r"unfinished.*recordings are others") as caught:
        train_into_library(others, "noises", settings=SETTINGS, library=library)
    assert "--restart" in caught.value.step
    seen = []
    with pytest.raises(Cancelled):
        train_into_library(
            others, "noises", settings=SETTINGS, library=library, restart=True,
            progress=Stop("Training", 2), on_corpus=seen.append,
        )  # fmt: skip
    assert seen[0].folders == (str(others),)
    # Each goes on by its own command.
    for folder, restart in ((corpus, False), (others, True)):
        again = Stop("Training", 3)
        with pytest.raises(Cancelled):
            train_into_library(
                folder, "noises", settings=SETTINGS, library=library, restart=restart,
                progress=again,
            )  # fmt: skip
        assert 1 not in again.seen, "it went on where it was"


def test_more_recordings_go_on_from_the_model(own, corpus, tmp_path, sound_models):
    own.annotate("noises", tags=["mine"], notes="keep me")
    more = sound_models.steady_corpus(tmp_path / "more", files=3, seed=9)
    stopped = Stop("Training", 3)
    before = own.model_path("noises").read_bytes()
    with pytest.raises(Cancelled):
        train_into_library(
            (), "noises", add=[more], settings=SETTINGS, library=own, progress=stopped
        )
    # The model that is there stays until the new one is whole.
    assert own.model_path("noises").read_bytes() == before
    made = train_into_library((), "noises", add=[more], settings=SETTINGS, library=own)
    header = made.model.header
    assert len(header.corpus.files) == 7
    assert made.record.earlier_recordings.error_after > 0
    assert (header.tags, header.notes) == (("mine",), "keep me")
    again = train_into_library((), "noises", add=[more], settings=SETTINGS, library=own)
    assert not again.trained


def test_nothing_new_to_learn_is_an_error(own, corpus):
    with pytest.raises(CorpusError, match="hasn't learnt"):
        train_into_library((), "noises", add=[corpus], settings=SETTINGS, library=own)


def test_adding_to_a_strangers_model(trained, corpus, tmp_path, sound_models):
    """Its recordings aren't here, so only the new ones are learnt from; the model names all."""
    library = Library(tmp_path / "library")
    theirs = library.add(trained.model_path("noises"), "theirs").header.corpus
    library.annotate("theirs", licence="CC-BY-4.0", tags=["theirs"])
    with pytest.raises(CorpusError, match="hasn't learnt"):
        train_into_library((), "theirs", add=[corpus], settings=SETTINGS, library=library)
    more = sound_models.steady_corpus(tmp_path / "more", files=4, seed=9)
    shutil.copy(corpus / "noise 0.wav", more / "known.wav")
    seen = []
    with pytest.raises(Cancelled):
        train_into_library(
            (), "theirs", add=[more], settings=SETTINGS, library=library,
            progress=Stop("Training", 1), on_corpus=seen.append,
        )  # fmt: skip
    assert len(seen[0].files) == 5
    start = library.folder / "theirs" / "training" / "start.safetensors"
    assert sound_hash(start) == sound_hash(trained.model_path("noises"))
    library.annotate("theirs", tags=["written meanwhile"])
    made = train_into_library((), "theirs", add=[more], settings=SETTINGS, library=library)
    header, path = made.model.header, made.model.model_path
    learnt = header.corpus
    assert {file.sha256 for file in learnt.files} >= {file.sha256 for file in theirs.files}
    assert [file.absent for file in learnt.files] == [False] * 5 + [True] * 3
    assert learnt.seconds == pytest.approx(sum(file.seconds for file in learnt.files), abs=0.01)
    assert learnt.usable_seconds == pytest.approx(
        seen[0].usable_s + 0.75 * theirs.usable_seconds, rel=0.05
    )
    assert learnt.fingerprint not in (theirs.fingerprint, seen[0].fingerprint)
    assert header.licence == "CC-BY-4.0; not stated for 4 recordings"
    assert header.tags == ("written meanwhile",)
    # The names that it can be played like are those of its own tracks.
    player = open_model(path)
    assert list(player.files[:5]) == learnt.names


def test_adding_to_nothing(corpus, tmp_path):
    library = Library(tmp_path / "library")
    with pytest.raises(SoundError, match="no model 'x' yet"):
        train_into_library((), "x", add=[corpus], settings=SETTINGS, library=library)
    with pytest.raises(SoundError, match="no folder"):
        train_into_library((), "x", settings=SETTINGS, library=library)


def test_too_little_audio_trains_nothing(tmp_path, make_corpus):
    folder = make_corpus(tmp_path / "short", files=1, seconds=2.0)
    library = Library(tmp_path / "library")
    with pytest.raises(CorpusError, match="at least 10 s"):
        train_into_library(folder, "x", settings=SETTINGS, library=library)
    assert library.models() == []


def test_previews_are_written_on_the_way(corpus, tmp_path):
    library = Library(tmp_path / "library")
    settings = SETTINGS.model_copy(update={"preview_s": 0.0})
    with pytest.raises(Cancelled):
        train_into_library(
            corpus, "noises", settings=settings, library=library, progress=Stop("Training", 2)
        )
    previews = library.folder / "noises" / "training" / "previews"
    names = sorted(path.name for path in previews.iterdir())
    assert names[0] == "step-000001.wav"
    assert probe(previews / names[0]).sample_rate == 44_100


def test_records_of_a_training_are_json(trained):
    folder = trained.folder / "noises" / "training"
    for name in ("corpus.json", "training.json", "inspected.json"):
        json.loads((folder / name).read_text())


def contents(folder, without="restart"):
    """Every file of a folder with its bytes."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and without not in path.relative_to(folder).parts
    }


def test_a_restart_takes_the_place_of_what_was_there_when_it_is_done(own, corpus):
    folder = own.folder / "noises"
    stored = next((folder / "training" / "store").glob("*.npy"))
    stored.unlink()
    stored.with_name("stray.npy").touch()
    (folder / "training" / "vocoder").mkdir()
    (folder / "vocoder.safetensors").write_bytes(b"of the old model")
    (folder / "presets.json").write_text("{}")
    own.annotate("noises", notes="keep me", licence="CC0")
    before = contents(folder)
    for stop in (("Inspecting recordings", 1), ("Preparing", 4), ("Training", 3)):
        with pytest.raises(Cancelled):
            train_into_library(
                corpus, "noises", settings=SETTINGS, library=own, restart=True,
                progress=Stop(*stop),
            )  # fmt: skip
        assert contents(folder) == before
    assert own.model("noises").in_training
    again = Stop("", 0)
    result = train_into_library(
        corpus, "noises", settings=SETTINGS, library=own, restart=True, progress=again
    )
    assert result.trained
    assert 1 not in again.seen, "it went on where it was"
    assert stored.exists()
    names = {path.name for path in folder.rglob("*")}
    assert not names & {"stray.npy", "vocoder.safetensors", "vocoder", "restart", "start"}
    assert (result.model.header.notes, result.model.header.licence) == ("keep me", "CC0")
    assert (folder / "presets.json").exists()
    assert not train_into_library(corpus, "noises", settings=SETTINGS, library=own).trained
    assert not list(own.folder.glob(".part-*"))


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("fault", ["typo", "empty", "too little"])
def test_a_refused_training_leaves_no_trace(own, tmp_path, make_corpus, restart, fault):
    folder = tmp_path / "recordings"
    if fault == "too little":
        make_corpus(folder, files=1, seconds=2.0)
    elif fault == "empty":
        folder.mkdir()
    before = contents(own.folder, ".locks")
    for name in ("noises", "new"):
        with pytest.raises(CorpusError):
            train_into_library(folder, name, settings=SETTINGS, library=own, restart=restart)
    assert contents(own.folder, ".locks") == before
    assert [entry.name for entry in own.models()] == ["noises"]


def test_a_restart_after_kill_9(own, corpus):
    folder = own.folder / "noises"
    before = contents(folder)
    killed = run_warm(["-c", program(own, corpus, "restart=True,")])
    assert killed.returncode == -signal.SIGKILL
    assert (folder / "restart" / "checkpoint.safetensors").exists()
    assert contents(folder) == before
    again = Stop("Training", 2)
    with pytest.raises(Cancelled):
        train_into_library(
            corpus, "noises", settings=SETTINGS, library=own, restart=True, progress=again
        )
    assert 1 not in again.seen


@pytest.mark.parametrize("dies_at", range(1, 6))
def test_killed_while_it_takes_its_place_a_restart_is_finished_by_the_next_run(
    own, corpus, dies_at
):
    folder = own.folder / "noises"
    shutil.copytree(folder / "training", folder / "restart")
    (folder / "restart" / "new").touch()
    shutil.copy(folder / "model.safetensors", folder / "restart")
    own.annotate("noises", notes="the old one")
    (folder / "vocoder.safetensors").write_bytes(b"of the old model")
    code = textwrap.dedent(f"""
        import os, signal, sys
        from pathlib import Path
        from milonga.sounds.library.library import Library
        calls = []
        def dying(name):
            real = getattr(Path, name)
            def call(*args, **more):
                calls.append(name)
                if len(calls) == int(sys.argv[1]):
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **more)
            setattr(Path, name, call)
        library = Library({str(own.folder)!r})
        dying("rename"), dying("replace")
        with library.training("noises"):
            print(len(calls))
    """)
    done = run_warm(["-c", code, dies_at])
    assert done.stdout == ("4\n" if dies_at == 5 else ""), done.stderr
    assert own.model("noises").header is not None, "one of both can be played at any time"
    if dies_at < 5:
        result = train_into_library(corpus, "noises", settings=SETTINGS, library=own, restart=True)
        assert not result.trained, "it was done"
    assert own.model("noises").header.notes == ""
    assert (folder / "training" / "new").exists()
    assert not (folder / "restart").exists()
    assert not (folder / "vocoder.safetensors").exists()
    assert not list(own.folder.glob(".part-*"))


def test_a_training_of_version_0_1_is_known(own, corpus):
    """Its record is called session.json."""
    training = own.folder / "noises" / "training"
    (training / "training.json").rename(training / "session.json")
    assert not train_into_library(corpus, "noises", settings=SETTINGS, library=own).trained
    state = json.loads((training / "session.json").read_text())
    assert state.pop("fixed")["batch"] == 2
    assert state == {
        "format_version": 1,
        "adds": False,
        "fingerprint": own.model("noises").header.corpus.fingerprint,
        "done": True,
    }
    other = TrainSettings(steps=6, batch=3, frames=64, evaluate_every=3, architecture=TINY)
    with pytest.raises(SoundError, match="batch was 2, now 3"):
        train_into_library(corpus, "noises", settings=other, library=own)
    assert train_into_library(corpus, "noises", settings=other, library=own, restart=True).trained
    assert not (training / "session.json").exists()
