"""Playing, blends, batches, presets and history in one call each."""

import re
from pathlib import Path

import pytest
from sound_models import small_model

from milonga.audio.export.receipt import check_export
from milonga.errors import (
    AudioError,
    ComparisonError,
    MilongaError,
    OutputError,
    SoundError,
    UnknownNameError,
    VocoderError,
)
from milonga.runtime.progress import Progress
from milonga.sounds import Library, PlaySettings
from milonga.sounds.library.history import History
from milonga.sounds.library.presets import Presets
from milonga.workflows.batches import play_batch
from milonga.workflows.history import compare_history, replay_sound
from milonga.workflows.playing import blend_sounds, play_sound, play_sounds
from milonga.workflows.presets import save_preset
from milonga.workflows.vocoding import fine_tune_vocoder, vocode

SHORT = {"seconds": 0.3, "vocoder": "griffin-lim"}


class Told(Progress):
    """Remembers what the user is told."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def message(self, text):
        self.lines.append(text)


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MILONGA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    library = Library()
    library.save("tiny", *small_model("tiny"))
    library.save("other", *small_model("other", seed=1, disabled=("pulse",)))
    return library


def test_a_weak_control_is_told_where_it_is_set(library, tmp_path):
    header, tensors = small_model("faint")
    about = header.controls["density"]
    moved = {**about.effect.moved, "density": 0.4, "loudness": 1.2}
    effect = about.effect.model_copy(update={"moved": moved})
    controls = {**header.controls, "density": about.model_copy(update={"effect": effect})}
    library.save("faint", header.model_copy(update={"controls": controls}), tensors)
    weak = {"density": "it hardly makes the sound denser; rather it becomes louder."}
    saved = library.model("faint")
    assert saved.to_dict()["weak_controls"] == saved.details()["weak_controls"] == weak
    said = f"The control 'density' of 'faint' is weak: {weak['density']}"
    told = Told()
    play_sound("faint", controls={"brightness": 1.0}, progress=told, **SHORT)
    assert said not in told.lines
    play_sound("faint", controls={"density": 1.0}, progress=told, force=True, **SHORT)
    play_batch("faint", tmp_path / "b", grid={"density": [1]}, progress=told, **SHORT)
    blend_sounds({"faint": 1, "tiny": 1}, controls={"density": 1.0}, progress=told, **SHORT)
    assert told.lines.count(said) == 3


def test_a_sound_is_written_kept_and_shown(library, tmp_path):
    told = Told()
    sound = play_sound("tiny", seed=3, controls={"brightness": 1.0}, progress=told, **SHORT)
    assert sound.path == Path("tiny-s3.wav")
    assert check_export(sound.path).made.settings["controls"] == {"brightness": 1.0}
    assert sound.clip().seconds == pytest.approx(0.3)
    assert History().get(sound.history).entry.settings.seed == 3
    assert sound.to_dict()["seed"] == 3
    assert "<audio" in sound._repr_html_()
    # What is given by name goes over the settings.
    settings = PlaySettings(seed=1, **SHORT)
    over = play_sound("tiny", "a.flac", settings=settings, seed=9, history=False)
    assert (over.settings.seed, over.history) == (9, None)


def test_several_sounds_are_handed_over_one_by_one(library):
    seen = []
    sounds = play_sounds("tiny", 2, "x.wav", played=seen.append, history=False, **SHORT)
    assert [sound.path.name for sound in sounds] == ["x-s0.wav", "x-s1.wav"]
    assert seen == sounds


def test_a_sound_that_cannot_be_written_is_not_lost(library):
    path = Path("x.wav")

    class InTheWay(Progress):
        def task(self, name, *arguments):
            if name == "Playing":
                path.write_bytes(b"came while the sound was made")
            return super().task(name, *arguments)

    for play, models in ((play_sound, "tiny"), (blend_sounds, {"tiny": 1, "other": 1})):
        with pytest.raises(OutputError) as caught:
            play(models, path, progress=InTheWay(), **SHORT)
        assert path.read_bytes().startswith(b"came")
        (number,) = re.findall(r"replay (\d+) --kept -o FILE", str(caught.value))
        assert replay_sound(int(number), f"{number}.wav", kept=True).clip.seconds > 0.2
        path.unlink()


def test_a_preset_is_saved_played_and_laid_under(library):
    save_preset("tiny", "hall", PlaySettings(pace=0.5, **SHORT), export={"format": "flac"})
    assert "hall" in Presets("tiny")._repr_html_()
    sound = play_sound("tiny", preset="hall", export={"bits": 16}, history=False)
    assert sound.path == Path("tiny-s0.flac")
    assert (sound.settings.pace, sound.result.receipt.settings.bits) == (0.5, 16)
    played = play_sound("tiny", "y.wav", seed=5, **SHORT)
    again = save_preset("tiny", "last", begin_with=played.history, keep_seed=True)
    assert again.settings.seed == 5
    assert "seed" not in save_preset("tiny", "b", begin_with="last").settings.model_fields_set
    with pytest.raises(SoundError, match="nothing to keep"):
        save_preset("tiny", "none")


def test_what_a_killed_run_left_goes_with_the_next_one(library, tmp_path, monkeypatch):
    def everything():
        play_sound("tiny", tmp_path / "played" / "x.wav", force=True, **SHORT)
        vocode(tmp_path / "played" / "x.wav", tmp_path / "vocoded" / "x.wav", force=True,
               vocoder="griffin-lim")  # fmt: skip
        play_batch("tiny", tmp_path / "many", seeds="0:1", **SHORT)
        save_preset("tiny", "x", PlaySettings(pace=0.5), force=True)
        for name in ("tiny", "other"):
            library.annotate(name, notes="x")
        compare_history([1, 2], tmp_path / "compared")

    play_sound("tiny", tmp_path / "played" / "first.wav", **SHORT)
    everything()
    folders = {path.parent for path in tmp_path.rglob("*") if path.is_file()}
    # What is in them comes and goes as a whole.
    folders = {folder for folder in folders if not folder.name.isdecimal()}
    for folder in folders:
        (folder / ".part-00c0ffee-x.wav").write_bytes(b"half")
    assert len(folders) > 8
    assert library.folder / "tiny" in folders
    monkeypatch.setattr("milonga.runtime.files._swept", set())
    everything()
    assert list(tmp_path.rglob(".part-*")) == []


def test_a_blend_and_a_batch(library, tmp_path):
    told = Told()
    sound = blend_sounds({"tiny": 60, "other": 40}, controls={"pulse": 1.0}, progress=told, **SHORT)
    assert sound.path == Path("tiny60-other40-s0.wav")
    assert sound.to_dict()["models"] == {"tiny": 0.6, "other": 0.4}
    assert "other can't do pulse, and play without it." in told.lines
    batch = {"seeds": "0:1", "grid": {"brightness": [-1.0, 1.0]}, "export": {"format": "flac"}}
    assert play_batch("tiny", "many", **batch, **SHORT).count("made") == 4
    assert play_batch("tiny", "many", **batch, **SHORT).count("kept") == 4


def test_the_history_plays_again_and_compares(library):
    for seed in (1, 2):
        play_sound("tiny", seed=seed, **SHORT)
    again = replay_sound(1, "again.wav")
    assert again.same
    assert check_export("again.wav").sound == check_export("tiny-s1.wav").sound
    assert replay_sound(1, kept=True).same is None
    compared = compare_history([1, 2])
    # A sound of one's own is no baseline: the page says "first sound" wherever it is meant.
    text = re.sub(r"(?s)<(style|script).*?</\1>|<[^>]*>", " ", compared.page.read_text())
    assert "baseline" not in text.casefold()
    assert text.count("first sound") >= 4
    assert "First sound shuffled" in text
    assert compared.to_dict()["baseline"]["features"]
    with pytest.raises(ComparisonError):
        compare_history([1, 1])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: play_sound("none"), SoundError),
        (lambda: play_sound("tiny", seconds=-1), SoundError),
        (lambda: play_sound("tiny", nonsense=1), SoundError),
        (lambda: play_sound("tiny", controls={"sweetness": 1}), UnknownNameError),
        (lambda: play_sound("tiny", preset="none"), UnknownNameError),
        (lambda: play_sound("tiny", export={"bits": 8}), AudioError),
        (lambda: play_sound("tiny", export={"nonsense": 8}), AudioError),
        (lambda: blend_sounds({"tiny": 1}), SoundError),
        (lambda: replay_sound(99), SoundError),
        (lambda: vocode("in.wav", "out.txt"), AudioError),
        (lambda: vocode("in.wav", "out.wav", convention="x"), VocoderError),
        (lambda: vocode("in.npy", "out.npz", convention="x"), MilongaError),
        (lambda: fine_tune_vocoder("tiny", minutes=1, steps=1), VocoderError),
    ],
)
def test_mistakes_are_explained(library, call, error):
    with pytest.raises(error):
        call()


def test_nothing_is_replaced_unless_it_is_said(library):
    Path("tiny-s0.wav").write_text("mine")
    with pytest.raises(OutputError):
        play_sound("tiny", **SHORT)
    assert Path("tiny-s0.wav").read_text() == "mine"


def test_models_show_themselves_escaped(library):
    library.annotate("other", tags=["<b>"])
    shown = library._repr_html_()
    assert "tiny" in shown
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown
