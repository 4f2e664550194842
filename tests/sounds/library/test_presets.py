"""Presets: kept settings, and what becomes of them when a model is trained again."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milonga.errors import SoundError, UnknownNameError
from milonga.sounds.library.presets import Presets
from milonga.sounds.model.play_settings import PlaySettings


@pytest.fixture
def models(library, sound_models):
    for seed, name in enumerate(("tiny", "other")):
        library.save(name, *sound_models.small_model(name, seed=seed))
    return library


def test_only_what_was_chosen_is_kept(models):
    settings = PlaySettings(controls={"brightness": 2.0}, pace=0.5)
    Presets("tiny").save("Dark hall", settings, {"format": "flac", "channels": "stereo"})
    kept = Presets("TINY").get("dark HALL")
    assert kept.settings == settings
    assert kept.settings.model_fields_set == {"controls", "pace"}
    assert kept.export == {"format": "flac", "channels": "stereo"}
    document = json.loads((models.folder / "tiny" / "presets.json").read_text())
    assert document["presets"]["Dark hall"]["settings"] == {
        "controls": {"brightness": 2.0},
        "pace": 0.5,
    }
    assert Presets("other").all() == {}


def test_what_is_given_goes_over_a_preset_control_by_control():
    preset = PlaySettings(controls={"brightness": 2.0, "pulse": 1.0}, pace=0.5, seed=3)
    over = PlaySettings(controls={"pulse": -1.0}, seconds=2.0).over(preset)
    assert over.controls == {"brightness": 2.0, "pulse": -1.0}
    assert (over.pace, over.seconds, over.seed, over.tempo) == (0.5, 2.0, 3, 120.0)


@given(
    controls=st.dictionaries(st.sampled_from(["brightness", "pulse"]), st.floats(-4, 4)),
    seconds=st.none() | st.floats(0.01, 1e6),
    seed=st.integers(0, 2**40),
)
def test_settings_survive_json(controls, seconds, seed):
    settings = PlaySettings(controls=controls, seconds=seconds, seed=seed)
    text = settings.model_dump_json(exclude_unset=True)
    again = PlaySettings.model_validate_json(text)
    assert again == settings
    assert again.model_fields_set == settings.model_fields_set


@pytest.mark.parametrize(
    "values", [{"pace": 17.0}, {"controls": {"pulse": 5.0}}, {"seconds": float("nan")}]
)
def test_settings_out_of_range_are_explained(values):
    with pytest.raises(SoundError, match="can't be played"):
        PlaySettings(**values)


def test_names_are_unique_and_unknown_ones_list_the_known(models):
    presets = Presets("tiny")
    presets.save("one", PlaySettings(pace=2.0))
    with pytest.raises(SoundError, match="has a preset 'one' already"):
        presets.save("One", PlaySettings(pace=3.0))
    presets.save("One", PlaySettings(pace=3.0), force=True)
    assert [*presets.all()] == ["One"]
    presets.save("two", PlaySettings(pace=1.5))
    with pytest.raises(SoundError, match="'two' already"):
        presets.rename("one", "TWO")
    presets.rename("one", "uno")
    with pytest.raises(UnknownNameError, match="Known: two, uno"):
        presets.get("three")
    presets.delete("Two")
    assert [*presets.all()] == ["uno"]
    with pytest.raises(SoundError, match="can't be the name of a preset"):
        presets.save("a/b", PlaySettings(pace=1.5))


def test_a_preset_goes_along_when_its_model_is_renamed(models):
    Presets("tiny").save("slow", PlaySettings(pace=0.2))
    models.rename("tiny", "small")
    assert Presets("small").get("slow").settings.pace == 0.2


def test_a_file_outside_the_library_has_no_presets(models):
    with pytest.raises(SoundError, match="belong to models of the library"):
        Presets(str(models.folder / "tiny" / "model.safetensors"))


def test_after_another_training_the_preset_says_what_is_gone(models, sound_models):
    from milonga.sounds import open_model

    settings = PlaySettings(
        controls={"brightness": 2.0, "pulse": 1.0, "warmth": 0.0},
        axes={"pca1": 1.0},
        like="hit.wav",
        pace=0.5,
    )
    presets = Presets("tiny")
    presets.save("mine", settings)
    fitted = presets.fitted("mine")
    assert (fitted.settings, fitted.left_out, fitted.notes) == (settings, {}, ())

    header, tensors = sound_models.small_model("tiny", seed=9, disabled=("pulse",))
    controls = dict(header.controls)
    for name in ("brightness", "warmth"):
        about = controls[name]
        controls[name] = about.model_copy(update={"spread": 2 * about.spread})
    files = header.corpus.files[:2]
    corpus = header.corpus.model_copy(update={"files": files})
    header = header.model_copy(update={"controls": controls, "corpus": corpus})
    models.save("tiny", header, tensors)

    fitted = presets.fitted("mine")
    assert sorted(fitted.left_out) == ["like", "pca1", "pulse"]
    assert "hardly differs" in fitted.left_out["pulse"]
    assert "trained again" in fitted.left_out["pca1"]
    assert fitted.settings.controls == {"brightness": 2.0, "warmth": 0.0}
    assert fitted.settings.pace == 0.5
    assert len(fitted.notes) == 1
    assert "brightness=+2" in fitted.notes[0]
    fitted.settings.resolve(open_model("tiny"))
    assert presets.get("mine").settings == settings


def test_tags_and_notes_of_a_model_change_nothing(models):
    Presets("tiny").save("mine", PlaySettings(axes={"pca1": 1.0}))
    models.annotate("tiny", tags=["rain"], notes="new")
    assert Presets("tiny").fitted("mine").left_out == {}


@pytest.mark.parametrize("text", ["{", '{"format_version": 2}', '{"presets": {"a": 1}}'])
def test_a_damaged_file_is_told_and_kept(models, text):
    path = models.folder / "tiny" / "presets.json"
    path.write_text(text)
    with pytest.raises(SoundError, match="can't be read") as caught:
        Presets("tiny").save("x", PlaySettings(pace=2.0))
    assert caught.value.where == str(path)
    assert path.read_text() == text


def test_two_processes_at_once_lose_nothing(models):
    code = (
        "import sys\n"
        "from milonga.sounds.model.play_settings import PlaySettings\n"
        "from milonga.sounds.library.presets import Presets\n"
        "for n in range(12):\n"
        "    Presets('tiny').save(f'{sys.argv[1]} {n}', PlaySettings(seed=n))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("left", "right")]
    assert [process.wait(300) for process in running] == [0, 0]
    assert len(Presets("tiny").all()) == 24
